"""The transforms of images that pretrained weights need, found without torch: for torchvision's
weights in resources/torchvision_weights.csv, for an exported network in its file.

tests/torchvision_table.py writes the table.
"""

import csv
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

import safetensors

TABLE = Path(__file__).parents[2] / "resources" / "torchvision_weights.csv"
KEYS = ("image_size", "interpolation", "mean", "std")
"""The keys of a study's source that describe its images."""


@dataclass(frozen=True)
class Transforms:
    """The transforms that weights need: resize to `resize` pixels, crop the central square of
    `image_size` pixels, normalise each channel with `mean` and `std` on the scale from 0 to 1."""

    image_size: int
    resize: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, values: Mapping) -> Self:
        """The transforms from the values of a table row or a description."""
        found = cls(**{field.name: values[field.name] for field in fields(cls)})
        return replace(found, mean=tuple(found.mean), std=tuple(found.std))


class Declared(NamedTuple):
    """Weights that torchvision publishes: their address and their transforms."""

    url: str
    transforms: Transforms


def is_enum(weights: str) -> bool:
    """Whether `weights` is a name such as IMAGENET1K_V2, not a file."""
    return weights.isidentifier() and weights.isupper()


def declared(model: str, enum: str) -> Declared:
    """torchvision's entry for the weights `enum` of a model. Raises ValueError, with the existing
    names, if there is none."""
    known = _table().get(model, {})
    if enum not in known:
        raise ValueError(
            f"weights: torchvision has no {enum!r} for {model or 'this architecture'}; known: "
            f"{', '.join(known) or 'none'}; choose one, or a file (.safetensors, .pth)"
        )
    return known[enum]


def transforms(source: Mapping, architecture: Mapping) -> Transforms:
    """The transforms of a study's source that is read from weights.

    Keys of the source come first. Then torchvision's entry is used, also for a file with the name
    of one that torchvision publishes for this model; for other files, the description in the file
    of an exported network. With another image size, `resize` changes in the same proportion. Raises
    ValueError, naming the key, if a value is missing.
    """
    weights, name = source["weights"], architecture.get("model", "")
    path = Path(os.path.expandvars(weights)).expanduser()
    published = {Path(entry.url).name: entry for entry in _table().get(name, {}).values()}
    if is_enum(weights) or path.name in published:
        known = declared(name, weights) if is_enum(weights) else published[path.name]
        found = known.transforms
    else:
        found = described(path)
    given = {key: value for key, value in source.items() if key in KEYS and value is not None}
    values = {**(vars(found) if found else {"interpolation": "bilinear"}), **given}
    if lacking := [key for key in KEYS if key not in values]:
        missing = "" if path.exists() else " (there is no such file)"
        raise ValueError(
            f"weights: {weights}{missing} does not say which images it needs; beside weights, give "
            f"{' and '.join(lacking)} (mean and std of each channel, on the scale from 0 to 1)"
        )
    resize = values["image_size"]
    if found:
        resize = round(resize * found.resize / found.image_size)
    return Transforms.of({**values, "resize": resize})


def described(file: Path) -> Transforms | None:
    """The transforms in the description of a file that `export` wrote; None if it has none or
    cannot be read."""
    try:
        with safetensors.safe_open(file, "numpy") as opened:
            return Transforms.of(json.loads(opened.metadata()["description"])["transforms"])
    except (safetensors.SafetensorError, OSError, ValueError, LookupError, TypeError):
        return None


@cache
def _table() -> dict[str, dict[str, Declared]]:
    table: dict[str, dict[str, Declared]] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sizes = {key: int(row[key]) for key in ("image_size", "resize")}
            statistics = {key: map(float, row[key].split()) for key in ("mean", "std")}
            entry = Declared(row["url"], Transforms.of({**row, **sizes, **statistics}))
            table.setdefault(row["model"], {})[row["weights"]] = entry
    return table
