"""What lies between an image set and the first layer that learns from it."""

from collections.abc import Callable

import torch
from torch import nn

from transferability.training import views
from transferability.training.augmentation import Augmentation
from transferability.training.device import channels_first
from transferability.training.rng import Stream

Drawn = Callable[[torch.Tensor, slice], torch.Tensor]
"""Takes images, and where they stand in the order of an epoch."""


class ImageEntry:
    """Stored images b×H×W×3 uint8 → b×3×h×w float32: what is seen of them, in which colours,
    normalised; h and w are recipe.crop, or as stored."""

    def __init__(self, normalise: nn.Module, recipe: dict, stored: tuple[int, int]):
        self.normalise, self.recipe, self.stored = normalise, recipe, stored
        self.pixels = (recipe["crop"],) * 2 if recipe["crop"] else stored
        self.plain_view = views.plain(stored, self.pixels)

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
