"""Where images come from: one module per source, all behind the same two functions.

A source is a module in this folder with `facts(settings) -> Facts` and
`read(settings, workers) -> Collection`. It is found by its file name: adding a source edits no
file that other sources depend on. `settings` is the `dataset` section of a study.
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
class Facts:
    """What is known about a dataset before a single image is read."""

    classes: int | None
    """How many classes the store will hold; None where only reading tells."""
    max_classes: int | None
    """How many the source could give; None where only reading tells."""
    groups: tuple[str, ...]
    """The names that a dissimilar split can choose from."""
    images_per_class: int
    """Training images of the smallest class."""


def sources() -> list[str]:
    """The names of all sources: the modules of this folder that define `facts`, sorted."""
    modules = (file for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")
    defines_facts = re.compile(r"^def facts\(", re.MULTILINE)
    return sorted(file.stem for file in modules if defines_facts.search(file.read_text("utf-8")))


def source_module(name: str) -> ModuleType:
    """The module of one source.

    Raises ValueError if no file of this folder is a source of that name.
    """
    known = sources()
    if name not in known:
        raise ValueError(f"dataset.source is {name!r}: expected one of {', '.join(known)}")
    return importlib.import_module(f"{__name__}.{name}")


def store_name(settings: Mapping[str, Any]) -> str:
    """The folder name of a dataset's store, `<source>-<8 hex>`: same settings, same store."""
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"{settings['source']}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def facts(settings: Mapping[str, Any]) -> Facts:
    """What the source knows beforehand; standard library only, so that a DAG is built fast.

    Raises ValueError, naming `dataset.<key>`, for settings that the source cannot meet.
    """
    if "source" not in settings:
        raise ValueError(f"dataset.source is missing: expected one of {', '.join(sources())}")
    return source_module(settings["source"]).facts(settings)


def complete(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one source with its defaults filled in.

    Raises ValueError for a key that is neither `source` nor one of the defaults.
    """
    for key in settings:
        if key != "source" and key not in defaults:
            raise ValueError(
                f"dataset.{key} is not a setting of the source {settings.get('source')}: "
                f"expected {', '.join(defaults)}"
            )
    return {**defaults, **settings}


def check_integer(
    settings: Mapping[str, Any], key: str, low: int, high: int | None = None, reason: str = ""
) -> None:
    """Raise ValueError, naming `dataset.<key>`, unless it is an integer from low to high."""
    value = settings[key]
    integer = isinstance(value, int) and not isinstance(value, bool)
    if integer and low <= value and (high is None or value <= high):
        return
    allowed = f"of at least {low}" if high is None else f"from {low} to {high}"
    message = f"dataset.{key} is {value!r}: expected an integer {allowed}"
    raise ValueError(f"{message}; {reason}" if reason else message)
