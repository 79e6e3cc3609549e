"""Features that never change are computed once.

Without augmentation, frozen layers see the same images each epoch and give the same features; a
training on these differs from one on the images by rounding at most, and skips their cost.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd as Dropout

from transferability.training import data, transplant
from transferability.training import device as devices
from transferability.training.data import ImageSet


def unchanging_layers(frozen: nn.Sequential, augment: Sequence[str]) -> int:
    """How many of the frozen layers, from the input, give the same features each epoch: none if
    images are augmented, else all before the first that draws random numbers."""
    if augment:
        return 0
    transplant.set_training(frozen, len(frozen))
    for i, layer in enumerate(frozen):
        if any(_draws(part) for part in layer.modules()):
            return i
    return len(frozen)


def _draws(part: nn.Module) -> bool:
    """Whether a module, in its present mode, draws random numbers."""
    if isinstance(part, nn.FractionalMaxPool2d | nn.FractionalMaxPool3d):
        return True
    if not part.training:
        return False
    # torchvision's by its name: importing torchvision takes longer than most trainings here.
    if isinstance(part, Dropout) or type(part).__name__ == "StochasticDepth":
        return part.p > 0
    if isinstance(part, nn.MultiheadAttention | nn.RNNBase):
        return part.dropout > 0
    return isinstance(part, nn.RReLU)


def compute(
    layers: Callable[[torch.Tensor], torch.Tensor], sets: Sequence[ImageSet], batch_size: int
) -> list[ImageSet] | None:
    """The sets with the layers' features (N×H×W×C or N×…) in place of the images, on the device;
    None if they would not fit there."""
    device = sets[0].labels.device
    sample = _channels_last(layers(next(data.ordered(sets[0], 1))))
    if sample.nbytes * sum(len(images) for images in sets) > devices.room_for_images(device):
        return None
    computed = []
    for images in sets:
        # Filled in place: to join the batches' features would take twice their memory.
        features = sample.new_empty((len(images), *sample.shape[1:]))
        batches = data.ordered(images, batch_size)
        for part, batch in zip(features.split(batch_size), batches, strict=True):
            part.copy_(_channels_last(layers(batch)))
        computed.append(replace(images, images=features))
    return computed


def _channels_last(features: torch.Tensor) -> torch.Tensor:
    """N×C×H×W → N×H×W×C, contiguous, so that a gathered image is one piece; others as they are."""
    return features.permute(0, 2, 3, 1).contiguous() if features.ndim == 4 else features
