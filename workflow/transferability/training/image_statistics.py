"""Statistics over the training images of a half, computed once and kept beside its store.

They lie in the store's folder under statistics/, each in a file whose name holds all that it
depends on: what it is, the store, and which of its images.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch

from transferability.images.store import Store
from transferability.storage import checkpoint
from transferability.training import data

log = logging.getLogger(__name__)


def channels(store: Store, indices: np.ndarray) -> dict[str, torch.Tensor]:
    """`mean` and `std` (float64, 3) of the pixels of the training images at `indices`, in
    each channel; 0 to 255."""
    return _kept("channels", _channels, store, indices)


def mean_image(store: Store, indices: np.ndarray) -> dict[str, torch.Tensor]:
    """`mean` (float32, H×W×3) of the training images at `indices`; 0 to 255."""
    return _kept("mean_image", _mean_image, store, indices)


def _kept(
    kind: str,
    compute: Callable[[Iterator[torch.Tensor], int], dict[str, torch.Tensor]],
    store: Store,
    indices: np.ndarray,
) -> dict[str, torch.Tensor]:
    """What was computed before, if it is there and whole; else it is computed, and kept where the
    folder can be written to. Who computes it at the same time writes the same."""
    images = hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()
    of = {"kind": kind, "images_sha256": store.digest, "indices_sha256": images}
    name = hashlib.sha256(repr(of).encode()).hexdigest()[:16]
    path = store.folder / "statistics" / f"{kind}-{name}.safetensors"
    if path.exists():
        try:
            tensors, header, _ = checkpoint.load(path)
            if header == of:
                return tensors
            reason = f"{path}: it is of other images"
        except checkpoint.CheckpointError as error:
            reason = str(error)
        log.warning("%s; computed anew", reason)
    blocks = data.blocks(store.train_images, indices)
    tensors = compute(blocks, len(indices))
    try:
        checkpoint.save(path, tensors, of)
    except OSError as error:
        log.warning("%s: cannot be kept (%s), and is computed by each training", path, error)
    return tensors


def _channels(blocks: Iterator[torch.Tensor], _: int) -> dict[str, torch.Tensor]:
    counts = torch.zeros(3, 256, dtype=torch.int64)
    for block in blocks:
        for channel in range(3):
            counts[channel] += torch.bincount(block[..., channel].flatten(), minlength=256)
    values = torch.arange(256, dtype=torch.float64)
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = (share * values).sum(1)
    std = ((share * values**2).sum(1) - mean**2).clamp_min(0).sqrt()
    return {"mean": mean, "std": std}


def _mean_image(blocks: Iterator[torch.Tensor], count: int) -> dict[str, torch.Tensor]:
    # Whole numbers, so that the blocks' sizes change nothing; by numpy, which is ten times as fast
    # at it as torch.
    total = sum(block.numpy().sum(axis=0, dtype=np.int64) for block in blocks)
    return {"mean": torch.from_numpy(total / count).float()}
