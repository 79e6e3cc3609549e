"""The operation of the experiment: copy the first n layers, freeze them, initialise the rest.

A network is an nn.Sequential of named layers; the names of its parameters and buffers begin with
the layer's: `conv1.0.weight`.
"""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd as Dropout

from transferability import architectures
from transferability.streams import Stream


class TransplantError(ValueError):
    """Weights that do not fit the network; the message names the layers and the shapes."""


def initialised(settings: dict, image_size: int, classes: int, stream: Stream) -> nn.Sequential:
    """A network of new layers, in fp32 on the CPU.

    Each layer draws from numbers of its own, so that it starts from the same values in every
    network of a stream, whatever happens to the layers below it. Where the architecture cannot
    initialise a layer by itself, the network is built from numbers of the stream, and is the same
    in all of them too.
    """
    architecture = architectures.module(settings["name"])
    initialise = getattr(architecture, "initialise", None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream.number("network"))
        network = nn.Sequential(OrderedDict(architecture.build(settings, image_size, classes)))
        if initialise is not None:
            for name, layer in network.named_children():
                torch.manual_seed(stream.number("layer", name))
                initialise(layer)
    return network


def copy_layers(network: nn.Sequential, weights: Mapping[str, torch.Tensor], n: int) -> None:
    """Copy the first n layers, parameters and buffers, from a base's weights.

    Raises TransplantError, before anything is copied, if a layer is missing or of another shape.
    """
    mine = network[:n].state_dict()
    misfits = [
        f"{name}: expected {tuple(tensor.shape)}, "
        + (f"found {tuple(weights[name].shape)}" if name in weights else "found none")
        for name, tensor in mine.items()
        if name not in weights or weights[name].shape != tensor.shape
    ]
    if misfits:
        raise TransplantError(
            f"the base's weights are of another architecture: {'; '.join(misfits)}"
        )
    network[:n].load_state_dict({name: weights[name] for name in mine})


def freeze(layers: nn.Sequential) -> None:
    """No gradient for these layers, and so no weight decay and no momentum."""
    layers.requires_grad_(False)


def set_training(network: nn.Sequential, frozen_layers: int) -> None:
    """Training mode for all but the frozen layers, whose batch-norm statistics stay as they are.

    Dropout that stands in a frozen layer acts on what follows and stays active, as in the paper;
    stochastic depth and the dropout inside an attention serve the layer's own learning and are off.
    """
    network.train()
    for part in network[:frozen_layers].modules():
        part.train(isinstance(part, Dropout))
