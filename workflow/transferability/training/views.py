"""Views: which part of stored images the network sees.

A view takes images b×H×W×C to b×h×w×C; a mean image, seen through the view of a batch, stays in
step with it.

On a CPU large images are cut and resized one by one: what is right for a GPU and for small images,
indices and weights for all pixels of a batch at once, would take it up to ten times as long.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from transferability.training import memory, threads

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
class Boxes:
    """Of each image a box, `boxes` b×4 int64 (top, left, height, width), resized to `seen` (height,
    width) unless it has that size and, where `mirrored`, flipped left to right; on the CPU.

    Resized as torchvision does it: bilinear, with antialiasing, bytes to whole values.
    """

    boxes: torch.Tensor
    mirrored: torch.Tensor
    seen: tuple[int, int]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        seen = memory.empty((len(images), *self.seen, images.shape[3]), images.dtype)

        def keep(some: Iterable[tuple[int, torch.Tensor]]) -> None:
            for number, image in some:
                seen[number] = image

        self.share(images, keep)
        return seen

    def share(
        self, images: torch.Tensor, take: Callable[[Iterable[tuple[int, torch.Tensor]]], None]
    ) -> None:
        """Let each of a few threads `take` what is seen of some images, h×w×C with their numbers,
        one after the other."""
        boxes, mirrored = self.boxes.tolist(), self.mirrored.tolist()

        def seen(numbers: range) -> Iterator[tuple[int, torch.Tensor]]:
            for number in numbers:
                image = self._box(images[number : number + 1], *boxes[number])
                yield number, (image.flip(2) if mirrored[number] else image)[0]

        threads.share(lambda numbers: take(seen(numbers)), len(images))

    def _box(
        self, image: torch.Tensor, top: int, left: int, height: int, width: int
    ) -> torch.Tensor:
        image = image[:, top : top + height, left : left + width]
        if (height, width) == self.seen:
            return image
        image = image.permute(0, 3, 1, 2)
        image = functional.interpolate(image, self.seen, mode="bilinear", antialias=True)
        return image.permute(0, 2, 3, 1)


@dataclass(frozen=True)
class Window:
    """Of each image the pixels in these rows (b×h) and columns (b×w), int64."""

    rows: torch.Tensor
    columns: torch.Tensor

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        height, width, channels = images.shape[1:]
        places = self.rows[:, :, None] * width + self.columns[:, None, :]
        if images.stride(0):
            firsts = torch.arange(len(images), device=images.device) * (height * width)
            places += firsts[:, None, None]
        else:
            # One image that stands for each, which to copy so often would be waste.
            images = images[:1]
        # Whole pixels: to index rows and columns would go through each of their values.
        seen = images.reshape(-1, channels).index_select(0, places.flatten())
        return seen.view(*places.shape, channels)


def window(
    corners: torch.Tensor, mirrored: torch.Tensor, stored: tuple[int, int], seen: tuple[int, int]
) -> View:
    """The view of a part of `seen` (height, width) of each image from its corner on, `corners` b×2
    (top, left), and, where `mirrored`, flipped left to right. Beyond its border an image of
    `stored` goes on with its border's pixels."""
    height, width = seen
    if threads.one_by_one(corners.device, seen):
        sizes = torch.tensor(seen).expand_as(corners)
        if ((corners >= 0) & (corners + sizes <= torch.tensor(stored))).all():
            return Boxes(torch.cat([corners, sizes], 1), mirrored, seen)
    columns = torch.arange(width, device=corners.device)
    columns = torch.where(mirrored[:, None], columns.flip(0), columns) + corners[:, 1:]
    rows = torch.arange(height, device=corners.device) + corners[:, :1]
    return Window(rows.clamp_(0, stored[0] - 1), columns.clamp_(0, stored[1] - 1))


@dataclass(frozen=True)
class Resampling:
    """Of each image a weighted mean of its rows (weights b×h×H), and of its columns (b×w×W); of
    bytes rounded to bytes."""

    rows: torch.Tensor
    columns: torch.Tensor

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        seen = _mixed(self.rows, images.float())
        seen = _mixed(self.columns, seen.transpose(1, 2)).transpose(1, 2)
        return seen if images.is_floating_point() else seen.round_().to(images.dtype)


def _mixed(weights: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Weighted means (b×h×H) of the lines of images, b×H×W×C → b×h×W×C."""
    return (weights @ images.flatten(2)).unflatten(2, images.shape[2:])


def resampled(
    boxes: torch.Tensor, mirrored: torch.Tensor, stored: tuple[int, int], seen: tuple[int, int]
) -> View:
    """The view of a box of each image, `boxes` b×4 (top, left, height, width), resized to `seen`
    (height, width) and, where `mirrored`, flipped left to right."""
    if threads.one_by_one(boxes.device, seen):
        return Boxes(boxes, mirrored, seen)
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
