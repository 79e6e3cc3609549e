"""Measurements of finished networks without training: whether a network needs the training of each
layer, and whether two networks are in the same basin of the loss."""

import itertools
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from transferability.study import targets
from transferability.training import data, loop, trainer
from transferability.training.preprocessing import Preprocessing
from transferability.training.probes import Replicate

POINTS = 11
"""The number of points on the line between two networks, including its ends."""


def measure(replicate: Replicate) -> list[dict]:
    """Rows about each network of a replicate whose weights are kept, on its validation images.

    In rows with `measure` `reinitialised`, layer n is reset to its values before the training; `n`
    is 0 for the finished network and None for all layers (source: Zhang, Bengio and Singer 2022,
    JMLR 23). In rows with `barrier`, the network is interpolated with the one of `other_seed`, at
    the point where the loss is highest above the straight line between the losses of both (source:
    Neyshabur, Sedghi and Zhang 2020, NeurIPS). `top1` and `loss` (nats) are of the changed network,
    `top1_change` and `loss_change` are the differences from the finished network or that line.
    """
    seeds = replicate.study["seeds"]
    following = dict(itertools.pairwise(seeds)).get(replicate.seed)
    others = [] if following is None else targets.kept(replicate.study, replicate.split, following)
    rows = []
    for name in targets.kept(replicate.study, replicate.split, replicate.seed):
        network, preprocess, (_, images) = replicate.before(name)
        batch_size = trainer.micro_batch(replicate.study["recipe"])
        initial = {key: tensor.clone() for key, tensor in network.state_dict().items()}
        finished = replicate.weights(name)

        def tested(tensors: Mapping, of=(network, preprocess, images, batch_size)) -> np.ndarray:
            of[0].load_state_dict(tensors)
            return evaluate(*of)

        key = {"network": name, "validation_images": len(images)}
        whole = tested(finished)
        layers = {0: "", **dict(enumerate(replicate.study["layer_names"], 1)), None: "all"}
        for n, layer in layers.items():
            reset = {k: t for k, t in initial.items() if n is None or k.startswith(f"{layer}.")}
            found = tested(finished | reset) if n != 0 else whole
            of_layer = {"measure": "reinitialised", "n": n, "layer": layer, "other_seed": None}
            rows.append(key | of_layer | _changes(found, whole))
        if name in others:
            other = replicate.weights(name, following)
            shares = np.linspace(0, 1, POINTS)[1:-1]
            line = np.array([tested(mixed(finished, other, share)) for share in shares])
            straight = whole + shares[:, None] * (tested(other) - whole)
            highest = np.argmax((line - straight)[:, 1])
            pair = {"measure": "barrier", "n": None, "layer": "", "other_seed": following}
            rows.append(key | pair | _changes(line[highest], straight[highest]))
    return rows


def _changes(found: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    values = [*found.tolist(), *(found - expected).tolist()]
    return dict(zip(("top1", "loss", "top1_change", "loss_change"), values, strict=True))


def mixed(first: Mapping, second: Mapping, share: float) -> dict[str, torch.Tensor]:
    """The tensors of two networks, interpolated: `share` is 0 for the first and 1 for the second.
    Integer tensors are those of the first."""
    return {
        key: torch.lerp(tensor, second[key], share) if tensor.is_floating_point() else tensor
        for key, tensor in first.items()
    }


@torch.inference_mode()
def evaluate(
    network: nn.Sequential, preprocess: Preprocessing, images: data.ImageSet, batch_size: int
) -> np.ndarray:
    """Top-1 accuracy and the mean loss (nats) on images, in fp32."""
    losses, best = loop.guesses(lambda x: network(preprocess(x)), images, batch_size)
    right = (best[:, 0] == images.labels).sum().item()
    return np.array([right / len(images), losses.double().mean().item()])
