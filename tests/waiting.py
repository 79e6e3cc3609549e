"""Waiting for what happens elsewhere."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float = 300, what: str = "") -> None:
    """Wait until a condition holds; fail if it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"after {seconds} s still waiting for {what or condition}"
        time.sleep(0.1)
