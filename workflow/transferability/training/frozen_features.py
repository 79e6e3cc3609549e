"""Features that never change are computed once.

Without augmentation, frozen layers get the same images in each epoch and return the same features.
A training on these saves the cost of the frozen layers; its result differs at most by rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from transferability.training import data, processes, transplant
from transferability.training import device as devices
from transferability.training.data import ImageSet

ROUNDING = 0.01
"""The largest difference due to rounding, as a share of the largest feature; bf16 has 8 bits."""


def unchanging_layers(frozen: nn.Sequential, augment: Sequence[str], inputs: torch.Tensor) -> int:
    """The number of frozen layers, from the input, whose features of an image are always the same.

    It is 0 if images are augmented. Otherwise it counts the layers before the first whose outputs
    are random or depend on the other images in a batch. `inputs` are a few images in the form that
    the first layer expects.
    """
    if augment:
        return 0
    transplant.set_training(frozen, len(frozen))
    for i, layer in enumerate(frozen):
        # Cloned, since a layer may change its inputs in place.
        features = layer(inputs.clone())
        is_fixed = torch.equal(features, layer(inputs.clone()))
        # With few units, dropout may keep all of them both times.
        drops = any(isinstance(part, transplant.Dropout) and part.p for part in layer.modules())
        if drops or not is_fixed or depends_on_batch(layer, inputs):
            return i
        inputs = features
    return len(frozen)


def depends_on_batch(layers: nn.Module, inputs: torch.Tensor) -> bool:
    """Whether the outputs of the layers for an image, in their present mode, depend on the other
    images in its batch."""
    alone = layers(inputs.clone())
    others = layers(torch.cat([inputs, 2 * inputs + 1]))[: len(inputs)]
    # Rounding may differ between batches of different sizes.
    return not torch.allclose(alone, others, rtol=0, atol=ROUNDING * alone.abs().max().item())


def compute(
    layers: Callable[[torch.Tensor], torch.Tensor], sets: Sequence[ImageSet], batch_size: int
) -> list[ImageSet] | None:
    """The sets with the layers' features (N×H×W×C or N×…) in place of the images, on the device;
    None if the features do not fit there."""
    device = sets[0].labels.device
    sample = _channels_last(layers(next(data.ordered(sets[0], 1))))
    size = sample.nbytes * sum(len(images) for images in sets)
    if processes.anywhere(size > devices.room_for_images(device)):
        return None
    computed = []
    for images in sets:
        # Filled in place, since concatenating the batches would need twice the memory.
        features = sample.new_empty((len(images), *sample.shape[1:]))
        batches = data.ordered(images, batch_size)
        for part, batch in zip(features.split(batch_size), batches, strict=True):
            part.copy_(_channels_last(layers(batch)))
        computed.append(replace(images, images=features))
    return computed


def _channels_last(features: torch.Tensor) -> torch.Tensor:
    """N×C×H×W → N×H×W×C, so that each image is one block of memory; other shapes unchanged."""
    return features.permute(0, 2, 3, 1).contiguous() if features.ndim == 4 else features
