"""Augmentation: random changes of the training images. Each epoch draws new ones.

For each position in its order, an epoch draws a few numbers. Each kind of augmentation has a
separate generator. Neither the batch size nor the device changes these numbers, and if one kind is
removed, the numbers of the others stay the same.
"""

import math
from collections.abc import Mapping
from itertools import permutations

import torch
from torch.nn import functional as F

from transferability.training.rng import Stream

LARGE = 48 * 48
"""On a CPU, images with at least this number of pixels are resized one by one. For smaller images
this would be slower, because of Python's overhead per image."""

SHIFT_SHARE = 8
"""Without recipe.crop, a crop shifts the image by up to size / SHIFT_SHARE pixels."""

AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
"""Ranges of a random resized crop: its share of the image's area, and its width divided by its
height (Szegedy et al. 2015, and torchvision's RandomResizedCrop)."""

JITTER = 0.4
"""Brightness, contrast and saturation are multiplied by a factor from 1 - JITTER to 1 + JITTER."""

LUMINANCE = (0.2989, 0.587, 0.114)
"""The weights of red, green and blue in grey, as in torchvision."""


class Augmentation:
    """The random numbers for one epoch of `count` images of `stored` height and width, on the
    device."""

    def __init__(
        self,
        recipe: Mapping,
        stored: tuple[int, int],
        count: int,
        stream: Stream,
        epoch: int,
        device: torch.device,
    ):
        self.seen = seen_size(recipe, stored)
        kinds = set(recipe["augment"])
        self.one_by_one = device.type == "cpu" and math.prod(self.seen) >= LARGE
        self.boxes = self.corners = self.jitter = None
        if "colour_jitter" in kinds:
            uniform = torch.rand(count, 4, generator=stream.generator("colour_jitter", epoch))
            self.jitter, self.turns = (drawn.to(device) for drawn in jitter(uniform))
        if not kinds & {"crop", "horizontal_flip", "random_resized_crop"}:
            return
        # Shift and flip are drawn together, whether or not both are used.
        uniform = torch.rand(count, 3, generator=stream.generator("augment", epoch))
        self.flipped = ((uniform[:, 2] < 0.5) & ("horizontal_flip" in kinds)).to(device)
        if "random_resized_crop" in kinds:
            uniform = torch.rand(count, 4, generator=stream.generator("resized_crop", epoch))
            self.boxes = boxes(uniform, stored).to(device)
        else:
            # Top and left of each crop, N×2, in pixels.
            spare = torch.tensor(stored) - torch.tensor(self.seen)
            corners = (spare // 2).expand(count, 2)
            if "crop" in kinds:
                reach = 0 if recipe["crop"] else torch.tensor(stored) // SHIFT_SHARE
                corners = (uniform[:, :2] * (spare + 2 * reach + 1)).long() - reach
            self.corners = corners.to(device)

    def crop(self, images: torch.Tensor, first: int) -> torch.Tensor:
        """Crop images b×H×W×C to b×h×w×C of the same type; `first` is the position of the first
        image in the epoch's order."""
        here = slice(first, first + len(images))
        if self.boxes is None and self.corners is None:
            return centre(images, self.seen)
        if self.boxes is None:
            return shifted(images, self.corners[here], self.flipped[here], self.seen)
        if self.one_by_one:
            return torch.cat(
                [self._resize_one(image, first + i) for i, image in enumerate(images.split(1))]
            )
        return resized(images, self.boxes[here], self.flipped[here], self.seen)

    def _resize_one(self, image: torch.Tensor, place: int) -> torch.Tensor:
        """The same as `resized`, for one image (1×H×W×C) on a CPU. For a batch of large images, the
        matrix products of `resized`, made for a GPU, would take up to ten times as long."""
        top, left, height, width = self.boxes[place].tolist()
        image = image[:, top : top + height, left : left + width]
        if (height, width) != self.seen:
            # The same method as torchvision's; uint8 images give uint8, rounded.
            image = image.permute(0, 3, 1, 2)
            if image.is_floating_point():
                # A mean image: channel by channel, this takes three quarters of the time.
                image = image.contiguous()
            image = F.interpolate(image, self.seen, mode="bilinear", antialias=True)
            image = image.permute(0, 2, 3, 1)
        return image.flip(2) if self.flipped[place] else image

    def recolour(self, pixels: torch.Tensor, first: int) -> torch.Tensor:
        """Pixels b×h×w×3 (0 to 255) with changed colours; `first` as in `crop`."""
        if self.jitter is None:
            return pixels
        here = slice(first, first + len(pixels))
        return jittered(pixels.float(), self.jitter[here], self.turns[here])


def seen_size(recipe: Mapping, stored: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the part of a stored image that the network gets: recipe.crop, or all."""
    return (recipe["crop"],) * 2 if recipe["crop"] else stored


def centre(images: torch.Tensor, seen: tuple[int, int]) -> torch.Tensor:
    """The central part, of `seen` height and width, of images b×H×W×C."""
    top, left = ((old - new) // 2 for old, new in zip(images.shape[1:3], seen, strict=True))
    return images[:, top : top + seen[0], left : left + seen[1]]


def boxes(uniform: torch.Tensor, stored: tuple[int, int]) -> torch.Tensor:
    """Boxes of random area, ratio and place within images of `stored` height and width, N×4 int64
    (top, left, height, width), from N×4 uniform numbers.

    torchvision draws again if a box is larger than the image, so that large areas are less
    frequent. This function draws the ratio from those that fit, and the area stays uniform.
    """
    height, width = stored
    # In double precision and on the CPU, so that rounding gives the same box on every device.
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


def shifted(
    images: torch.Tensor, corners: torch.Tensor, flipped: torch.Tensor, seen: tuple[int, int]
) -> torch.Tensor:
    """The part of `seen` height and width of each image b×H×W×C that starts at its corner
    (`corners` b×2: top, left), flipped left to right if `flipped`. Outside an image, the pixels of
    its border are repeated."""
    height, width, channels = images.shape[1:]
    columns = torch.arange(seen[1], device=corners.device)
    columns = torch.where(flipped[:, None], columns.flip(0), columns) + corners[:, 1:]
    rows = torch.arange(seen[0], device=corners.device) + corners[:, :1]
    rows, columns = rows.clamp_(0, height - 1), columns.clamp_(0, width - 1)
    places = rows[:, :, None] * width + columns[:, None, :]
    if images.stride(0):
        places += torch.arange(len(images), device=images.device)[:, None, None] * (height * width)
    else:
        # One image, expanded to the batch: it need not be copied.
        images = images[:1]
    # This copies whole pixels. Indexing by rows and columns would copy value by value.
    pixels = images.reshape(-1, channels).index_select(0, places.flatten())
    return pixels.view(*places.shape, channels)


def resized(
    images: torch.Tensor, boxes: torch.Tensor, flipped: torch.Tensor, seen: tuple[int, int]
) -> torch.Tensor:
    """A box of each image b×H×W×C (`boxes` b×4: top, left, height, width), resized to `seen` height
    and width and flipped left to right if `flipped`. uint8 images give uint8, rounded."""
    boxes = boxes.float()
    rows = _weights(boxes[:, 0], boxes[:, 2], images.shape[1], seen[0])
    columns = _weights(boxes[:, 1], boxes[:, 3], images.shape[2], seen[1])
    columns = torch.where(flipped[:, None, None], columns.flip(1), columns)
    pixels = _weighted(rows, images.float())
    pixels = _weighted(columns, pixels.transpose(1, 2)).transpose(1, 2)
    return pixels if images.is_floating_point() else pixels.round_().to(images.dtype)


def _weighted(weights: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Means of the lines of images with `weights` b×h×H: b×H×W×C → b×h×W×C."""
    return (weights @ images.flatten(2)).unflatten(2, images.shape[2:])


def _weights(first: torch.Tensor, length: torch.Tensor, stored: int, seen: int) -> torch.Tensor:
    """The weights (b×seen×stored) that resize the pixels from `first` to `first + length` of a line
    of `stored` pixels to a line of `seen` pixels.

    Bilinear. If the line shrinks, each new pixel is a mean of all old pixels that it covers, as in
    Pillow and torch (antialias).
    """
    scale = (length / seen)[:, None, None]
    old = torch.arange(stored, device=first.device) + 0.5 - first[:, None, None]
    new = (torch.arange(seen, device=first.device)[:, None] + 0.5) * scale
    weights = (1 - (old - new).abs() / scale.clamp_min(1)).clamp_min(0)
    weights = weights * ((old > 0) & (old < length[:, None, None]))
    return weights / weights.sum(2, keepdim=True)


def jitter(uniform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The factors of brightness (0), contrast (1) and saturation (2), N×3, and the order in which
    they are applied, N×3 int8, from N×4 uniform numbers."""
    turns = torch.tensor(list(permutations(range(3))), dtype=torch.int8)
    factors = 1 + JITTER * (2 * uniform[:, :3] - 1)
    return factors, turns[(uniform[:, 3] * len(turns)).long()]


def jittered(images: torch.Tensor, factors: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Images b×h×w×3 (0 to 255) with brightness, contrast and saturation changed by the `factors`,
    in the order of the `turns` (see `jitter`).

    As in torchvision, each change blends the image with another one: black for brightness, the mean
    grey for contrast, the image in grey for saturation.
    """
    for turn in turns.long().unbind(1):
        factor = factors.gather(1, turn[:, None])[:, None, None]
        grey = sum(weight * images[..., c : c + 1] for c, weight in enumerate(LUMINANCE))
        mean = grey.mean((1, 2), keepdim=True)
        kind = turn[:, None, None, None]
        other = torch.where(kind == 2, grey, mean * (kind == 1))
        images = (factor * images + (1 - factor) * other).clamp(0, 255)
    return images
