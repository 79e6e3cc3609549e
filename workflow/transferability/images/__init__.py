"""Where images come from: one module per source, found by its name.

It has `info(settings) -> DatasetInfo`, for which the standard library is enough, and
`read(settings) -> ImageSource`. `settings` is the `dataset` section of a study, complete and
checked; a source checks what the schema cannot say. `info` raises ValueError, naming
`dataset.<key>`, for settings that it cannot meet, and `read` if the data are missing or have
another form.
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
"""What a source loads one or several images from: the name of a file, a number, a character."""

STORES = Path("images")
"""Where the workflow keeps the stores, as seen from the folder of the run."""

# What changes how a store is made, or how its classes are split, but nothing in it.
NOT_STORED = frozenset({"download", "groups"})

# Of keys that are younger than some stores: these defaults leave a store as it was without them.
SINCE = {"on_duplicate": "keep", "interpolation": "bilinear"}


class Size(NamedTuple):
    """How many classes and images a dataset has."""

    classes: int
    train: int
    validation: int


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a dataset before a single image is read; None is unknown."""

    classes: int | None = None
    groups: Mapping[str, int] = field(default_factory=dict)
    """The groups that a dissimilar split can choose from, each with its least number of classes."""
    images_per_class: int | None = None
    """Training images of the smallest class."""
    size: Size | None = None
    """The expected size; a store may be smaller, where a folder holds some classes only."""


@dataclass(frozen=True)
class ImageSource:
    """What a source gives: its classes, (name, group) in the order of the labels, and the items of
    both parts, (label, item), labels ascending; nothing is loaded yet."""

    classes: Sequence[tuple[str, str]]
    image_size: tuple[int, int]
    """Height and width in pixels."""
    train: Sequence[tuple[int, Item]]
    validation: Sequence[tuple[int, Item]]
    load: "Callable[[Item], np.ndarray]"
    """The images of an item, uint8 n×H×W×3, or H×W×3 of one. Raises decode.BadImage, whose message
    says why, if it has none."""
    stamp: Callable[[Item], Sequence[int]] = lambda item: ()
    """Numbers that change when the images of an item change."""
    per_item: tuple[int, int] = (1, 1)
    """Images of each item, in training and in validation."""
    in_parallel: bool = True
    """Whether threads may load at the same time."""
    left_out: Sequence[tuple[str, str]] = ()
    """(file or folder, why) of what lies among the images and is none of them."""


def source_module(name: str) -> ModuleType:
    """The module of one source, by its name."""
    return importlib.import_module(f"{__name__}.{name}")


def stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide what a store holds."""
    return {
        key: value
        for key, value in settings.items()
        if key not in NOT_STORED and (key, value) not in SINCE.items()
    }


def store_name(settings: Mapping[str, Any]) -> str:
    """The folder name of a dataset's store, `<source>-<8 hex>`: same settings, same store."""
    canonical = json.dumps(stored(settings), sort_keys=True, separators=(",", ":"))
    return f"{settings['source']}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def path_of(text: str) -> Path:
    """A path as people write it, with ~ and $HOME."""
    return Path(os.path.expandvars(text)).expanduser()


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What the source knows beforehand, without reading an image.

    Raises ValueError, naming `dataset.<key>`, for settings that the source cannot meet.
    """
    return source_module(settings["source"]).info(settings)


def size(settings: Mapping[str, Any]) -> Size:
    """How many images a dataset has: as its store says, or, where there is none yet, its source.

    Raises ValueError where neither does.
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
"""What the lists of equal images in a manifest are of."""


def notes(store: Path, advice: bool = True) -> list[str]:
    """What a store leaves out and holds twice, a sentence each; none if there is no store.

    `advice` adds the key that leaves out what is there twice.
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
