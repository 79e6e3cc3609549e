"""SIGTERM and SIGINT: what a batch system, Snakemake or Ctrl-C ends a command with.

A command that has something to save notes them, and looks for them where nothing is half done.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = os.EX_TEMPFAIL
"""The exit status, 75: it failed for now, and the same command goes on."""

_came: list[int] = []


class Interrupted(BaseException):
    """A signal ended the work before its end; the message names it.

    As KeyboardInterrupt, it is no Exception: code that catches each of these, such as the reading
    of an image that may be broken, must not take the signal for its own failure.
    """


@contextmanager
def noticed(at_once: bool = False) -> Iterator[None]:
    """Inside, a signal makes the next `check` raise Interrupted.

    With `at_once` it is raised wherever the signal comes, or has come before, for work that may be
    dropped anywhere.
    Signals after the first change nothing, so that they do not break a save.
    """

    def note(number: int, frame: FrameType | None) -> None:
        _came.append(number)
        if at_once and len(_came) == 1:
            check()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if at_once:
            check()
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _came.clear()


def has_come() -> bool:
    """Whether a signal has come."""
    return bool(_came)


def check() -> None:
    """Raise Interrupted if a signal has come."""
    if _came:
        raise Interrupted(signal.Signals(_came[0]).name)
