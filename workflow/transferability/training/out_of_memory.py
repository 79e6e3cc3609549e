"""What is said when there is not enough memory, and nothing is left to try."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from transferability.study.training_spec import TrainingSpec
from transferability.training.run import TrainingError

IN_MESSAGES = ("DefaultCPUAllocator", "bad_alloc", "out of memory")
"""What torch says where the memory of a processor, or of Apple's MPS, is not enough; it has no
class of error for it."""


@contextmanager
def explained(task: TrainingSpec) -> Iterator[None]:
    """Raise TrainingError, with how much was in use and which key to lower, in place of what torch
    and numpy raise where there is not enough memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = " ".join(str(error).split())
        on_device = isinstance(error, torch.OutOfMemoryError)
        if not (on_device or isinstance(error, MemoryError) or any(s in told for s in IN_MESSAGES)):
            raise
        used = "" if on_device else f", of which this job used {_peak_bytes():,} bytes at its peak"
        at_once = task.recipe["micro_batch"] or task.recipe["batch_size"]
        raise TrainingError(
            f"{task.network} ({task.split}, seed {task.seed}): there is not enough memory{used}; "
            f"set recipe.micro_batch below {at_once}, lower dataset.image_size or take a smaller "
            f"architecture, or give the job more memory ({told})"
        ) from error


def _peak_bytes() -> int:
    """The most memory that this process has had at one time, as the system measured it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In kilobytes, but for Apple's systems.
    return peak if sys.platform == "darwin" else 1024 * peak
