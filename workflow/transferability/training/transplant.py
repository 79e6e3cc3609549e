"""The operation of the experiment: copy the first n layers, freeze them, initialise the rest.

A network is an nn.Sequential of named layers; the names of its parameters and buffers begin with
the layer's: `conv1.0.weight`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd as Dropout

from transferability import models
from transferability.storage import checkpoint
from transferability.study.networks import TrainingSpec
from transferability.training.rng import Stream


def initialised(settings: dict, image_size: int, classes: int, stream: Stream) -> nn.Sequential:
    """A network of new layers, in fp32 on the CPU.

    Each layer has a separate generator, so that it starts from the same values in every network
    of a stream, whatever happens to the layers below it. Where the architecture cannot initialise a
    layer alone, the network as a whole is built from one seed of the stream.
    """
    architecture = models.module(settings["name"])
    initialise = getattr(architecture, "initialise", None)
    with models.seeded(stream.number("network")):
        network = nn.Sequential(OrderedDict(architecture.build(settings, image_size, classes)))
        if initialise is not None:
            for name, layer in network.named_children():
                torch.manual_seed(stream.number("layer", name))
                initialise(layer)
    return network


def load_base(
    task: TrainingSpec, path: Path | None, trained_on: Mapping | None, network: nn.Sequential
) -> tuple[dict[str, torch.Tensor], str | None]:
    """The weights that the task copies from, and their sha256; none if it copies none.

    `trained_on` is what their header has to say of the images and the split that they were trained
    on; None where that is not known, as of a source. Raises ValueError if they are not needed, not
    those of the task's base, or, with the shapes, of another architecture than `network`;
    CheckpointError if they are damaged.
    """
    if task.base is None:
        if path is not None:
            raise ValueError(f"--base: network {task.network} copies no weights, but got {path}")
        return {}, None
    remedy = f"delete {path.parent} and run again, which trains {task.base} again"
    try:
        weights, header, digest = checkpoint.load(path)
    except checkpoint.CheckpointError as error:
        raise checkpoint.CheckpointError(f"{error}; {remedy}") from error
    wanted = {"network": task.base}
    # What was imported has neither.
    if trained_on is not None or "seed" in header:
        wanted |= {"split": task.split, "seed": task.seed, **(trained_on or {})}
    differing = [key for key in wanted if header.get(key) != wanted[key]]
    if differing:
        raise ValueError(
            f"--base: network {task.network} copies {task.base} of its own study, but {path} "
            f"differs in {', '.join(differing)} (network {header.get('network')}); {remedy}"
        )
    # The last layer is always new, and of another size where the other half has more classes.
    misfits = [
        f"{name}: expected {tuple(tensor.shape)}, "
        + (f"found {tuple(weights[name].shape)}" if name in weights else "found none")
        for name, tensor in network[:-1].state_dict().items()
        if name not in weights or weights[name].shape != tensor.shape
    ]
    if misfits or header.get("architecture") != task.architecture:
        raise ValueError(
            f"--base: {path} has another architecture than network {task.network}: "
            f"{'; '.join(misfits) or 'the same shapes, but other settings'}; {remedy}"
        )
    return weights, digest


def copy_layers(network: nn.Sequential, weights: Mapping[str, torch.Tensor], n: int) -> None:
    """Copy the first n layers, parameters and buffers, from a base's weights."""
    network[:n].load_state_dict({name: weights[name] for name in network[:n].state_dict()})


def shuffled(
    weights: Mapping[str, torch.Tensor], network: nn.Module, stream: Stream
) -> dict[str, torch.Tensor]:
    """The weights with the values inside each tensor permuted: their scale without their features.

    The permutations are the same for each number of copied layers, frozen or not. Buffers other
    than batch-norm statistics, e.g. Swin's indices of positions, were never trained and stay.
    """
    trained, permuted = dict(network.named_parameters()), dict(weights)
    for name, tensor in weights.items():
        if name not in trained and not name.endswith(("running_mean", "running_var")):
            continue
        order = torch.randperm(tensor.numel(), generator=stream.generator("shuffled", name))
        permuted[name] = tensor.flatten()[order].view_as(tensor)
    return permuted


@torch.no_grad()
def reestimate_statistics(layers: nn.Sequential, inputs: Iterable[torch.Tensor]) -> None:
    """Take the batch-norm statistics of these layers from a pass of `inputs`, batches of what the
    first of them takes, each batch with the same weight. Nothing else of the layers changes."""
    norms = [part for part in layers.modules() if isinstance(part, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    layers.eval()
    for norm in norms:
        norm.reset_running_stats()
        # None stands for the plain mean over batches.
        norm.momentum = None
        norm.train()
    for batch in inputs:
        layers(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    layers.eval()


def set_training(network: nn.Sequential, frozen_layers: int) -> None:
    """Training mode for all but the frozen layers, whose batch-norm statistics stay as they are.

    Dropout in a frozen layer acts on the layers that follow and stays active, as in the paper;
    stochastic depth and the dropout inside an attention serve the frozen layer alone and are off.
    """
    network.train()
    for part in network[:frozen_layers].modules():
        part.train(isinstance(part, Dropout))
