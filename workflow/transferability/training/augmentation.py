"""Augmentation: how training images are changed, drawn anew each epoch, made a batch at a time.

An epoch draws a few numbers for each place in its order, each kind of augmentation from numbers of
its own: neither the batch size nor the device changes them, and with one kind taken away the others
stay as they were.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import torch
from torch.nn import functional

from transferability.training import device
from transferability.training.rng import Stream

SHIFT_SHARE = 8
"""Without recipe.crop, a crop shifts the image by up to its size divided by this, in pixels."""

AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
"""A resized crop covers such a share of the image, its width such a multiple of its height (Szegedy
et al. 2015, and torchvision's RandomResizedCrop)."""

JITTER = 0.4
"""Brightness, contrast and saturation are multiplied by up to so much more or less than 1."""

LUMINANCE = (0.2989, 0.587, 0.114)
"""What red, green and blue weigh in grey, as in torchvision."""


View = Callable[[torch.Tensor], torch.Tensor]


class Augmentation:
    """The augmentation of one epoch: its draws for `count` places, a few numbers each, lie on the
    device.

    `stored` is the height and width of the images as they come, `recipe` the network's. A shift
    continues the image with its own border pixels.
    """

    def __init__(
        self,
        recipe: Mapping,
        stored: tuple[int, int],
        count: int,
        stream: Stream,
        epoch: int,
        device: torch.device,
    ):
        self.kinds, self.stored, self.device = set(recipe["augment"]), stored, device
        self.seen = (recipe["crop"],) * 2 if recipe["crop"] else stored
        self.jitter = None
        if "colour_jitter" in self.kinds:
            uniform = torch.rand(count, 4, generator=stream.generator("colour_jitter", epoch))
            self.jitter, self.turns = (drawn.to(device) for drawn in jitter(uniform))
        if not self.kinds & {"crop", "horizontal_flip", "random_resized_crop"}:
            return
        # Shift and mirror are drawn together, whether or not both are used.
        uniform = torch.rand(count, 3, generator=stream.generator("augment", epoch))
        self.mirrored = ((uniform[:, 2] < 0.5) & ("horizontal_flip" in self.kinds)).to(device)
        if "random_resized_crop" in self.kinds:
            uniform = torch.rand(count, 4, generator=stream.generator("resized_crop", epoch))
            self.boxes = boxes(uniform, stored).to(device)
        else:
            self.corners = self._corners(uniform[:, :2], recipe["crop"]).to(device)

    def _corners(self, uniform: torch.Tensor, crop: int | None) -> torch.Tensor:
        """Top and left of each window, N×2, in pixels."""
        stored, seen = torch.tensor(self.stored), torch.tensor(self.seen)
        if "crop" not in self.kinds:
            return ((stored - seen) // 2).expand(len(uniform), 2)
        reach = stored // SHIFT_SHARE if crop is None else torch.zeros(2, dtype=torch.long)
        return (uniform * (stored - seen + 2 * reach + 1)).long() - reach

    def view(self, here: slice) -> View:
        """What is seen of the images that stand `here` in the epoch's order."""
        if not self.kinds & {"crop", "horizontal_flip", "random_resized_crop"}:
            return plain(self.stored, self.seen)
        if "random_resized_crop" in self.kinds:
            return resampled(self.boxes[here], self.mirrored[here], self.stored, self.seen)
        return window(self.corners[here], self.mirrored[here], self.stored, self.seen)

    def colours(self, here: slice) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """What gives the images that stand `here`, b×h×w×3 with values from 0 to 255, other
        colours; None where they keep theirs."""
        if self.jitter is None:
            return None
        return lambda images: jittered(images.float(), self.jitter[here], self.turns[here])


def boxes(uniform: torch.Tensor, stored: tuple[int, int]) -> torch.Tensor:
    """Boxes of random area, ratio and place within images of `stored` height and width, N×4 int64
    (top, left, height, width), from N×4 uniform numbers.

    Unlike torchvision, which draws again where a box is larger than the image and so takes large
    areas less often, this draws the ratio from those that fit; the area stays uniform.
    """
    height, width = stored
    # Double precision, and on the CPU, so that no device rounds to another box.
    share, ratio, down, right = uniform.double().unbind(1)
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * share)
    narrowest = torch.log(area / height**2).clamp(*map(math.log, RATIO))
    widest = torch.log(width**2 / area).clamp(*map(math.log, RATIO))
    ratio = torch.exp(narrowest + (widest - narrowest) * ratio)
    rows = torch.sqrt(area / ratio).round().clamp(1, height)
    columns = torch.sqrt(area * ratio).round().clamp(1, width)
    top = torch.floor(down * (height - rows + 1))
    left = torch.floor(right * (width - columns + 1))
    return torch.stack([top, left, rows, columns], 1).long()


def jitter(uniform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """By what brightness (0), contrast (1) and saturation (2) are multiplied, N×3, and in which
    turns they are, N×3 int8, from N×4 uniform numbers."""
    turns = torch.tensor(list(permutations(range(3))), dtype=torch.int8)
    factors = 1 + JITTER * (2 * uniform[:, :3] - 1)
    return factors, turns[(uniform[:, 3] * len(turns)).long()]


def jittered(images: torch.Tensor, factors: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Images b×h×w×3 (0 to 255) with brightness, contrast and saturation multiplied as `jitter`
    says.

    Each is a blend with another image, as in torchvision: with black, with the mean grey, with
    grey.
    """
    for turn in turns.long().unbind(1):
        factor = factors.gather(1, turn[:, None])[:, None, None]
        grey = sum(weight * images[..., c : c + 1] for c, weight in enumerate(LUMINANCE))
        mean = grey.mean((1, 2), keepdim=True)
        what = turn[:, None, None, None]
        other = torch.where(what == 2, grey, mean * (what == 1))
        images = (factor * images + (1 - factor) * other).clamp(0, 255)
    return images


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
        seen = device.empty((len(images), *self.seen, images.shape[3]), images.dtype)

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

        device.share(lambda numbers: take(seen(numbers)), len(images))

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
    if device.one_by_one(corners.device, seen):
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
    if device.one_by_one(boxes.device, seen):
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
