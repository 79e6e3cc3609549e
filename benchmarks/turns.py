"""Measuring several actions in turns, so that other work on the machine slows down all of them.

Processor time is more reliable on a shared machine; it includes the processes that an action
started and that ended with it.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Action = Callable[[], float | None]
"""An action may return the seconds that count, if these are not its whole time."""


@dataclass
class Measured:
    """The elapsed seconds and the processor seconds of each repetition, for some images."""

    images: int
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def time(self, action: Action) -> None:
        start, used = time.perf_counter(), processor_seconds()
        seconds = action()
        self.seconds.append(time.perf_counter() - start if seconds is None else seconds)
        self.processor.append(processor_seconds() - used)


def processor_seconds() -> float:
    """The processor seconds that this process and its ended children have used."""
    ended = os.times()
    # For this process, finer than the hundredths of a second of os.times.
    return time.process_time() + ended.children_user + ended.children_system


def take_turns(actions: dict[str, Action], images: int, repeats: int) -> dict[str, Measured]:
    """Repeat each action over these images, in forward and backward order in turn, after one
    repetition that does not count."""
    measured = {name: Measured(images) for name in actions}
    for action in actions.values():
        action()
    for repeat in range(repeats):
        for name in list(actions) if repeat % 2 == 0 else reversed(actions):
            measured[name].time(actions[name])
    return measured


def print_table(title: str, measured: dict[str, Measured], reference: str) -> None:
    """One line per action: medians, and medians of the ratio to the reference in the same turn."""
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
