"""Features that never change are computed once.

Without augmentation, frozen layers see the same images each epoch and give the same features; a
training on these differs from one on the images by rounding at most, and skips their cost.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from transferability.training import data, processes, transplant
from transferability.training import device as devices
from transferability.training.data import ImageSet

ROUNDING = 0.01
"""As a share of the largest feature; in bf16 a number has 8 bits."""


def unchanging_layers(frozen: nn.Sequential, augment: Sequence[str], inputs: torch.Tensor) -> int:
    """How many of the frozen layers, from the input, give an image the same features each epoch
    and beside any other images: none if images are augmented, else all before the first that, by
    its outputs, draws random numbers or looks at the other images of a batch.

    `inputs` are a few images, as the first layer takes them.
    """
    if augment:
        return 0
    transplant.set_training(frozen, len(frozen))
    for i, layer in enumerate(frozen):
        # A layer may change in place what it is given.
        features = layer(inputs.clone())
        is_fixed = torch.equal(features, layer(inputs.clone()))
        # Few units may all be kept twice.
        drops = any(isinstance(part, transplant.Dropout) and part.p for part in layer.modules())
        if drops or not is_fixed or depends_on_batch(layer, inputs):
            return i
        inputs = features
    return len(frozen)


def depends_on_batch(layers: nn.Module, inputs: torch.Tensor) -> bool:
    """Whether what the layers, in their present mode, make of an image depends on the others in its
    batch."""
    alone = layers(inputs.clone())
    others = layers(torch.cat([inputs, 2 * inputs + 1]))[: len(inputs)]
    # Batches of other sizes may round otherwise.
    return not torch.allclose(alone, others, rtol=0, atol=ROUNDING * alone.abs().max().item())


def compute(
    layers: Callable[[torch.Tensor], torch.Tensor], sets: Sequence[ImageSet], batch_size: int
) -> list[ImageSet] | None:
    """The sets with the layers' features (N×H×W×C or N×…) in place of the images, on the device;
    None if they would not fit there."""
    device = sets[0].labels.device
    sample = _channels_last(layers(next(data.ordered(sets[0], 1))))
    size = sample.nbytes * sum(len(images) for images in sets)
    if processes.anywhere(size > devices.room_for_images(device)):
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
