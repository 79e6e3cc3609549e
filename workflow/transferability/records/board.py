"""The status of a study to look at, or as JSON for programs."""

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
"""Looks are so seldom that they take no more than one part in so many of a processor's time."""
MOST_ROWS = {RUNNING: 16, FAILED: 8, DONE: 6}
STYLES = {RUNNING: "bold", DONE: "dim", FAILED: "bold reverse"}


def show(results: Path, watch: bool, as_json: bool, console: Console) -> None:
    """Print where a study stands; again and again if `watch`, until there is nothing to wait for or
    the user ends it. Where there is no terminal, a board is printed once, at the end."""
    screen = nullcontext() if as_json else Live(console=console, auto_refresh=False)
    with suppress(KeyboardInterrupt), screen as live:
        while True:
            start = time.process_time()
            has_begun = not watch or (results / targets.STUDY).exists()
            study = status.look(results) if has_begun else None
            if live:
                waiting = Text(f"{results}: waiting for a run to start")
                live.update(board(study) if study else waiting, refresh=True)
            elif study:
                console.out(json.dumps(study.as_json()), highlight=False)
            if not watch or (study and not study.of(WAITING, RUNNING)):
                return
            time.sleep(max(SECONDS_PER_LOOK, LOOKS * (time.process_time() - start)))


def board(study: StudyStatus) -> Group:
    """The study as a bar; networks that run, have failed or were done last; what waits."""
    bar = ProgressBar(1.0, study.share, 80, style="grey70", complete_style="blue")
    networks = Table(box=None, padding=(0, 2, 0, 0), header_style="bold underline")
    for heading in ("network", "state", "trained", "top-1", "images/s", "time"):
        justify = "left" if heading in ("network", "state", "trained") else "right"
        # Alone to be broken where a terminal is narrow.
        networks.add_column(heading, justify=justify, no_wrap=heading != "trained")
    for state, most in MOST_ROWS.items():
        of_state = _latest(study.of(state))
        for network in of_state[:most]:
            networks.add_row(network.path, Text(state, style=STYLES[state]), *_cells(network))
        if len(of_state) > most:
            networks.add_row(f"and {len(of_state) - most:,} more", state)
    parts = [Text(summary(study), style="bold"), bar, Text()]
    if networks.row_count:
        parts += [networks, Text()]
    for network in _latest(study.of(FAILED))[: MOST_ROWS[FAILED]]:
        parts.append(Text(f"{network.path} failed: {network.why}", style="bold"))
        parts.append(Text(f"  its log: {network.log}"))
    for network in _unlearned(study)[: MOST_ROWS[FAILED]]:
        scores = f"top-1 {network.top1:.3f} at a chance of {network.chance:.3f}"
        parts.append(Text(f"{network.path} did not learn: {scores}", style="bold"))
    kinds = [parse_name(network.network).treatment for network in study.of(WAITING)]
    if kinds:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in Counter(kinds).items())
        parts.append(Text(f"waiting: {counts}"))
    return Group(*parts)


def summary(study: StudyStatus) -> str:
    """The study in a line."""
    counts = study.counts
    words = [f"{study.study}: {counts[DONE]:,} of {len(study.networks):,} networks done"]
    words += [f"{counts[state]:,} {state}" for state in (RUNNING, WAITING, FAILED) if counts[state]]
    if count := len(_unlearned(study)):
        words.append(f"{count:,} did not learn")
    words.append(f"{int(100 * study.share)} %")
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
    """A time to read, such as 45 s, 12 min, 3.4 h or 2.1 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 100 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def _latest(networks: Sequence[Status]) -> list[Status]:
    """The one with the latest news first; those that run stay in the order of the study."""
    return sorted(networks, key=lambda n: 0.0 if n.state == RUNNING else -(n.changed or 0.0))


def _cells(network: Status) -> tuple[str, str, str, str]:
    """How far it is trained, its top-1, its images a second, and what it took or will take."""
    trained = "not evaluated yet" if network.state == RUNNING else ""
    if network.reached:
        trained = f"{network.reached:,.6g} of {network.length:,} {network.unit}"
    top1 = "" if network.top1 is None else f"{network.top1:.3f}"
    speed = "" if network.images_per_second is None else f"{network.images_per_second:,.0f}"
    took = ""
    if network.state == DONE:
        took = f"took {duration(network.seconds)}"
    elif network.seconds_left is not None:
        took = f"{duration(network.seconds_left)} to go"
    return trained, top1, speed, took
