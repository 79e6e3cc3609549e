"""A trained network's weights for use elsewhere: a state dict, and what its images go through.

A model of torchvision gets its own names back, so that torchvision alone loads it. Other
architectures keep the names of their layers.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

from transferability.images import class_splits
from transferability.images.store import Store
from transferability.storage import checkpoint, files
from transferability.storage.network_folder import NetworkFolder
from transferability.training import data, preprocessing
from transferability.training.rng import Stream

SUFFIXES = (".safetensors", ".pt")


@dataclass(frozen=True)
class Exported:
    """A network's weights by the names of its module, and a description, anything JSON can hold:
    which network it is, how its module is built, what its images go through, which classes its
    outputs stand for.

    `mean_image` (float32 H×W×3, 0 to 255) is subtracted from images where the network was trained
    so, else None.
    """

    tensors: dict[str, torch.Tensor]
    description: dict
    mean_image: np.ndarray | None


def exported(folder: Path, split: Path, store: Store) -> Exported:
    """The network of a folder, trained on the images of `store` as `split` parts them.

    Raises ValueError if its weights were not kept, or are of other images or another split.
    """
    weights = NetworkFolder(folder).weights
    if not weights.exists():
        raise ValueError(
            f"{weights}: is missing; those of bases are kept, and with keep_weights: all in the "
            "study those of all networks"
        )
    tensors, identity, _ = checkpoint.load(weights)
    _check(weights, identity, split, store)
    learned = data.image_set(
        store.train_images,
        store.train_labels,
        class_splits.read(split, store.classes)[identity["target"]],
        torch.device("cpu"),
        0,
        identity["images_per_class"],
        Stream("images", identity["split"], identity["seed"], identity["target"]),
    )
    recipe, stored = identity["recipe"], store.train_images.shape[1]
    pixels, count = recipe["crop"] or stored, len(learned.classes)
    normalise, mean_image = {"kind": recipe["normalise"], "pixels": "RGB, 0 to 255"}, None
    if recipe["normalise"] == "channels":
        statistics = preprocessing.channels(store, learned.indices)
        normalise["mean"] = statistics["mean"].tolist()
        # As in training, where one colour alone has no deviation.
        normalise["std"] = statistics["std"].clamp_min(1).tolist()
    elif recipe["normalise"] == "mean_image":
        mean_image = preprocessing.mean_image(store, learned.indices)["mean"].numpy()
    named, build = _named(identity["architecture"], pixels, count, tensors)
    description = {
        **{key: identity[key] for key in ("network", "split", "seed", "architecture")},
        "build": build,
        "stored_image_size": stored,
        "image_size": pixels,
        "normalise": normalise,
        "classes": [store.classes[index] for index in learned.classes],
    }
    return Exported(named, description, mean_image)


def _check(weights: Path, identity: dict, split: Path, store: Store) -> None:
    if identity["images_sha256"] != store.digest:
        raise ValueError(
            f"{weights}: is of other images than those in {store.folder}; name the folder of its "
            "own with --images"
        )
    if identity["split_sha256"] != hashlib.sha256(split.read_bytes()).hexdigest():
        raise ValueError(
            f"{weights}: is of another split than {split} is now; let snakemake train it again"
        )


def _named(
    settings: dict, pixels: int, count: int, tensors: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], str]:
    """The weights by the names that they have elsewhere, and how their module is built there."""
    if settings["name"] == "torchvision":
        from transferability.models import torchvision_cuts

        model = torchvision_cuts.make(settings["model"], count, pixels)
        # The layers are the model's own, under other names.
        nn.Sequential(OrderedDict(torchvision_cuts.cut(model))).load_state_dict(tensors)
        options = torchvision_cuts.options(settings["model"], count, pixels)
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        return model.state_dict(), f"torchvision.models.{settings['model']}({given})"
    module = f"transferability.models.{settings['name']}"
    layers = f"{module}.build({settings!r}, image_size={pixels}, classes={count})"
    if settings["name"] == "custom":
        options = {"image_size": pixels, "classes": count, **settings["arguments"]}
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        layers = f"{settings['build'].replace(':', '.')}({given})"
    return tensors, f"torch.nn.Sequential(collections.OrderedDict({layers}))"


def write(network: Exported, path: Path) -> list[Path]:
    """Write a network as .safetensors, the description in its metadata, or as .pt, of which
    torch.load gives the state dict and nothing else, the description beside it as .json; a mean
    image beside either as .mean_image.npy. Returns the files.

    Raises ValueError for another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"--to: {path} has no known suffix; expected {' or '.join(SUFFIXES)}")
    tensors = {name: tensor.contiguous().clone() for name, tensor in network.tensors.items()}
    description = json.dumps(network.description, indent=2, ensure_ascii=False)
    written = [path]
    if network.mean_image is not None:
        written.append(path.with_suffix(".mean_image.npy"))
        with files.atomic_write(written[-1]) as temporary:
            np.save(temporary, network.mean_image)
    if path.suffix == ".pt":
        written.append(path.with_suffix(".json"))
        files.write_text(written[-1], f"{description}\n")
    with files.atomic_write(path) as temporary:
        if path.suffix == ".pt":
            torch.save(tensors, temporary)
        else:
            metadata = {"format": "pt", "description": description}
            safetensors.torch.save_file(tensors, temporary, metadata)
            files.share(temporary)
    return written
