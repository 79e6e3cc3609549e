"""How pixel values become what the first layer takes.

Each half has statistics of its own, from its training images, as each had its own mean image in
2014; what a network copies sees the other half's images normalised as the other half's.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import nn

from transferability.images.store import Store
from transferability.storage import checkpoint
from transferability.training import augmentation, data, device
from transferability.training.augmentation import Augmentation
from transferability.training.device import channels_first
from transferability.training.rng import Stream

Colours = Callable[[torch.Tensor], torch.Tensor]
"""Takes pixels b×h×w×3 (0 to 255) to others."""


class Normalisation(nn.Module):
    """Images b×H×W×3 (0 to 255), through a view and in other colours → b×3×h×w float32."""

    def forward(
        self, images: torch.Tensor, view: augmentation.View, colours: Colours | None = None
    ) -> torch.Tensor:
        pixels = view(images)
        return channels_first(self.of_pixels(colours(pixels) if colours else pixels, view))

    def of_pixels(self, pixels: torch.Tensor, view: augmentation.View) -> torch.Tensor:
        """Of what is seen, b×h×w×3; float32 of the same shape."""
        raise NotImplementedError


class Channels(Normalisation):
    """With mean 0 and standard deviation 1 in each channel over the images of the statistics."""

    def __init__(self, mean: torch.Tensor, std: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean.float())
        # One colour alone has no deviation; it is then only centred.
        self.register_buffer("scale", (1 / std.clamp_min(1)).float())

    def forward(
        self, images: torch.Tensor, view: augmentation.View, colours: Colours | None = None
    ) -> torch.Tensor:
        if isinstance(view, augmentation.Boxes) and colours is None:
            return channels_first(self._one_by_one(images, view))
        return super().forward(images, view, colours)

    def of_pixels(self, pixels: torch.Tensor, view: augmentation.View) -> torch.Tensor:
        mean, scale = self._of_rows(pixels.shape[2])
        return _floats(pixels).flatten(2).sub_(mean).mul_(scale).view(pixels.shape)

    def _of_rows(self, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and scale of a row of so many pixels: over the three values of one pixel alone, a
        loop takes three times as long."""
        return self.mean.repeat(width), self.scale.repeat(width)

    def _one_by_one(self, images: torch.Tensor, view: augmentation.Boxes) -> torch.Tensor:
        """The same, each image on its own: on its way it stays in the processor's cache, and memory
        would make each step as slow as the last."""
        height, width = view.seen
        mean, scale = self._of_rows(width)
        normalised = device.empty((len(images), height, width, 3), torch.float32)

        def normalise(seen: Iterable[tuple[int, torch.Tensor]]) -> None:
            rows = torch.empty(height, width * 3)
            for number, image in seen:
                rows.copy_(image.flatten(1)).sub_(mean)
                torch.mul(rows, scale, out=normalised[number].flatten(1))

        view.share(images, normalise)
        return normalised


class MeanImage(Normalisation):
    """Less the mean image (H×W×3) seen through the same view, so that it is cropped along with
    them, as Caffe does it."""

    def __init__(self, mean: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean)

    def of_pixels(self, pixels: torch.Tensor, view: augmentation.View) -> torch.Tensor:
        return _floats(pixels).sub_(view(self.mean.expand(len(pixels), *self.mean.shape)))


class Unchanged(Normalisation):
    """From 0 to 255 as they are."""

    def of_pixels(self, pixels: torch.Tensor, view: augmentation.View) -> torch.Tensor:
        return _floats(pixels)


def _floats(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels as float32, from bytes in memory of their own."""
    if pixels.device.type != "cpu" or pixels.is_floating_point():
        return pixels.float()
    return device.empty(pixels.shape, torch.float32).copy_(pixels)


def normalisation(kind: str, store: Store, indices: np.ndarray) -> nn.Module:
    """The module that recipe.normalise names, with the statistics of the training images at
    `indices`."""
    if kind == "channels":
        return Channels(**channels(store, indices))
    if kind == "mean_image":
        return MeanImage(**mean_image(store, indices))
    return Unchanged()


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


Drawn = Callable[[torch.Tensor, slice], torch.Tensor]
"""Takes images, and where they stand in the order of an epoch."""


class ImageEntry:
    """Stored images b×H×W×3 uint8 → b×3×h×w float32: what is seen of them, in which colours,
    normalised; h and w are recipe.crop, or as stored."""

    def __init__(self, normalise: nn.Module, recipe: dict, stored: tuple[int, int]):
        self.normalise, self.recipe, self.stored = normalise, recipe, stored
        self.pixels = (recipe["crop"],) * 2 if recipe["crop"] else stored
        self.plain_view = augmentation.plain(stored, self.pixels)

    def plain(self, images: torch.Tensor) -> torch.Tensor:
        """Without augmentation, as validation images are seen."""
        return self.normalise(images, self.plain_view)

    def drawn(self, count: int, stream: Stream, epoch: int, device: torch.device) -> Drawn:
        """With the augmentation of an epoch of so many images."""
        if not self.recipe["augment"]:
            return lambda images, here: self.plain(images)
        augmentation = Augmentation(self.recipe, self.stored, count, stream, epoch, device)

        def seen(images: torch.Tensor, here: slice) -> torch.Tensor:
            return self.normalise(images, augmentation.view(here), augmentation.colours(here))

        return seen


class FeatureEntry:
    """Features b×h×w×C → b×C×h×w, as layers take them; b×C as they are."""

    def plain(self, features: torch.Tensor) -> torch.Tensor:
        return channels_first(features) if features.ndim == 4 else features

    def drawn(self, count: int, stream: Stream, epoch: int, device: torch.device) -> Drawn:
        """Of features there is no augmentation."""
        return lambda features, here: self.plain(features)
