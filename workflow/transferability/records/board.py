"""Shows the status of a study on the terminal, or as JSON for programs."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from transferability.records import status
from transferability.records.status import DONE, FAILED, RUNNING, WAITING, Status, StudyStatus
from transferability.study import targets
from transferability.study.networks import parse_name

SECONDS_PER_LOOK = 2.0
LOOKS = 200
"""The pause between two looks is at least LOOKS times the processor time of one look."""
MOST_ROWS = {RUNNING: 16, FAILED: 8, DONE: 6}
HEADINGS = ("network", "state", "trained", "top-1", "images/s", "time")
GAP = 2
BREAKABLE = ("network", "trained")
STYLES = {RUNNING: "bold", DONE: "dim", FAILED: "bold reverse"}


def show(results: Path, watch: bool, as_json: bool, console: Console) -> None:
    """Print the status of a study. With `watch`, print it repeatedly until nothing waits or runs or
    the user stops it. Without a terminal, the board is printed once, at the end."""
    is_live = console.is_terminal and not as_json
    screen = Live(console=console, auto_refresh=False) if is_live else nullcontext()
    with suppress(KeyboardInterrupt), screen as live:
        while True:
            start = time.process_time()
            has_begun = not watch or (results / targets.STUDY).exists()
            study = status.look(results) if has_begun else None
            has_ended = not watch or (study and not study.of(WAITING, RUNNING))
            if live:
                waiting = Text(f"{results}: waiting for a run to start")
                live.update(board(study, console.width) if study else waiting, refresh=True)
            elif study and as_json:
                console.out(json.dumps(study.as_json()), highlight=False)
            elif has_ended:
                console.print(board(study, console.width))
            if has_ended:
                return
            time.sleep(max(SECONDS_PER_LOOK, LOOKS * (time.process_time() - start)))


def board(study: StudyStatus, width: int) -> Group:
    """A bar for the study; networks that run, have failed or finished last; waiting networks."""
    bar = ProgressBar(1.0, study.share, 80, style="grey70", complete_style="blue")
    rows = []
    for state, most in MOST_ROWS.items():
        of_state = _latest(study.of(state))
        rows += [(network.path, state, *_cells(network)) for network in of_state[:most]]
        if len(of_state) > most:
            rows.append((f"and {len(of_state) - most:,} more", state, "", "", "", ""))
    parts = [Text(summary(study), style="bold"), bar, Text()]
    if rows:
        parts += [_table(rows, width), Text()]
    most = MOST_ROWS[FAILED]
    failed = [
        (
            "prepare_images" if source["source"] == "images" else f"source {source['source']}",
            source["why"],
            source["log"],
        )
        for source in study.failed_sources
    ]
    failed += [
        (network.path, network.why, network.log) for network in _latest(study.of(FAILED))[:most]
    ]
    for what, why, log in failed:
        parts += [Text(f"{what} failed: {why}", style="bold"), Text(f"  its log: {log}")]
    for network in _unlearned(study)[:most]:
        scores = f"top-1 {network.top1:.3f}, chance {network.chance:.3f}, {network.why}"
        parts.append(Text(f"{network.path} did not learn: {scores}", style="bold"))
    if stopped := [n.path for n in study.of(WAITING) if n.why == status.INTERRUPTED]:
        more = f" and {len(stopped) - most:,} more" if len(stopped) > most else ""
        parts.append(Text(f"{', '.join(stopped[:most])}{more}: {status.INTERRUPTED}"))
    kinds = [parse_name(network.network).treatment for network in study.of(WAITING)]
    if kinds:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in Counter(kinds).items())
        parts.append(Text(f"waiting: {counts}"))
    return Group(*parts)


def _table(rows: Sequence[Sequence[str]], width: int) -> Table:
    """A table of networks. A narrow one has no speeds and breaks long names and `trained`."""
    table = Table(box=None, padding=(0, GAP, 0, 0), header_style="bold underline")
    full = sum(GAP + max(map(len, cells)) for cells in zip(HEADINGS, *rows, strict=True))
    shown = [name for name in HEADINGS if name != "images/s" or full <= width]
    for name in shown:
        justify = "left" if name in HEADINGS[:3] else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name not in BREAKABLE)
    for row in rows:
        cells = dict(zip(HEADINGS, row, strict=True))
        cells["state"] = Text(cells["state"], style=STYLES[cells["state"]])
        table.add_row(*(cells[name] for name in shown))
    return table


def summary(study: StudyStatus) -> str:
    """The status of the study in one line."""
    counts = study.counts
    words = [f"{study.study}: {counts[DONE]:,} of {len(study.networks):,} networks done"]
    words += [f"{counts[state]:,} {state}" for state in (RUNNING, FAILED, WAITING) if counts[state]]
    if count := sum(network.why == status.CHANGED for network in study.of(WAITING)):
        words.append(f"{count:,} of these {status.CHANGED}")
    if count := len(_unlearned(study)):
        words.append(f"{count:,} did not learn")
    words.append(f"{int(100 * study.share)} % trained")
    if not counts[RUNNING]:
        words += ["nothing runs"] * bool(counts[WAITING])
    elif study.seconds_left is None:
        words.append("time to go not known yet")
    else:
        words.append(f"{duration(study.seconds_left)} to go")
    return ", ".join(words)


def _unlearned(study: StudyStatus) -> list[Status]:
    return [network for network in study.of(DONE) if not network.learned]


def duration(seconds: float) -> str:
    """A duration as text, such as 45 s, 12 min, 3.4 h or 2.1 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 100 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def _latest(networks: Sequence[Status]) -> list[Status]:
    """The networks, latest change first; running ones stay in the order of the study."""
    return sorted(networks, key=lambda n: 0.0 if n.state == RUNNING else -(n.changed or 0.0))


def _cells(network: Status) -> tuple[str, str, str, str]:
    """The cells trained, top-1, images/s, and time taken or time left of a network."""
    trained = "not evaluated yet" if network.state == RUNNING else ""
    if network.reached:
        trained = f"{network.reached:,.10g} of {network.length:,} {network.unit}"
    top1 = "" if network.top1 is None else f"{network.top1:.3f}"
    speed = "" if network.images_per_second is None else f"{network.images_per_second:,.0f}"
    took = ""
    if network.state == DONE:
        took = f"took {duration(network.seconds)}"
    elif network.seconds_left is not None:
        took = f"{duration(network.seconds_left)} to go"
    return trained, top1, speed, took
