"""The operation of the experiment: copy the first n layers, freeze them, initialise the rest.

A network is an nn.Sequential of named layers. The names of parameters and buffers begin with the
name of their layer: `conv1.0.weight`.
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

    Each layer has a separate seed, so that its initial values are the same in every network of a
    stream and do not depend on the layers below it. If the architecture cannot initialise single
    layers, the whole network is built from one seed of the stream.
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
    """The weights that the task copies from, and their sha256; ({}, None) if it copies none.

    `trained_on` has the images and the split that their header must name; None if these are not
    known, as for an imported source. Raises ValueError if the weights are not needed, are not of
    the task's base, or have another architecture than `network` (with the shapes); CheckpointError
    if they are damaged.
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
    # Imported weights have neither split nor seed.
    if trained_on is not None or "seed" in header:
        wanted |= {"split": task.split, "seed": task.seed, **(trained_on or {})}
    differing = [key for key in wanted if header.get(key) != wanted[key]]
    if differing:
        raise ValueError(
            f"--base: network {task.network} needs {task.base} of the same study, but {path} "
            f"differs in {', '.join(differing)} (network {header.get('network')}); {remedy}"
        )
    # The last layer is always new; its size differs if the halves differ in their classes.
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
    """Copy the parameters and buffers of the first n layers from a base's weights."""
    network[:n].load_state_dict({name: weights[name] for name in network[:n].state_dict()})


def shuffled(
    weights: Mapping[str, torch.Tensor], network: nn.Module, stream: Stream
) -> dict[str, torch.Tensor]:
    """The weights with the values in each tensor permuted: the scale stays, the features do not.

    The permutations are the same for each number of copied layers, frozen or not. Buffers other
    than batch-norm statistics, e.g. Swin's position indices, are not trained and not permuted.
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
    """Recompute the batch-norm statistics of these layers from one pass over `inputs`, batches for
    the first layer, with equal weight for each batch. Nothing else in the layers changes."""
    norms = [part for part in layers.modules() if isinstance(part, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    layers.eval()
    for norm in norms:
        norm.reset_running_stats()
        # None means a plain mean over batches.
        norm.momentum = None
        norm.train()
    for batch in inputs:
        layers(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    layers.eval()


def set_training(network: nn.Sequential, frozen_layers: int) -> None:
    """Set training mode for all layers except frozen ones, whose batch-norm statistics are kept.

    In frozen layers, dropout stays active, as in the paper, because it affects the training of the
    next layers. Stochastic depth and dropout inside attention are off: they affect only the layer.
    """
    network.train()
    for part in network[:frozen_layers].modules():
        part.train(isinstance(part, Dropout))
