"""A study with one step for each kind of network, and its images as the networks see them."""

import copy
from collections.abc import Sequence

import numpy as np
import torch

from transferability import images
from transferability.images.store import Store
from transferability.models import weights
from transferability.study.design import Network, Study
from transferability.study.networks import HALVES, parse_name
from transferability.training import preprocessing
from transferability.training.augmentation import Augmentation
from transferability.training.rng import Stream

RECIPE = {"iterations": 1, "evaluate_every": 1, "probe_epochs": 0, "gpus": 1}


def shortened(study: Study) -> Study:
    """The study with one step per network (two for a long base) in one process, without target
    sizes and search. Paths of weights are absolute, so that it can run in any folder."""
    short = copy.deepcopy(dict(study))
    short |= {"target_sizes": ["all"], "search": None}
    for section in (short, *short["overrides"], *short["sources"].values()):
        section["recipe"] = {**(section["recipe"] or {}), **RECIPE}
    for source in short["sources"].values():
        if source["weights"] and not weights.is_enum(source["weights"]):
            source["weights"] = str(images.path_of(source["weights"]).absolute())
    return Study(short)


def each_kind(study: Study) -> list[Network]:
    """One network of each kind, in the order of the study: each base, and for each kind of
    treatment the network with the largest n in the first replicate that has it, with its base."""
    chosen: dict[str | tuple, Network] = {}
    for split, seed, name in study.trained:
        network = parse_name(name)
        source = "" if network.source in HALVES else network.source
        kind = name if network.is_base else (network.treatment, source)
        if chosen.setdefault(kind, (split, seed, name))[:2] == (split, seed):
            chosen[kind] = split, seed, name
    wanted = {*chosen.values()}
    wanted |= {(split, seed, parse_name(name).base) for split, seed, name in wanted}
    return [network for network in study.trained if network in wanted]


def seen(
    study: Study, network: Network, store: Store, classes: Sequence[int], counts: tuple[int, int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The images of some classes as a base sees them, but not normalised: per class, up to `counts`
    training images (augmented as in epoch 1) and validation images, n×h×w×3 uint8."""
    task = study.training(*network)
    recipe, stored = {**task.recipe, "normalise": "none"}, store.train_images.shape[1:3]
    device, stream = torch.device("cpu"), Stream.of(task)
    preprocess, parts = preprocessing.Preprocessing(recipe, stored, {}, device), []
    for part, count in zip(("train", "validation"), counts, strict=True):
        images, labels = (getattr(store, f"{part}_{kind}") for kind in ("images", "labels"))
        places = [np.flatnonzero(labels == label)[:count] for label in classes]
        batch, augment = torch.from_numpy(images[np.concatenate(places)]), None
        if part == "train" and recipe["augment"]:
            augment = Augmentation(recipe, stored, len(batch), stream, 0, device)
        pixels = preprocess(batch, augment).permute(0, 2, 3, 1).round().byte().numpy()
        parts.append(np.split(pixels, np.cumsum([len(chosen) for chosen in places])[:-1]))
    return list(zip(*parts, strict=True))
