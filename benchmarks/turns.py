"""Measuring some things in turn, so that whatever else the machine does weighs on each.

Processor time says more on a machine that is shared; it includes that of processes which an action
started and which have ended with it.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Action = Callable[[], float | None]
"""It may return the seconds that count, where these are not all that it takes."""


@dataclass
class Measured:
    """Of each repetition the seconds, and the seconds of processors, that some images took."""

    images: int
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def time(self, action: Action) -> None:
        start, used = time.perf_counter(), processor_seconds()
        seconds = action()
        self.seconds.append(time.perf_counter() - start if seconds is None else seconds)
        self.processor.append(processor_seconds() - used)


def processor_seconds() -> float:
    """Seconds of processors that this process and its ended children have used."""
    ended = os.times()
    # Of this process more finely than in the hundredths of a second that os.times counts.
    return time.process_time() + ended.children_user + ended.children_system


def take_turns(actions: dict[str, Action], images: int, repeats: int) -> dict[str, Measured]:
    """Each action, over so many images, so many times, forwards and backwards in turn, after one
    that does not count."""
    measured = {name: Measured(images) for name in actions}
    for action in actions.values():
        action()
    for repeat in range(repeats):
        for name in list(actions) if repeat % 2 == 0 else reversed(actions):
            measured[name].time(actions[name])
    return measured


def print_table(title: str, measured: dict[str, Measured], reference: str) -> None:
    """A line for each: medians, and medians of the ratios to the reference's in the same turn."""
    print(f"\n{title:34}{'images/s':>9}{'processor':>13}{'times as fast':>15}{'by processor':>14}")
    other = measured[reference]
    for name, one in measured.items():
        rate = one.images / statistics.median(one.seconds)
        milliseconds = 1000 * statistics.median(one.processor) / one.images
        faster = _ratio(other.seconds, one.seconds)
        cheaper = _ratio(other.processor, one.processor)
        print(f"{name:34}{rate:9,.0f}{milliseconds:10.2f} ms{faster:15.2f}{cheaper:14.2f}")


def _ratio(some: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(some, others, strict=True))
