"""Augmentation: how training images are changed, drawn anew each epoch, made a batch at a time.

An epoch draws a few numbers for each place in its order, each kind of augmentation from numbers of
its own: neither the batch size nor the device changes them, and with one kind taken away the others
stay as they were.
"""

import math
from collections.abc import Callable, Mapping
from itertools import permutations

import torch

from transferability.training import views
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

    def view(self, here: slice) -> views.View:
        """What is seen of the images that stand `here` in the epoch's order."""
        if not self.kinds & {"crop", "horizontal_flip", "random_resized_crop"}:
            return views.plain(self.stored, self.seen)
        if "random_resized_crop" in self.kinds:
            return views.resampled(self.boxes[here], self.mirrored[here], self.stored, self.seen)
        return views.window(self.corners[here], self.mirrored[here], self.stored, self.seen)

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
