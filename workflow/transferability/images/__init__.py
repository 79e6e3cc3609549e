"""Where images come from: one module per source, all with the same two functions.

A source is a module in this folder with `info(settings) -> DatasetInfo`, for which the standard
library is enough, and `read(settings) -> ImageSource`. It is found by its file name: adding a
source edits no file that other sources depend on. `settings` is the `dataset` section of a
study, complete and checked against the schema, which has the defaults and bounds; a source checks
what the schema cannot say.
"""

import hashlib
import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Size:
    """How many classes and images a dataset has."""

    classes: int
    train: int
    validation: int


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a dataset before a single image is read; None is unknown."""

    classes: int | None = None
    groups: dict[str, int] = field(default_factory=dict)
    """The groups that a dissimilar split can choose from, each with its least number of classes."""
    images_per_class: int | None = None
    """Training images of the smallest class."""
    size: Size | None = None
    """The expected size; a store may be smaller, where a folder holds some classes only."""


@dataclass(frozen=True)
class Items:
    """The images of one part, training or validation, as items to be loaded one by one."""

    labels: "Sequence[int] | np.ndarray"
    """The class index of each image, ascending."""
    items: Sequence[str | int]
    """What `load` takes, and the name of a bad image. Each item gives equally many images: a file
    gives one, a character all of its drawings."""
    load: "Callable[[str | int], np.ndarray]"
    """An item's images, uint8 n×H×W×3, or H×W×3 of one; raises decode.BadImage, whose message says
    why, if it has none."""
    stamp: Callable[[str | int], Sequence[int]] = lambda item: ()
    """Numbers that change when the images of an item change."""


@dataclass(frozen=True)
class ImageSource:
    """What a source gives: its classes, and the images of both parts, not loaded yet."""

    classes: Sequence[tuple[str, str]]
    """(name, group) of each class, in the order of the labels."""
    image_size: tuple[int, int]
    """Height and width in pixels."""
    train: Items
    validation: Items
    in_processes: bool = True
    """Whether processes may load, each with a copy of `load`."""


STORES = Path("images")
"""Where the workflow keeps the stores, as seen from the folder of the run."""

# What changes how a store is made, or how its classes are split, but nothing in it.
NOT_STORED = frozenset({"download", "groups"})


def sources() -> list[str]:
    """The names of all sources: the modules of this folder that define `info`, sorted."""
    modules = (file for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")
    defines_info = re.compile(r"^def info\(", re.MULTILINE)
    return sorted(file.stem for file in modules if defines_info.search(file.read_text("utf-8")))


def source_module(name: str) -> ModuleType:
    """The module of one source.

    Raises ValueError if no file of this folder is a source of that name.
    """
    known = sources()
    if name not in known:
        raise ValueError(f"dataset.source is {name!r}: expected one of {', '.join(known)}")
    return importlib.import_module(f"{__name__}.{name}")


def stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide what a store holds."""
    return {key: value for key, value in settings.items() if key not in NOT_STORED}


def store_name(settings: Mapping[str, Any]) -> str:
    """The folder name of a dataset's store, `<source>-<8 hex>`: same settings, same store."""
    canonical = json.dumps(
        stored(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return f"{settings['source']}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What the source knows beforehand, without reading an image.

    Raises ValueError, naming `dataset.<key>`, for settings that the source cannot meet.
    """
    return source_module(settings["source"]).info(settings)


def size(settings: Mapping[str, Any], stores: Path = STORES) -> Size:
    """How many images a dataset has: as its store says, or, where there is none yet, its source.

    Raises ValueError where neither does.
    """
    manifest = stores / store_name(settings) / "manifest.json"
    if manifest.is_file():
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return Size(*(content[key] for key in ("classes", "train", "validation")))
    expected = info(settings).size
    if expected is None:
        raise ValueError(
            f"dataset: the number of images is not known before they are read, and "
            f"{manifest.parent} is not there yet; make it by snakemake --until prepare_images"
        )
    return expected
