"""The status of a study to look at: a board in a terminal, lines elsewhere, JSON for programs."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from transferability.records.status import (
    DONE,
    FAILED,
    RUNNING,
    WAITING,
    Status,
    StudyStatus,
    Watched,
)
from transferability.study.networks import parse_name

SECONDS_PER_LOOK = 2.0
SHARE_OF_TIME = 1 / 200
"""Looks are so seldom that they take no more than this of a processor's time."""
MOST_ROWS = {RUNNING: 16, FAILED: 8, DONE: 6}
STYLES = {RUNNING: "bold", DONE: "dim", FAILED: "bold reverse", WAITING: ""}
HEADINGS = ("network", "state", "trained", "top-1", "images/s", "time")


def show(watched: Watched, watch: bool, as_json: bool, console: Console) -> None:
    """Print where a study stands; again and again if `watch`, until there is nothing to wait for or
    the user ends it."""
    with suppress(KeyboardInterrupt):
        looks = _looks(watched, watch)
        if as_json:
            for status in looks:
                console.out(json.dumps(status.as_json()), highlight=False)
        elif not console.is_terminal:
            _print_lines(looks, console)
        elif not watch:
            console.print(board(watched.look()))
        else:
            with Live(console=console, auto_refresh=False) as live:
                for status in looks:
                    live.update(board(status), refresh=True)


def _looks(watched: Watched, watch: bool) -> Iterator[StudyStatus]:
    while True:
        start = time.process_time()
        status = watched.look()
        yield status
        if not watch or not status.of(WAITING, RUNNING):
            return
        time.sleep(max(SECONDS_PER_LOOK, (time.process_time() - start) / SHARE_OF_TIME))


def _print_lines(looks: Iterable[StudyStatus], console: Console) -> None:
    """Every network once, and again what is new of it; then the study, if there is any news."""
    said: dict[str, str] = {}
    for status in looks:
        lines = {network.path: line(network) for network in status.networks}
        news = [text for path, text in lines.items() if said.get(path) != text]
        for text in [*news, summary(status)] if news else []:
            console.out(text, highlight=False)
        said = lines


def board(status: StudyStatus) -> RenderableType:
    """The study as a bar, networks that run, have failed or were done last, and what waits."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold underline")
    for heading in HEADINGS:
        right = heading in HEADINGS[3:]
        shown.add_column(heading, justify="right" if right else "left", no_wrap=True)
    parts: list[RenderableType] = [Text(summary(status), style="bold"), _bar(status), Text()]
    of_state = {state: _latest(status.of(state)) for state in MOST_ROWS}
    for state, networks in of_state.items():
        for network in networks[: MOST_ROWS[state]]:
            style = STYLES[state]
            shown.add_row(network.path, Text(state, style=style), *_cells(network))
        more = len(networks) - MOST_ROWS[state]
        if more > 0:
            shown.add_row(f"and {more:,} more", state)
    if shown.row_count:
        parts += [shown, Text()]
    for network in of_state[FAILED][: MOST_ROWS[FAILED]]:
        parts.append(Text(f"{network.path} failed: {network.why}", style="bold"))
        parts.append(Text(f"  its log: {network.log}"))
    waiting = status.of(WAITING)
    if waiting:
        parts.append(Text(f"waiting: {_by_treatment(waiting)}"))
    return Group(*parts)


def summary(status: StudyStatus) -> str:
    """The study in a line."""
    counts = status.counts
    done = f"{counts[DONE]:,} of {len(status.networks):,} networks done"
    others = [f"{counts[state]:,} {state}" for state in (RUNNING, WAITING, FAILED) if counts[state]]
    left = []
    if status.of(WAITING, RUNNING):
        known = status.seconds_left is not None
        left = [f"{duration(status.seconds_left)} to go" if known else "time to go not known yet"]
        if not counts[RUNNING]:
            left = ["nothing runs"]
    return f"{status.study}: {', '.join([done, *others, f'{int(100 * status.share)} %', *left])}"


def line(network: Status) -> str:
    """A network in a line, without the time, which changes at each look."""
    trained, top1, speed, _ = _cells(network)
    words = [network.path, network.state, trained]
    words += [f"top-1 {top1}"] * bool(top1) + [f"{speed} images/s"] * bool(speed)
    words += [network.why] if network.why else []
    words += [f"log: {network.log}"] if network.log else []
    return "  ".join(filter(None, words))


def duration(seconds: float) -> str:
    """A time to read, such as 45 s, 12 min, 3.4 h or 2.1 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 100 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def _bar(status: StudyStatus) -> ProgressBar:
    return ProgressBar(
        total=1.0,
        completed=status.share,
        width=96,
        style="grey70",
        complete_style="blue",
        finished_style="blue",
    )


def _latest(networks: Sequence[Status]) -> list[Status]:
    """The one with the latest news first; those that run stay in the order of the study."""
    if networks and networks[0].state == RUNNING:
        return list(networks)
    return sorted(networks, key=lambda network: -(network.changed or 0))


def _cells(network: Status) -> tuple[str, str, str, str]:
    """How far it is trained, its top-1, its images a second, and what it took or will take."""
    reached = f"{network.reached:,.4g}" if network.unit == "epochs" and network.reached else ""
    if network.unit == "iterations" and network.reached:
        reached = f"{network.reached:,}"
    trained = f"{reached} of {network.length:,} {network.unit}" if reached else ""
    if network.state == RUNNING and not reached:
        trained = "not evaluated yet"
    top1 = "" if network.top1 is None else f"{network.top1:.3f}"
    speed = "" if network.images_per_second is None else f"{network.images_per_second:,.0f}"
    took = ""
    if network.state == DONE:
        took = f"took {duration(network.seconds)}"
    elif network.seconds_left is not None:
        took = f"{duration(network.seconds_left)} to go"
    return trained, top1, speed, took


def _by_treatment(networks: Sequence[Status]) -> str:
    """How many there are of each treatment: 4 selffer, 3 transfer+."""
    treatments = Counter()
    for network in networks:
        of = parse_name(network.network)
        treatments[f"{of.kind.replace('_', ' ')}{'+' if of.fine_tuned else ''}"] += 1
    return ", ".join(f"{count:,} {treatment}" for treatment, count in treatments.items())
