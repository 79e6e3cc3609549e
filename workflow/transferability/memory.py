"""Memory of the processor for batches, used again and again.

A batch of large images takes tens of megabytes. The C library gives so much back to the system as
soon as it is free, and the system empties each page that it gives out: for a new batch at each
step, that takes as long as to fill it.
"""

import math
import weakref
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch

FREE = 8
"""Pieces of memory that wait for their next use, at most: a few are in use in each step."""

_free: deque[np.ndarray] = deque(maxlen=FREE)


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
