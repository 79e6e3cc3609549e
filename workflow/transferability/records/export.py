"""Writes a trained network's weights for use elsewhere: a state dict and its normalisation.

A model of torchvision gets its original names back, so that torchvision alone can load it. Other
architectures keep the names of their layers.
"""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from transferability.images.store import Store
from transferability.models import torchvision_cuts, weights
from transferability.storage import checkpoint, files
from transferability.storage.network_folder import NetworkFolder
from transferability.study.networks import TrainingSpec
from transferability.training import loop, preprocessing


def export(
    folder: Path, split: Path | None, store: Store, to: Path, source: Store | None = None
) -> dict:
    """Write the network of a folder, trained on the images of `store` in the halves of `split`, and
    return its description. `split` and `source` are those of its training, see `loop.train`.

    The description, also in the file's metadata, has the network's name, how to build its module,
    the normalisation of images and the classes of the outputs. With it, the file can be the
    `weights` of another study's source. A mean image (float32 H×W×3, 0 to 255) is written next to
    it as .mean_image.npy. Raises ValueError for another suffix, and if the weights were not kept or
    are of other images or another split.
    """
    if to.suffix != ".safetensors":
        raise ValueError(f"--to: {to} has no known suffix; expected .safetensors")
    tensors, identity = _load(NetworkFolder(folder).weights, split, store)
    task = TrainingSpec(**{field.name: identity[field.name] for field in fields(TrainingSpec)})
    halves = loop.read_halves(task, store, split)
    learned, _ = loop.load_data(store, halves[task.target], task, torch.device("cpu"))
    recipe, stored = identity["recipe"], store.train_images.shape[1]
    pixels, kind = recipe["crop"] or stored, recipe["normalise"]
    normalise = {"kind": kind, "pixels": "RGB, 0 to 255"}
    # Defaults for images that are not normalised.
    mean, std = [0.0] * 3, [1.0] * 3
    statistics = preprocessing.statistics_of(task, store, halves, learned.indices, source)
    if kind in ("channels", "target"):
        # Limited as in training, because the std of images of a single colour is zero.
        mean, std = statistics["mean"].tolist(), statistics["std"].clamp_min(1).tolist()
        normalise |= {"mean": mean, "std": std}
    elif kind == "mean_image":
        with files.atomic_write(to.with_suffix(".mean_image.npy")) as temporary:
            np.save(temporary, statistics["mean"].numpy())
    transforms = weights.Transforms(
        image_size=pixels,
        resize=stored,
        interpolation=store.settings.get("interpolation") or "bilinear",
        mean=tuple(value / 255 for value in mean),
        std=tuple(value / 255 for value in std),
    )
    architecture, count = identity["architecture"], len(learned.classes)
    options = {}
    if architecture["name"] == "torchvision":
        built = torchvision_cuts.make(architecture["model"], count, pixels)
        names = torchvision_cuts.original_names(built, torchvision_cuts.cut(built))
        tensors = {names[name]: tensor for name, tensor in tensors.items()}
        options = torchvision_cuts.options(architecture["model"], count, pixels)
    description = {
        **{key: identity[key] for key in ("network", "split", "seed", "architecture")},
        "options": options,
        "stored_image_size": stored,
        "image_size": pixels,
        "normalise": normalise,
        # The `weights:` of a study read this; it has no form for a mean image.
        "transforms": None if kind == "mean_image" else vars(transforms),
        "classes": [store.classes[index] for index in learned.classes],
    }
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    metadata = {"format": "pt", "description": json.dumps(description, ensure_ascii=False)}
    checkpoint.write(to, tensors, metadata)
    return description


def _load(file: Path, split: Path | None, store: Store) -> tuple[dict[str, torch.Tensor], dict]:
    """Reads the weights and identity of a network; they must be of this split and these images."""
    if not file.exists():
        raise ValueError(
            f"{file}: is missing; only weights of bases are kept, unless the study has "
            "keep_weights: all"
        )
    tensors, identity, _ = checkpoint.load(file)
    if identity["images_sha256"] != store.digest:
        raise ValueError(
            f"{file}: was trained on other images than those in {store.folder}; name the folder of "
            "its images with --images"
        )
    if identity["split_sha256"] != (split and files.sha256(split)):
        raise ValueError(
            f"{file}: was trained on another split than {split}; run snakemake to train it again"
        )
    return tensors, identity
