"""Which GPU of several a training takes: Snakemake counts GPUs, and does not assign them.

A training takes the one on which the fewest others run. Of each GPU there are places, numbered from
0, and each place is a file on which its training holds a lock, which the system frees with the
process, however that ends. The lowest free place is taken, on the first GPU that has it.
"""

import fcntl
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def taken(gpus: Sequence[str], folder: Path) -> Iterator[int]:
    """Take a place on one of these GPUs, each named by its UUID, and give it back in the end; the
    index of the GPU."""
    folder.mkdir(mode=0o700, exist_ok=True)
    in_turn = ((place, index) for place in itertools.count() for index in range(len(gpus)))
    for place, index in in_turn:
        with (folder / f"{gpus[index]}.{place}").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield index
            return
