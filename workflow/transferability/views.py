"""Views: which part of stored images the network sees.

A view takes images b×H×W×C to b×h×w×C; a mean image, seen through the view of a batch, stays in
step with it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

View = Callable[[torch.Tensor], torch.Tensor]


def whole(images: torch.Tensor) -> torch.Tensor:
    """All of it, as it is stored."""
    return images


@dataclass(frozen=True)
class Centre:
    """The square of so many pixels in the middle."""

    pixels: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        top, left = ((size - self.pixels) // 2 for size in images.shape[1:3])
        return images[:, top : top + self.pixels, left : left + self.pixels]


def plain(stored: tuple[int, int], seen: tuple[int, int]) -> View:
    """The view without augmentation: the middle, or all where the network takes all."""
    return whole if seen == stored else Centre(*seen[:1])


@dataclass(frozen=True)
class Window:
    """Of each image the pixels in these rows (b×h) and columns (b×w), int64."""

    rows: torch.Tensor
    columns: torch.Tensor

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        numbers = torch.arange(len(images), device=images.device)
        return images[numbers[:, None, None], self.rows[:, :, None], self.columns[:, None, :]]


@dataclass(frozen=True)
class Resampling:
    """Of each image a weighted mean of its rows (weights b×h×H), and of its columns (b×w×W);
    float32, not rounded to whole values."""

    rows: torch.Tensor
    columns: torch.Tensor

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        seen = _mixed(self.rows, images.float())
        return _mixed(self.columns, seen.transpose(1, 2)).transpose(1, 2)


def _mixed(weights: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Weighted means (b×h×H) of the lines of images, b×H×W×C → b×h×W×C."""
    return (weights @ images.flatten(2)).unflatten(2, images.shape[2:])


def resampled(
    boxes: torch.Tensor, mirrored: torch.Tensor, stored: tuple[int, int], seen: tuple[int, int]
) -> Resampling:
    """The view of a box of each image, `boxes` b×4 (top, left, height, width), resized to `seen`
    (height, width) and, where `mirrored`, flipped left to right."""
    boxes = boxes.float()
    rows = _weights(boxes[:, 0], boxes[:, 2], stored[0], seen[0])
    columns = _weights(boxes[:, 1], boxes[:, 3], stored[1], seen[1])
    return Resampling(rows, torch.where(mirrored[:, None, None], columns.flip(1), columns))


def _weights(first: torch.Tensor, length: torch.Tensor, stored: int, seen: int) -> torch.Tensor:
    """By which pixels `first` to `first + length` of a line of `stored` make one of `seen` pixels:
    b×seen×stored.

    Bilinear, and where the line shrinks each new pixel takes from all that it covers, as Pillow
    and torch (antialias) weigh them.
    """
    scale = (length / seen)[:, None, None]
    old = torch.arange(stored, device=first.device) + 0.5 - first[:, None, None]
    new = (torch.arange(seen, device=first.device)[:, None] + 0.5) * scale
    weights = (1 - (old - new).abs() / scale.clamp_min(1)).clamp_min(0)
    weights = weights * ((old > 0) & (old < length[:, None, None]))
    return weights / weights.sum(2, keepdim=True)
