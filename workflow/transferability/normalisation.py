"""How pixel values become what the first layer takes.

Each half has statistics of its own, from its training images, as each had its own mean image in
2014; what a network copies sees the other half's images normalised as the other half's.
"""

import numpy as np
import torch
from torch import nn

from transferability import image_statistics, views
from transferability.devices import channels_first
from transferability.images.store import Store


class Channels(nn.Module):
    """Pixels b×h×w×3 (0 to 255) → b×3×h×w float32, with mean 0 and standard deviation 1 in each
    channel over the images of the statistics."""

    def __init__(self, mean: torch.Tensor, deviation: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean.float())
        # One colour alone has no deviation; it is then only centred.
        self.register_buffer("scale", (1 / deviation.clamp_min(1)).float())

    def forward(self, pixels: torch.Tensor, view: views.View) -> torch.Tensor:
        # A row at a time: over the three values of a pixel alone, a loop takes three times as long.
        width = pixels.shape[2]
        rows = _floats(pixels).flatten(2)
        rows.sub_(self.mean.repeat(width)).mul_(self.scale.repeat(width))
        return channels_first(rows.unflatten(2, (width, 3)))


class MeanImage(nn.Module):
    """Pixels b×h×w×3 (0 to 255) less the mean image (H×W×3) seen through their view, so that it is
    cropped along with them, as Caffe does it → b×3×h×w float32."""

    def __init__(self, mean: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean)

    def forward(self, pixels: torch.Tensor, view: views.View) -> torch.Tensor:
        seen = view(self.mean.expand(len(pixels), *self.mean.shape))
        return channels_first(_floats(pixels).sub_(seen))


class Unchanged(nn.Module):
    """Pixels b×h×w×3 → b×3×h×w float32, from 0 to 255 as they are."""

    def forward(self, pixels: torch.Tensor, view: views.View) -> torch.Tensor:
        return channels_first(_floats(pixels))


def _floats(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels as float32, from bytes in memory of their own.

    On a CPU in numpy's: it asks the system for large pages, and to be given small ones would take
    longer than to write them.
    """
    if pixels.device.type != "cpu" or pixels.is_floating_point():
        return pixels.float()
    return torch.from_numpy(np.empty(pixels.shape, np.float32)).copy_(pixels)


def normalisation(kind: str, store: Store, indices: np.ndarray) -> nn.Module:
    """The module that recipe.normalise names, with the statistics of the training images at
    `indices`."""
    if kind == "channels":
        return Channels(**image_statistics.channels(store, indices))
    if kind == "mean_image":
        return MeanImage(**image_statistics.mean_image(store, indices))
    return Unchanged()
