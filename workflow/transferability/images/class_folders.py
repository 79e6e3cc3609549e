"""Folders of image files, one folder a class."""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from transferability.images import decode
from transferability.images.blocks import Pictures
from transferability.images.groups import some
from transferability.images.reading import Album

logger = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True)
class Files:
    """Image files, sorted by name: their names below the root, and N×2 int64, the size in bytes
    and the time of the last change in nanoseconds, by which a file is known again."""

    names: list[str]
    stamps: np.ndarray

    def chosen(self, rows: Sequence[int]) -> "Files":
        """Some of the files."""
        return Files([self.names[row] for row in rows], self.stamps[rows])


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; hidden ones do not count.

    Raises ValueError for a name that is not UTF-8.
    """
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    for name in names:
        _check_name(folder, name)
    return names


def files_in(root: Path, folder: str) -> Files:
    """The image files in one folder below the root; hidden and other files do not count.

    Raises ValueError for a folder in it, whose images would be left out unsaid, and for a name
    that is not UTF-8.
    """
    found: list[tuple[str, int, int]] = []
    others: Counter[str] = Counter()
    with os.scandir(root / folder) as entries:
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1].lower()
            if entry.name.startswith("."):
                continue
            _check_name(root / folder, entry.name)
            if entry.is_dir():
                raise ValueError(
                    f"{root / folder} holds the folder {entry.name!r}; the images of a class lie "
                    "in its own folder, so move them there, or make it a class"
                )
            if suffix not in SUFFIXES or not (entry.is_file() or entry.is_symlink()):
                others[suffix or "no suffix"] += 1
                continue
            # A link that leads nowhere is named later, with the other bad images.
            status = entry.stat() if entry.is_file() else entry.stat(follow_symlinks=False)
            found.append((f"{folder}/{entry.name}", status.st_size, status.st_mtime_ns))
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        logger.info("%s: files that are no images by their names are left out: %s", folder, kinds)
    found.sort()
    return Files([f[0] for f in found], np.array([f[1:] for f in found], np.int64).reshape(-1, 2))


def files_by_class(root: Path, part: str = "") -> dict[str, Files]:
    """The files of each class, whose folder has its name and lies in that part of the root.

    Raises ValueError if there is no class, or one has no image.
    """
    names = folders_in(root / part)
    if not names:
        raise ValueError(f"{root / part}: expected a folder for each class, and there is none")
    found = {name: files_in(root, f"{part}/{name}".lstrip("/")) for name in names}
    empty = [name for name, files in found.items() if not files.names]
    if empty:
        raise ValueError(
            f"{root / part}: no images in the folders {some(empty)}; expected files with the "
            f"suffixes {', '.join(sorted(SUFFIXES))}"
        )
    return found


def check_same(
    root: Path, train: Collection[str], validation: Collection[str], folder: str
) -> None:
    """Raise ValueError, naming some, unless training and validation have the same classes."""
    for classes, others, where in ((train, validation, folder), (validation, train, "train")):
        lacking = sorted(set(classes) - set(others))
        if lacking:
            raise ValueError(
                f"{root / where}: lacks folders for the classes {some(lacking)}; training and "
                "validation need the same classes"
            )


def parted(
    files: Mapping[str, Files], share: float, seed: int
) -> tuple[dict[str, Files], dict[str, Files]]:
    """The files of each class for training, and for validation, of which a share is held back.

    Raises ValueError for a class with fewer than two.
    """
    train, validation = {}, {}
    for name, of_class in files.items():
        back = held_back(of_class.names, share, seed, name)
        validation[name] = of_class.chosen(back)
        train[name] = of_class.chosen(sorted(set(range(len(of_class.names))) - set(back)))
    return train, validation


def held_back(images: Sequence[str], share: float, seed: int, name: str) -> list[int]:
    """Which of a class's images are for validation, ascending: a share, but at least one, and not
    all.

    They are drawn by the seed and their own names, so that one that comes or goes moves one other
    at most. Raises ValueError if there are fewer than two.
    """
    count = len(images)
    if count < 2:
        raise ValueError(
            f"the class {name!r} has {count} image, and needs one for training and one for "
            "validation; add images, or take the class away"
        )
    order = sorted(
        range(count), key=lambda row: hashlib.sha256(f"{seed} {images[row]}".encode()).digest()
    )
    return sorted(order[: min(max(round(count * share), 1), count - 1)])


def album(
    root: Path,
    train: Mapping[str, Files],
    validation: Mapping[str, Files],
    settings: Mapping[str, Any],
) -> Album:
    """The files of both parts, of the same classes, as a collection that is read one by one."""
    size, resize = settings["image_size"], settings["resize"]
    return Album(
        # Groups are for parting the classes, and stay out of the store.
        classes=[(name, "") for name in train],
        image_size=(size, size),
        train=_as_pictures(root, train, size, resize),
        validation=_as_pictures(root, validation, size, resize),
    )


def _as_pictures(root: Path, files: Mapping[str, Files], size: int, resize: str) -> Pictures:
    """The files of all classes, class by class, as images to be read into a store."""
    counts = [len(of_class.names) for of_class in files.values()]
    return Pictures(
        labels=np.repeat(np.arange(len(files), dtype=np.int32), counts),
        items=[name for of_class in files.values() for name in of_class.names],
        stamps=np.concatenate([of_class.stamps for of_class in files.values()]),
        load=partial(decode.load_file, root=str(root), size=size, resize=resize),
    )


def _check_name(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{folder}: the name {os.fsencode(name)!r} is not in UTF-8; rename it"
        ) from None
