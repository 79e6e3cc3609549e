"""Features that never change are computed once.

Without augmentation, frozen layers see the same images each epoch and give the same features; a
training on these differs from one on the images by rounding at most, and skips their cost.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd as Dropout

from transferability import batches

MOST_BYTES = 2**30
"""Features are kept in memory if they take no more than this."""


def unchanging_layers(frozen: nn.Sequential, augment: Sequence[str]) -> int:
    """How many of the frozen layers, from the input, give the same features each epoch: none if
    images are augmented, else all before the first with dropout."""
    if augment:
        return 0
    for i, layer in enumerate(frozen):
        if any(isinstance(part, Dropout) and part.p > 0 for part in layer.modules()):
            return i
    return len(frozen)


def compute(
    layers: nn.Sequential, sets: Sequence[batches.ImageSet], batch_size: int
) -> list[batches.ImageSet] | None:
    """The sets with the layers' features (N×H×W×C or N×C) in place of the images; None if they
    would not fit."""
    layers.eval()
    one = layers(sets[0].images[:1])
    if one.nbytes * sum(len(images) for images in sets) > MOST_BYTES:
        return None
    return [replace(images, images=_features(layers, images, one, batch_size)) for images in sets]


def _features(
    layers: nn.Sequential, images: batches.ImageSet, one: torch.Tensor, batch_size: int
) -> torch.Tensor:
    # Filled in place: to join the batches' features would take twice their memory.
    features = _channels_last(one).new_empty((len(images), *_channels_last(one).shape[1:]))
    filled = 0
    for batch in batches.ordered(images, batch_size):
        features[filled : filled + len(batch)] = _channels_last(layers(batch))
        filled += len(batch)
    return features


def _channels_last(features: torch.Tensor) -> torch.Tensor:
    """N×C×H×W → N×H×W×C, contiguous, so that a gathered image is one piece; N×C as it is."""
    return features.permute(0, 2, 3, 1).contiguous() if features.ndim == 4 else features


class ChannelsFirst(nn.Module):
    """N×H×W×C → N×C×H×W, as layers take it; N×C as it is."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return batches.channels_first(features) if features.ndim == 4 else features
