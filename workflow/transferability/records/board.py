"""The status of a study to look at: a table in a terminal, lines elsewhere, JSON for programs."""

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
from transferability.study.networks import parse_name

SECONDS_PER_LOOK = 2.0
SHARE_OF_TIME = 1 / 200
"""Looks are so seldom that they take no more than this share of a processor's time."""
MOST_ROWS = {RUNNING: 16, FAILED: 8, DONE: 6}
STYLES = {RUNNING: "bold", DONE: "dim", FAILED: "bold reverse"}
TEXTS, NUMBERS = ("network", "state", "trained"), ("top-1", "images/s", "time")


def show(results: Path, watch: bool, as_json: bool, console: Console) -> None:
    """Print where a study stands; again and again if `watch`, until there is nothing to wait for or
    the user ends it."""
    shows_board = console.is_terminal and not as_json
    printed: dict[str, str] = {}
    screen = Live(console=console, auto_refresh=False) if shows_board else nullcontext()
    with suppress(KeyboardInterrupt), screen as live:
        while True:
            start = time.process_time()
            study = status.look(results)
            if shows_board:
                live.update(board(study), refresh=True)
            elif as_json:
                console.out(json.dumps(study.as_json()), highlight=False)
            else:
                # Every network once, and again what is new of it.
                lines = {network.path: line(network) for network in study.networks}
                news = [text for path, text in lines.items() if printed.get(path) != text]
                for text in [*news, summary(study)] if news else []:
                    console.out(text, highlight=False)
                printed = lines
            if not watch or not study.of(WAITING, RUNNING):
                return
            time.sleep(max(SECONDS_PER_LOOK, (time.process_time() - start) / SHARE_OF_TIME))


def board(study: StudyStatus) -> Group:
    """The study as a bar; networks that run, have failed or were done last; what waits."""
    bar = ProgressBar(1.0, study.share, 96, style="grey70", complete_style="blue")
    bar.finished_style = "blue"
    networks = Table(box=None, padding=(0, 2, 0, 0), header_style="bold underline")
    for heading in (*TEXTS, *NUMBERS):
        justify = "right" if heading in NUMBERS else "left"
        networks.add_column(heading, justify=justify, no_wrap=True)
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
    for network in unlearned(study)[: MOST_ROWS[FAILED]]:
        parts.append(Text(f"{network.path} {did_not_learn(network)}", style="bold"))
    if waiting := study.of(WAITING):
        names = [parse_name(network.network).treatment.replace("_", " ") for network in waiting]
        counts = [f"{count:,} {name}" for name, count in Counter(names).items()]
        parts.append(Text(f"waiting: {', '.join(counts)}"))
    return Group(*parts)


def summary(study: StudyStatus) -> str:
    """The study in a line."""
    counts = study.counts
    words = [f"{study.study}: {counts[DONE]:,} of {len(study.networks):,} networks done"]
    words += [f"{counts[state]:,} {state}" for state in (RUNNING, WAITING, FAILED) if counts[state]]
    if count := len(unlearned(study)):
        words.append(f"{count:,} did not learn")
    words.append(f"{int(100 * study.share)} %")
    left = "time to go not known yet"
    if not counts[RUNNING]:
        left = "nothing runs"
    elif study.seconds_left is not None:
        left = f"{duration(study.seconds_left)} to go"
    return ", ".join([*words, left] if study.of(WAITING, RUNNING) else words)


def line(network: Status) -> str:
    """A network in a line, without the time, which changes at each look."""
    trained, top1, speed, _ = _cells(network)
    words = [network.path, network.state, trained, top1 and f"top-1 {top1}"]
    words += [speed and f"{speed} images/s", network.learned is False and did_not_learn(network)]
    words += [network.why, network.log and f"log: {network.log}"]
    return "  ".join(filter(None, words))


def unlearned(study: StudyStatus) -> list[Status]:
    """The networks that are done and did not learn."""
    return [network for network in study.of(DONE) if network.learned is False]


def did_not_learn(network: Status) -> str:
    return f"did not learn: top-1 {network.top1:.3f} at a chance of {network.chance:.3f}"


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
        digits = ",.4g" if network.unit == "epochs" else ","
        trained = f"{network.reached:{digits}} of {network.length:,} {network.unit}"
    top1 = "" if network.top1 is None else f"{network.top1:.3f}"
    speed = "" if network.images_per_second is None else f"{network.images_per_second:,.0f}"
    took = ""
    if network.state == DONE:
        took = f"took {duration(network.seconds)}"
    elif network.seconds_left is not None:
        took = f"{duration(network.seconds_left)} to go"
    return trained, top1, speed, took
