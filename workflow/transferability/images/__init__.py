"""The sources of images: one module per source, found by its name.

A source has two functions: `info(settings) -> DatasetInfo`, which imports only the standard
library, and `read(settings) -> ImageSource`. `settings` is the `dataset` section of a study,
complete and checked by the schema; the source checks the rest. `info` raises ValueError, naming
`dataset.<key>`, if settings are not possible; `read`, if data are missing or have another form.
"""

import hashlib
import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

Item = str | int
"""An item from which a source loads one or several images: a file name, a number, a character."""

STORES = Path("images")
"""The folder of the stores, relative to the folder of the run."""

# Settings that do not affect the content of a store.
NOT_STORED = frozenset({"download", "groups"})

# Defaults of keys that older stores do not have; with these values, a store keeps its name.
SINCE = {"on_duplicate": "keep", "interpolation": "bilinear"}


class Size(NamedTuple):
    """The numbers of classes and images of a dataset."""

    classes: int
    train: int
    validation: int


@dataclass(frozen=True)
class DatasetInfo:
    """Facts about a dataset that are known before any image is read; None means unknown."""

    classes: int | None = None
    groups: Mapping[str, int] = field(default_factory=dict)
    """The groups that a dissimilar split can use, each with its smallest number of classes."""
    images_per_class: int | None = None
    """The number of training images of the smallest class."""
    size: Size | None = None
    """The expected size; a store may be smaller, if a folder has only some of the classes."""


@dataclass(frozen=True)
class ImageSource:
    """The images of a source, not loaded yet: its classes as (name, group) in the order of the
    labels, and the items of both parts as (label, item) with ascending labels."""

    classes: Sequence[tuple[str, str]]
    image_size: tuple[int, int]
    """Height and width in pixels."""
    train: Sequence[tuple[int, Item]]
    validation: Sequence[tuple[int, Item]]
    load: "Callable[[Item], np.ndarray]"
    """Load the images of an item: uint8 n×H×W×3, or H×W×3 if it has one. Raises decode.BadImage,
    with the reason, if they cannot be read."""
    stamp: Callable[[Item], Sequence[int]] = lambda item: ()
    """Numbers that change when the images of an item change."""
    per_item: tuple[int, int] = (1, 1)
    """The number of images of each item, in training and in validation."""
    in_parallel: bool = True
    """Whether several threads may call `load` at the same time."""
    left_out: Sequence[tuple[str, str]] = ()
    """(file or folder, reason) for everything next to the images that is not used."""


def source_module(name: str) -> ModuleType:
    """The module of one source, by its name."""
    return importlib.import_module(f"{__name__}.{name}")


def stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that affect the content of a store."""
    return {
        key: value
        for key, value in settings.items()
        if key not in NOT_STORED and (key, value) not in SINCE.items()
    }


def store_name(settings: Mapping[str, Any]) -> str:
    """The folder name of a dataset's store, `<source>-<8 hex>`; it depends only on `stored`."""
    canonical = json.dumps(stored(settings), sort_keys=True, separators=(",", ":"))
    return f"{settings['source']}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def path_of(text: str) -> Path:
    """A path in which ~ and variables such as $HOME are replaced."""
    return Path(os.path.expandvars(text)).expanduser()


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """The source's facts about the dataset, without reading an image.

    Raises ValueError, naming `dataset.<key>`, if the source does not allow the settings.
    """
    return source_module(settings["source"]).info(settings)


def size(settings: Mapping[str, Any]) -> Size:
    """The size of a dataset, from its store or, if there is none yet, from its source.

    Raises ValueError if neither has it.
    """
    manifest = STORES / store_name(settings) / "manifest.json"
    if manifest.is_file():
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return Size(*(content[key] for key in Size._fields))
    if expected := info(settings).size:
        return expected
    raise ValueError(
        f"dataset: the number of images is not known before they are read, and {manifest.parent} "
        "does not exist yet; run snakemake --cores all --configfile <study> --until prepare_images"
    )


DUPLICATES = {
    "two_classes": "Images with the same pixels as one of another class",
    "validation_in_train": "Validation images with the same pixels as a training image",
    "train": "Training images with the same pixels as another one",
    "validation": "Validation images with the same pixels as another one",
}
"""The kinds of equal images in a manifest, with the beginning of their sentence in `notes`."""


def notes(store: Path, advice: bool = True) -> list[str]:
    """Sentences about images that a store leaves out or has twice; none if there is no store.

    `advice` adds the key that leaves out duplicates.
    """
    if not (store / "manifest.json").is_file():
        return []
    manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    left_out, duplicates = (manifest.get(key, {}) for key in ("left_out", "duplicates"))
    sentences = []
    for why, files in groupby(sorted(left_out.get("files", []), key=itemgetter(1)), itemgetter(1)):
        names = [name for name, _ in files]
        sentences.append(f"Left out, since {why}: {len(names)}, the first is {names[0]}")
    twice = {image for pairs in duplicates.values() for image, _ in pairs}
    images = [*left_out.get("train", []), *left_out.get("validation", [])]
    if bad := [(name, why) for name, why in images if name not in twice]:
        sentences.append(f"Bad images left out: {len(bad)}, the first is {bad[0][0]} ({bad[0][1]})")
    done = "left out" if manifest["settings"].get("on_duplicate") == "skip" else "kept"
    if done == "kept" and advice:
        done += " (dataset.on_duplicate: skip leaves them out)"
    for kind, pairs in duplicates.items():
        first, other = pairs[0]
        sentences.append(f"{DUPLICATES[kind]}: {len(pairs)}, {done}; first: {first} as {other}")
    return sentences
