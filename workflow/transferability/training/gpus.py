"""Which GPU of several a training takes: Snakemake counts GPUs, and does not assign them.

A training takes those on which the fewest others run. Of each GPU there are places, numbered from
0, and each place is a file on which its training holds a lock, which the system frees with the
process, however that ends. The lowest free place is taken, on the first GPU that has it, or on all
of the first group of GPUs that has it.
"""

import fcntl
import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def taken(gpus: Sequence[str], folder: Path, wanted: int = 1) -> Iterator[int]:
    """Take a place on each of `wanted` of these GPUs in a row, each named by its UUID, and give it
    back in the end; the index of the first. There are at least so many."""
    folder.mkdir(mode=0o700, exist_ok=True)
    firsts = range(0, len(gpus) - wanted + 1, wanted)
    for place, first in ((place, first) for place in itertools.count() for first in firsts):
        with ExitStack() as held:
            try:
                for name in gpus[first : first + wanted]:
                    file = held.enter_context((folder / f"{name}.{place}").open("w"))
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield first
            return
