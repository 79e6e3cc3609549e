"""Work on the images of a batch, one by one, in a few threads of the processor."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch

LARGE = 48 * 48
"""From so many pixels on, images on a CPU are worked on one by one. What Python needs for each
outweighs what is saved where they are smaller."""

TURN = 8
"""Images that a thread takes at a time."""


def one_by_one(device: torch.device, pixels: tuple[int, int]) -> bool:
    """Whether images of so many pixels (height, width) are worked on one by one."""
    return device.type == "cpu" and pixels[0] * pixels[1] >= LARGE


def share(work: Callable[[range], None], count: int) -> None:
    """Do the work for all numbers below `count`, a few at a time, in as many threads as torch may
    use."""
    turns = (range(first, min(first + TURN, count)) for first in range(0, count, TURN))
    # To go through the results is to see the errors.
    for _ in _pool(torch.get_num_threads()).map(work, turns):
        pass


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """So many threads, in each of which torch works alone: were each to share an image with threads
    of its own, there would be as many as its square."""
    pool = ThreadPoolExecutor(threads, "images", _work_alone)
    # None can take two of these, so all start.
    barrier = Barrier(threads)
    for started in [pool.submit(barrier.wait) for _ in range(threads)]:
        started.result()
    # What was last set is also what any thread begins with that starts later.
    torch.set_num_threads(threads)
    return pool


def _work_alone() -> None:
    # A thread that first asks for the number takes over the one that was last set anywhere.
    torch.get_num_threads()
    torch.set_num_threads(1)
