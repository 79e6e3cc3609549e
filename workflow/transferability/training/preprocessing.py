"""From stored images to the input of the first layer: augmentation, then normalisation.

A network with copied layers uses the statistics of their source; in 2014, AnB used the mean image
of half A. Statistics are computed once and kept in the folder statistics/ of the image store. Their
file names depend on the kind of statistics, the store and the selected images.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from transferability.images.store import Store
from transferability.storage import checkpoint
from transferability.study.networks import TrainingSpec, parse_name
from transferability.training import data
from transferability.training import device as devices
from transferability.training.augmentation import Augmentation, centre, seen_size

log = logging.getLogger(__name__)

VERSION = 1
"""The version of the kept statistics; increase it when you change `_channels` or `_mean_image`."""


class Preprocessing:
    """Stored images b×H×W×3 uint8 → b×3×h×w float32; h and w are recipe.crop, or as stored.

    recipe.normalise selects the normalisation with `statistics`. `channels` and `target`: mean 0
    and std 1 in each channel over the images of the statistics. `mean_image`: subtract the mean
    image, cropped in the same way as each image, as in Caffe. `none`: pixels from 0 to 255.
    """

    def __init__(
        self,
        recipe: Mapping,
        stored: tuple[int, int],
        statistics: Mapping[str, torch.Tensor],
        device: torch.device,
    ):
        self.stored, self.seen = stored, seen_size(recipe, stored)
        self.mean = self.scale = None
        if recipe["normalise"] == "mean_image":
            self.mean = statistics["mean"].to(device)
        elif recipe["normalise"] != "none":
            # Repeated for a row of pixels: a loop over the three values of one pixel takes three
            # times as long. A channel with a std below 1 is only centred.
            width = self.seen[1]
            self.mean = statistics["mean"].float().repeat(width).to(device)
            self.scale = (1 / statistics["std"].clamp_min(1)).float().repeat(width).to(device)

    def __call__(
        self, images: torch.Tensor, augment: Augmentation | None = None, first: int = 0
    ) -> torch.Tensor:
        """Augment, if `augment` is given, and normalise; `first` is the position of the first image
        in the epoch's order."""

        def crop(stored: torch.Tensor) -> torch.Tensor:
            return augment.crop(stored, first) if augment else centre(stored, self.seen)

        seen = crop(images)
        pixels = torch.empty(seen.shape, device=images.device)
        pixels.copy_(augment.recolour(seen, first) if augment else seen)
        if self.scale is not None:
            pixels.flatten(2).sub_(self.mean).mul_(self.scale)
        elif self.mean is not None:
            pixels.sub_(crop(self.mean.expand(len(images), *self.mean.shape)))
        return devices.channels_first(pixels)


def statistics_of(
    task: TrainingSpec,
    store: Store,
    halves: Mapping[str, Sequence[int]],
    learned: np.ndarray,
    source: Store | None = None,
) -> dict[str, torch.Tensor]:
    """The statistics that normalise a network's images, in the form of `statistics`.

    An imported source declares them. If the study trains a `source`, they are those of all its
    training images. If layers are copied from the other half, they are those of all images of that
    half. Otherwise, and also for `target`, they are those of the network's own training images,
    at the indices `learned` in `store`.
    """
    kind = task.recipe["normalise"]
    if task.normalised_by:
        declared = task.normalised_by.items()
        return {key: 255 * torch.tensor(value, dtype=torch.float64) for key, value in declared}
    if kind == "target":
        return statistics("channels", store, learned)
    if source:
        return statistics(kind, source, np.arange(len(source.train_labels)))
    half = parse_name(task.base).target if task.base else task.target
    if half == task.target:
        return statistics(kind, store, learned)
    return statistics(kind, store, np.flatnonzero(np.isin(store.train_labels, halves[half])))


def statistics(kind: str, store: Store, indices: np.ndarray) -> dict[str, torch.Tensor]:
    """The statistics that a recipe.normalise needs, of the training images at `indices`, on the
    scale from 0 to 255: for `channels` the `mean` and `std` (float64, 3) of the pixels in each
    channel; for `mean_image` their `mean` (float32, H×W×3); for `none` nothing.

    They are read from the store's folder if they are there and intact. Otherwise they are computed,
    and saved there if the folder is writable.
    """
    compute = {"channels": _channels, "mean_image": _mean_image}.get(kind)
    if compute is None:
        return {}
    images = hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()
    header = {"kind": kind, "images_sha256": store.digest, "indices_sha256": images}
    header["version"] = VERSION
    name = hashlib.sha256(repr(header).encode()).hexdigest()[:16]
    path = store.folder / "statistics" / f"{kind}-{name}.safetensors"
    if path.exists():
        try:
            return checkpoint.load(path)[0]
        except checkpoint.CheckpointError as error:
            log.warning("%s; it is computed again", error)
    tensors = compute(data.blocks(store.train_images, indices), len(indices))
    try:
        checkpoint.save(path, tensors, header)
    except OSError as error:
        log.warning("%s: cannot be saved (%s), so each training computes it", path, error)
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
    # Integers, so that the sum does not depend on the blocks' sizes; numpy is ten times as fast
    # as torch here.
    total = sum(block.numpy().sum(axis=0, dtype=np.int64) for block in blocks)
    return {"mean": torch.from_numpy(total / count).float()}
