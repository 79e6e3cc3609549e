"""The image store: a folder of arrays that every split, seed and study of a dataset shares.

    train.images.npy  train.labels.npy  validation.images.npy  validation.labels.npy
    classes.csv  manifest.json

Images are uint8 N×H×W×3, labels int32 N and ascending. The manifest is written last and holds the
size of every other file, the checksum of all of it, and that of a few samples, which are read each
time the store is opened: a folder without it is no store. The same settings give the same bytes.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferability.storage import files

PARTS = ("train", "validation")
MANIFEST = "manifest.json"
CLASSES = "classes.csv"
FORMAT = 2
SAMPLES, SAMPLE_BYTES = 64, 4096
"""Of each file so many pieces of this size, evenly spread from its first byte to its last, are
compared when the store is opened: milliseconds, however large it is. A file of up to 256 KiB is
read whole."""


class StoreError(ValueError):
    """A store that is unfinished or damaged; the message says which file and what to do."""


@dataclass(frozen=True)
class Part:
    """The training or the validation images of a collection."""

    labels: np.ndarray
    """int32 N, ascending: the class index of each image."""
    batches: Callable[[], Iterable[np.ndarray]]
    """Gives the images in the order of the labels, as uint8 arrays b×H×W×3 of any b."""


@dataclass(frozen=True)
class Finished:
    """The training or the validation images of a collection, where their array lies on the disk."""

    labels: np.ndarray
    """int32 N, ascending: the class index of each image."""
    images: Path
    """The array, uint8 N×H×W×3, on the same disk as the store; it becomes the store's."""
    left_out: list[list[str]]
    """[image, why] of each that could not be read."""


@dataclass(frozen=True)
class Collection:
    """What a source gives: the classes, and images in batches, so that memory stays bounded."""

    classes: list[tuple[str, str]]
    """(name, group) of each class, in the order of the labels."""
    image_size: tuple[int, int]
    """Height and width in pixels."""
    train: Part | Finished
    validation: Part | Finished


@dataclass(frozen=True)
class Store:
    """An image store on disk, its arrays memory-mapped."""

    folder: Path
    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    classes: list[str]
    groups: list[str]
    digest: str
    """sha256 of the manifest, and so of everything in the store."""

    def verify(self) -> None:
        """Read all files whole and compare checksums; raise StoreError, naming what differs."""
        expected = _read_manifest(self.folder)["files"]
        changed = [
            name
            for name in expected
            if files.sha256(self.folder / name) != expected[name]["sha256"]
        ]
        if changed:
            raise _damaged(self.folder, ", ".join(changed), "does not have the manifest's checksum")


def write(collection: Collection, folder: Path | str, settings: Mapping[str, Any]) -> None:
    """Write a collection as a store.

    Each file is written under a temporary name and renamed once it is on disk, the manifest last.
    Raises ValueError if the collection contradicts itself, for instance fewer images than labels,
    or if a class has no images.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Without its manifest an older store in this folder no longer counts as complete.
    (folder / MANIFEST).unlink(missing_ok=True)
    names = [name for name, _ in collection.classes]
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two classes have the name {repeated!r}: expected each name once")
    parts: dict[str, Part | Finished] = {name: getattr(collection, name) for name in PARTS}
    labels = {name: np.asarray(part.labels, np.int32) for name, part in parts.items()}
    for name in PARTS:
        _check_labels(labels[name], name, names)
    finished = {name: part for name, part in parts.items() if isinstance(part, Finished)}
    # It takes long, and Snakemake deletes what lies in the store when a job is interrupted.
    checksums = {_images_name(name): files.sha256(part.images) for name, part in finished.items()}
    for name, part in parts.items():
        if isinstance(part, Finished):
            part.images.replace(folder / _images_name(name))
        else:
            size = len(labels[name]) * int(np.prod(collection.image_size)) * 3
            with files.atomic_write(folder / _images_name(name), size) as temporary:
                _write_images(temporary, part, collection.image_size, name)
        with files.atomic_write(folder / f"{name}.labels.npy", labels[name].nbytes) as temporary:
            np.save(temporary, labels[name])
    with (
        files.atomic_write(folder / CLASSES) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as f,
    ):
        table = csv.writer(f, lineterminator="\n")
        table.writerow(("index", "name", "group"))
        table.writerows((i, name, group) for i, (name, group) in enumerate(collection.classes))
    manifest = {
        "format": FORMAT,
        "settings": dict(settings),
        "classes": len(names),
        "image_size": list(collection.image_size),
        **{name: len(labels[name]) for name in PARTS},
        "files": {
            name: {
                "bytes": (folder / name).stat().st_size,
                "sha256": checksums.get(name) or files.sha256(folder / name),
                "samples_sha256": _samples_sha256(folder / name),
            }
            for name in _file_names()
        },
    }
    if finished:
        manifest["left_out"] = {name: part.left_out for name, part in finished.items()}
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
    files.write_text(folder / MANIFEST, text)


def open_store(folder: Path | str) -> Store:
    """Open a store without reading all of its images.

    Sizes, shapes and samples of the content are checked against the manifest; `Store.verify` checks
    all of the content. Raises StoreError if a file is missing, truncated, changed where it is
    sampled, or of another shape.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    for name in _file_names():
        file, expected = folder / name, manifest["files"][name]["bytes"]
        if not file.is_file():
            raise _damaged(folder, name, "is missing")
        if file.stat().st_size != expected:
            raise _damaged(folder, name, f"has {file.stat().st_size} bytes instead of {expected}")
        if _samples_sha256(file) != manifest["files"][name]["samples_sha256"]:
            raise _damaged(folder, name, "changed after it was written (its checksum does not fit)")
    arrays = {}
    for part in PARTS:
        count = manifest[part]
        shapes = {"images": (count, *manifest["image_size"], 3), "labels": (count,)}
        for kind, dtype in (("images", np.uint8), ("labels", np.int32)):
            name = f"{part}.{kind}.npy"
            try:
                array = np.load(folder / name, mmap_mode="r", allow_pickle=False)
            except ValueError as error:
                raise _damaged(folder, name, f"is no array ({error})") from error
            if array.shape != shapes[kind] or array.dtype != dtype:
                found = f"is {array.dtype} {array.shape}"
                raise _damaged(folder, name, f"{found}, not {np.dtype(dtype)} {shapes[kind]}")
            arrays[f"{part}_{kind}"] = array
    with (folder / CLASSES).open(encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    if len(rows) != manifest["classes"]:
        raise _damaged(folder, CLASSES, f"has {len(rows)} classes, not {manifest['classes']}")
    return Store(
        folder=folder,
        classes=[row["name"] for row in rows],
        groups=[row["group"] for row in rows],
        digest=files.sha256(folder / MANIFEST),
        **arrays,
    )


def _images_name(part: str) -> str:
    return f"{part}.images.npy"


def _file_names() -> list[str]:
    return [f"{part}.{kind}.npy" for part in PARTS for kind in ("images", "labels")] + [CLASSES]


def _damaged(folder: Path, name: str, what: str) -> StoreError:
    return StoreError(
        f"image store: {folder / name} {what}; delete the folder {folder} and run again"
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise StoreError(f"image store: there is no folder {folder}; prepare-images makes it")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _damaged(folder, MANIFEST, "is missing, so the store is unfinished") from None
    except ValueError as error:
        raise _damaged(folder, MANIFEST, f"is no JSON ({error})") from error
    expected = {"classes", "image_size", "files", *PARTS}
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _damaged(folder, MANIFEST, f"is not of store format {FORMAT}")
    if not expected <= manifest.keys() or not manifest["files"].keys() >= set(_file_names()):
        raise _damaged(folder, MANIFEST, "lacks entries")
    return manifest


def _check_labels(labels: np.ndarray, part: str, names: list[str]) -> None:
    if labels.ndim != 1 or not labels.size or np.any(np.diff(labels) < 0):
        raise ValueError(f"{part} labels: expected one ascending class index for each image")
    if labels[0] < 0 or labels[-1] >= len(names):
        raise ValueError(
            f"{part} labels reach from {labels[0]} to {labels[-1]}: expected 0 to {len(names) - 1}"
        )
    empty = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if empty.size:
        raise ValueError(
            f"no {part} images of {', '.join(names[i] for i in empty[:5])} ({empty.size} classes); "
            "each class needs one or more, so add images, or take the class away"
        )


def _write_images(file: Path, part: Part, image_size: tuple[int, int], part_name: str) -> None:
    shape = (len(part.labels), *image_size, 3)
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    filled = 0
    for batch in part.batches():
        if batch.dtype != np.uint8 or batch.shape[1:] != shape[1:]:
            raise ValueError(
                f"{part_name} images came as {batch.dtype} {batch.shape}: "
                f"expected uint8 batches of {shape[1:]}"
            )
        if filled + len(batch) > shape[0]:
            raise ValueError(f"{part_name}: more images than the {shape[0]} labels")
        images[filled : filled + len(batch)] = batch
        filled += len(batch)
    if filled != shape[0]:
        raise ValueError(f"{part_name}: {filled} images for {shape[0]} labels")
    images.flush()


def _samples_sha256(file: Path) -> str:
    """The sha256 of a file's samples, one after the other."""
    last = max(0, file.stat().st_size - SAMPLE_BYTES)
    # Where the file is small they overlap, and each byte is in one.
    starts = sorted({round(last * k / (SAMPLES - 1)) for k in range(SAMPLES)})
    digest = hashlib.sha256()
    with file.open("rb") as f:
        for start in starts:
            f.seek(start)
            digest.update(f.read(SAMPLE_BYTES))
    return digest.hexdigest()
