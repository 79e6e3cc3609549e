"""The image store: a folder of arrays, shared by all splits, seeds and studies of a dataset.

    train.images.npy  train.labels.npy  validation.images.npy  validation.labels.npy
    classes.csv  manifest.json

Images are uint8 N×H×W×3, labels int32 N and ascending. The manifest is written last: a folder
without it is not a store. It has the size of each other file, its checksum, and a checksum of a few
samples, which is compared when the store is opened. The same settings give the same bytes.
"""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferability.storage import files

PARTS = ("train", "validation")
MANIFEST = "manifest.json"
CLASSES = "classes.csv"
FILES = (*(f"{part}.{kind}.npy" for part in PARTS for kind in ("images", "labels")), CLASSES)
FORMAT = 2


class StoreError(ValueError):
    """A store that is unfinished or damaged; the message names the file and a remedy."""


@dataclass(frozen=True)
class Store:
    """An image store on disk, with memory-mapped arrays."""

    folder: Path
    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    classes: list[str]
    groups: list[str]
    settings: dict
    """The section `dataset` of the study that made the store."""
    digest: str
    """The sha256 of the manifest, which represents everything in the store."""

    def verify(self) -> None:
        """Read all files and compare checksums. Raises StoreError, naming the files that differ."""
        expected = _read_manifest(self.folder)["files"]
        sums = {name: files.sha256(self.folder / name) for name in expected}
        changed = ", ".join(name for name in expected if sums[name] != expected[name]["sha256"])
        if changed:
            raise _damaged(self.folder, changed, "does not have the manifest's checksum")


def write(
    folder: Path,
    classes: Sequence[tuple[str, str]],
    parts: Mapping[str, tuple[np.ndarray, Path]],
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Make a store; the files of images must be on the same disk, and are moved into the store.

    `classes` are (name, group), in the order of the labels. Each part has labels (int32 N,
    ascending) and a file of images (uint8 N×H×W×3). The manifest, which includes the `facts`, is
    written last. Raises ValueError for a class without images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Without a manifest, an older store in this folder is no longer complete.
    (folder / MANIFEST).unlink(missing_ok=True)
    for part, (labels, _) in parts.items():
        if empty := sorted(set(range(len(classes))).difference(labels.tolist())):
            names = ", ".join(classes[label][0] for label in empty[:5])
            raise ValueError(
                f"no {part} images of {names} ({len(empty)} classes); each class needs at least "
                "one, so add images, or remove the class"
            )
    # Before files are moved to the store: this takes long, and an interruption would delete them.
    checksums = {f"{part}.images.npy": files.sha256(images) for part, (_, images) in parts.items()}
    for part, (labels, images) in parts.items():
        images.replace(folder / f"{part}.images.npy")
        with files.atomic_write(folder / f"{part}.labels.npy", labels.nbytes) as temporary:
            np.save(temporary, labels)
    rows = [(index, name, group) for index, (name, group) in enumerate(classes)]
    files.write_table(folder / CLASSES, ("index", "name", "group"), rows)
    manifest = {
        **facts,
        "format": FORMAT,
        "settings": dict(settings),
        "classes": len(classes),
        "image_size": np.load(folder / FILES[0], mmap_mode="r").shape[1:3],
        **{part: len(labels) for part, (labels, _) in parts.items()},
        "files": {
            name: {
                "bytes": (folder / name).stat().st_size,
                "sha256": checksums.get(name) or files.sha256(folder / name),
                "samples_sha256": files.samples_sha256(folder / name),
            }
            for name in FILES
        },
    }
    files.write_text(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def read_classes(folder: Path) -> tuple[list[str], list[str]]:
    """The names of a store's classes, in the order of their labels, and their groups."""
    with (folder / CLASSES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["name"] for row in rows], [row["group"] for row in rows]


def selection(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The validation images (bool N) that are used to select, e.g. a learning rate or the best n.
    The results of the selection are reported on the other images. `labels` (int32 N) are of all.

    In each class, selected and other images alternate in an order that depends only on the class's
    name and the images' positions in the store. The alternation continues from class to class, so
    that the two halves differ by at most one image, even if classes have one image each.
    """
    hashes = [
        hashlib.sha256(f"{classes[label]}/{place}".encode()).digest()
        for place, label in enumerate(labels)
    ]
    order = sorted(range(len(labels)), key=lambda place: (labels[place], hashes[place]))
    selected = np.zeros(len(labels), bool)
    selected[order[::2]] = True
    return selected


def open_store(folder: Path | str) -> Store:
    """Open a store without reading all of its images.

    Sizes and samples of the content are compared with the manifest; `Store.verify` compares all of
    the content. Raises StoreError if a file is missing or truncated, or if its samples changed.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for name in FILES:
        file, expected = folder / name, manifest["files"][name]
        if not file.is_file():
            raise _damaged(folder, name, "is missing")
        if (size := file.stat().st_size) != expected["bytes"]:
            raise _damaged(folder, name, f"has {size} bytes instead of {expected['bytes']}")
        if files.samples_sha256(file) != expected["samples_sha256"]:
            raise _damaged(folder, name, "changed after it was written: its checksum differs")
    arrays = [np.load(folder / name, mmap_mode="r") for name in FILES if name != CLASSES]
    digest = files.sha256(folder / MANIFEST)
    return Store(folder, *arrays, *read_classes(folder), manifest["settings"], digest)


def _damaged(folder: Path, name: str, problem: str) -> StoreError:
    return StoreError(
        f"image store: {folder / name} {problem}; delete the folder {folder} and run again"
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise StoreError(f"image store: there is no folder {folder}; prepare-images creates it")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _damaged(folder, MANIFEST, "is missing, so the store is incomplete") from None
    except ValueError as error:
        raise _damaged(folder, MANIFEST, f"is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(folder, MANIFEST, f"is not of store format {FORMAT}")
    return manifest
