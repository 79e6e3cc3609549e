"""What each layer of a network takes: parameters, room for its output, operations."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Measures:
    """Of one layer: how many parameters, the shape of what it makes of one image (channels × height
    × width, or whatever), and how many operations that takes: a multiplication and an addition are
    two, as torch counts them."""

    name: str
    parameters: int
    output: torch.Size
    operations: int


def measured(layers: Sequence[tuple[str, nn.Module]], image_size: int) -> list[Measures]:
    """The measures of each layer, from input to output. Leaves the layers in eval mode.

    Raises ValueError if the layers do not fit one another.
    """
    found = []
    features = torch.zeros(1, 3, image_size, image_size)
    for name, layer in layers:
        layer.eval()
        taken = features.shape[1:]
        try:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                features = layer(features)
        except Exception as error:
            raise ValueError(
                f"layer {name}: it cannot take {shown(taken)}, what comes before it "
                f"({type(error).__name__}: {error})"
            ) from error
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        operations = counter.get_total_flops()
        found.append(Measures(name, parameters, features.shape[1:], operations))
    return found


def shown(shape: torch.Size) -> str:
    """A shape to read, such as 96×27×27."""
    return "×".join(map(str, shape))
