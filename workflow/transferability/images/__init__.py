"""Where images come from: one module per source, all behind the same two functions.

A source is a module in this folder with `info(settings) -> DatasetInfo` and
`read(settings, workers)`, which gives a `store.Collection`, or a `reading.Album` where images are
files of which any may be bad. It is found by its file name: adding a source edits no file that
other sources depend on. `settings` is the `dataset` section of a study, complete and
checked against the schema, which has the defaults and bounds; a source checks what it cannot say.
"""

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a dataset before a single image is read."""

    classes: int | None
    """How many classes the store will hold; None where only reading tells."""
    groups: dict[str, int]
    """Those that a dissimilar split can choose from, and how many classes each has at least."""
    images_per_class: int | None
    """Training images of the smallest class; None where only reading tells."""


@dataclass(frozen=True)
class Size:
    """How many classes and images a dataset has."""

    classes: int
    train: int
    validation: int


STORES = Path("images")
"""Where the workflow keeps the stores, as seen from the folder of the run."""


# What changes how a store is made, or how its classes are parted, but nothing in it.
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
    """Those of the settings that decide what a store holds."""
    return {key: value for key, value in settings.items() if key not in NOT_STORED}


def store_name(settings: Mapping[str, Any]) -> str:
    """The folder name of a dataset's store, `<source>-<8 hex>`: same settings, same store."""
    canonical = json.dumps(
        stored(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return f"{settings['source']}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What the source knows beforehand; standard library only, so that a DAG is built fast.

    Raises ValueError, naming `dataset.<key>`, for settings that the source cannot meet.
    """
    return source_module(settings["source"]).info(settings)


def size(settings: Mapping[str, Any], stores: Path = STORES) -> Size:
    """How many images a dataset has: as its store says, or, where there is none yet, its source.

    Raises ValueError where neither does.
    """
    manifest = stores / store_name(settings) / "manifest.json"
    if manifest.is_file():
        held = json.loads(manifest.read_text(encoding="utf-8"))
        return Size(held["classes"], held["train"], held["validation"])
    expected = getattr(source_module(settings["source"]), "expected", None)
    if expected is None:
        raise ValueError(
            f"dataset: how many images there are, only reading them tells, and {manifest.parent} "
            "is not there yet; make it by snakemake --until prepare_images"
        )
    return expected(settings)
