"""How pixel values become what the first layer takes.

Each half has statistics of its own, from its training images, as each had its own mean image in
2014; what a network copies sees the other half's images normalised as the other half's.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from transferability.images.store import Store
from transferability.training import image_statistics, memory, views
from transferability.training.device import channels_first

Colours = Callable[[torch.Tensor], torch.Tensor]
"""Takes pixels b×h×w×3 (0 to 255) to others."""


class Normalisation(nn.Module):
    """Images b×H×W×3 (0 to 255), through a view and in other colours → b×3×h×w float32."""

    def forward(
        self, images: torch.Tensor, view: views.View, colours: Colours | None = None
    ) -> torch.Tensor:
        pixels = view(images)
        return channels_first(self.of_pixels(colours(pixels) if colours else pixels, view))

    def of_pixels(self, pixels: torch.Tensor, view: views.View) -> torch.Tensor:
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
        self, images: torch.Tensor, view: views.View, colours: Colours | None = None
    ) -> torch.Tensor:
        if isinstance(view, views.Boxes) and colours is None:
            return channels_first(self._one_by_one(images, view))
        return super().forward(images, view, colours)

    def of_pixels(self, pixels: torch.Tensor, view: views.View) -> torch.Tensor:
        mean, scale = self._of_rows(pixels.shape[2])
        return _floats(pixels).flatten(2).sub_(mean).mul_(scale).view(pixels.shape)

    def _of_rows(self, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and scale of a row of so many pixels: over the three values of one pixel alone, a
        loop takes three times as long."""
        return self.mean.repeat(width), self.scale.repeat(width)

    def _one_by_one(self, images: torch.Tensor, view: views.Boxes) -> torch.Tensor:
        """The same, each image on its own: on its way it stays in the processor's cache, and memory
        would make each step as slow as the last."""
        height, width = view.seen
        mean, scale = self._of_rows(width)
        normalised = memory.empty((len(images), height, width, 3), torch.float32)

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

    def of_pixels(self, pixels: torch.Tensor, view: views.View) -> torch.Tensor:
        return _floats(pixels).sub_(view(self.mean.expand(len(pixels), *self.mean.shape)))


class Unchanged(Normalisation):
    """From 0 to 255 as they are."""

    def of_pixels(self, pixels: torch.Tensor, view: views.View) -> torch.Tensor:
        return _floats(pixels)


def _floats(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels as float32, from bytes in memory of their own."""
    if pixels.device.type != "cpu" or pixels.is_floating_point():
        return pixels.float()
    return memory.empty(pixels.shape, torch.float32).copy_(pixels)


def normalisation(kind: str, store: Store, indices: np.ndarray) -> nn.Module:
    """The module that recipe.normalise names, with the statistics of the training images at
    `indices`."""
    if kind == "channels":
        return Channels(**image_statistics.channels(store, indices))
    if kind == "mean_image":
        return MeanImage(**image_statistics.mean_image(store, indices))
    return Unchanged()
