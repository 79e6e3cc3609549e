"""SIGTERM and SIGINT, with which a batch system, Snakemake or Ctrl-C ends a command.

A command that must save its work records these signals, and checks for them between two steps.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = os.EX_TEMPFAIL
"""The exit status after a signal (75, a temporary failure): the same command can continue."""

_came: list[int] = []


class Interrupted(BaseException):
    """A signal interrupted the work; the message names the signal.

    Like KeyboardInterrupt, it is not an Exception: code that catches every Exception, such as the
    reading of images that may be damaged, must not catch it.
    """


@contextmanager
def noticed(at_once: bool = False) -> Iterator[None]:
    """Inside this context, a signal makes the next `check` raise Interrupted.

    With `at_once`, it is raised as soon as the signal is received, or at the start of the block if
    this has happened before; this is for work that can be stopped at any point. Later signals are
    ignored, so that they do not interrupt a save.
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
    """Whether a signal was received."""
    return bool(_came)


def check() -> None:
    """Raise Interrupted if a signal was received."""
    if _came:
        raise Interrupted(signal.Signals(_came[0]).name)
