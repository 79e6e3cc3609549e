"""Memory of the processor, used again and again.

The C library gives large pieces back to the system as soon as they are free, and the system empties
each page that it gives out. Each step of a training takes the same pieces as the one before: a
seventh of a small network's time goes into empty pages, and for a batch of large images as long as
to fill it.
"""

import ctypes
import math
import mmap
import weakref
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch

FREE = 8
"""Pieces of memory that wait for their next use, at most: a few are in use in each step."""

KEPT_PIECE = 2**25
"""Bytes of the largest piece that the C library keeps for its next use; larger ones would leave
holes that cost more memory than they save time."""

# As in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

_free: deque[np.ndarray] = deque(maxlen=FREE)


def keep_freed() -> None:
    """Let the C library keep what this process frees, where it is one that can be told to (glibc).

    Results are the same, steps take less time.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, KEPT_PIECE)
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def empty(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor on the CPU with any values, in memory that earlier ones no longer use.

    numpy's memory: it asks the system for large pages; and torch asks for aligned pieces, which the
    C library cannot put where others were, so that it comes to hold several times what is in use.
    """
    size = math.prod(shape) * dtype.itemsize
    piece = _taken(size)
    if piece is None:
        piece = np.empty(size, np.uint8)
    # The tensor, and all that shares its memory, autograd's graph as well, holds this array.
    array = piece[:]
    weakref.finalize(array, _free.append, piece).atexit = False
    return torch.from_numpy(array).view(dtype).view(shape)


def forget_free() -> None:
    """Keep none of the pieces that wait, where the next ones will be of other sizes."""
    _free.clear()


def give_back_pages(array: np.ndarray) -> None:
    """Let pages of a memory-mapped file, once they were read, be the system's alone; whoever reads
    them again finds them there as long as it has room. Nothing for other arrays."""
    mapped = isinstance(array.base, mmap.mmap) and not array.flags.writeable
    if mapped and hasattr(mmap, "MADV_DONTNEED"):
        array.base.madvise(mmap.MADV_DONTNEED)


def _taken(size: int) -> np.ndarray | None:
    """A free piece of so many bytes, if there is one."""
    # Other threads may take and give back in between, and none may get the same one.
    for _ in range(len(_free)):
        try:
            piece = _free.popleft()
        except IndexError:
            return None
        if piece.nbytes == size:
            return piece
        _free.append(piece)
    return None
