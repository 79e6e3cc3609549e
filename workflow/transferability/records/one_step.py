"""A study in one step of each kind of network, and its images as the networks see them."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from transferability import images
from transferability.images.store import Store
from transferability.models import weights
from transferability.study.design import Network, Study
from transferability.study.networks import HALVES, parse_name
from transferability.training import preprocessing
from transferability.training.augmentation import Augmentation, CentreCrop
from transferability.training.rng import Stream

RECIPE = {"iterations": 1, "evaluate_every": 1, "probe_epochs": 0}


def shortened(study: Study) -> Study:
    """The study with one step for each network (two for a long base), without its target sizes and
    its search, and with its weights wherever it is run."""
    short = copy.deepcopy(dict(study))
    short |= {"target_sizes": ["all"], "search": None, "seeds": study["seeds"][:1]}
    for section in (short, *short["overrides"], *short["sources"].values()):
        section["recipe"] = {**(section["recipe"] or {}), **RECIPE}
    for source in short["sources"].values():
        if source["weights"] and not weights.is_enum(source["weights"]):
            source["weights"] = str(images.path_of(source["weights"]).absolute())
    return Study(short)


def each_kind(study: Study) -> list[Network]:
    """The first replicate's bases and the last network of each kind of treatment, whose n is the
    largest."""
    split, seed, _ = study.trained[0]
    chosen = {}
    for *replicate, name in study.trained:
        network = parse_name(name)
        source = "" if network.source in HALVES else network.source
        if replicate == [split, seed]:
            chosen[name if network.is_base else (network.treatment, source)] = name
    return [(split, seed, name) for name in chosen.values()]


def seen(
    study: Study,
    network: Network,
    store: Store,
    halves: Mapping[str, Sequence[int]],
    classes: Sequence[int],
    counts: tuple[int, int],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What a base sees of some classes, normalisation undone: for each class up to `counts`
    training images, augmented as in the first epoch, and validation images, n×h×w×3 uint8."""
    task = study.training(*network)
    parts = [(store.train_images, store.train_labels)]
    parts += [(store.validation_images, store.validation_labels)]
    chosen = [
        [np.flatnonzero(labels == label)[:count] for label in classes]
        for (_, labels), count in zip(parts, counts, strict=True)
    ]
    learned = np.flatnonzero(np.isin(store.train_labels, halves[task.target]))
    device, stored = torch.device("cpu"), store.train_images.shape[1:3]
    statistics = preprocessing.statistics_of(task, store, halves, learned)
    preprocess = preprocessing.Preprocessing(task.recipe, stored, statistics, device)
    stream = Stream(task.stream, task.split, task.seed, task.target)
    pixels = []
    for (stored_images, _), places in zip(parts, chosen, strict=True):
        batch = torch.from_numpy(stored_images[np.concatenate(places)])
        augment = preprocess.centre
        if not pixels and task.recipe["augment"]:
            augment = Augmentation(task.recipe, stored, len(batch), stream, 0, device)
        shown = undone(preprocess(batch, augment), preprocess, augment).numpy()
        pixels.append(np.split(shown, np.cumsum([len(of_class) for of_class in places])[:-1]))
    return list(zip(*pixels, strict=True))


def undone(
    inputs: torch.Tensor, preprocess: preprocessing.Preprocessing, augment: CentreCrop
) -> torch.Tensor:
    """Inputs b×3×h×w of the first images of an epoch without their normalisation, b×h×w×3 uint8."""
    pixels = inputs.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
    if preprocess.scale is not None:
        pixels.flatten(2).div_(preprocess.scale).add_(preprocess.mean)
    elif preprocess.mean is not None:
        mean = preprocess.mean
        pixels.add_(augment.crop(mean.expand(len(pixels), *mean.shape), 0))
    return pixels.round_().clamp_(0, 255).byte()
