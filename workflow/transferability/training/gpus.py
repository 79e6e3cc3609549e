"""The choice of a GPU for a training, if there are several: Snakemake only counts GPUs.

A training uses the GPUs on which the fewest other trainings run. Each GPU has places, numbered from
0. A place is a file, locked by the training that uses it; the system releases the lock when the
process ends, even after a kill. A training takes the lowest place that is free on any GPU, or on
all GPUs of a group if it needs several.
"""

import fcntl
import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def taken(gpus: Sequence[str], folder: Path, wanted: int = 1) -> Iterator[int]:
    """Hold a place on each of `wanted` consecutive GPUs, and yield the index of the first. `gpus`
    are UUIDs, at least `wanted` of them."""
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
