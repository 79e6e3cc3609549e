"""The source `folder`: a user's own images, one folder a class.

Either `train/<class>/` and `validation/<class>/` (or `val`), or `<class>/` alone, of which a share
is held back for validation. What other sources need of files and classes is here too.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferability.images import DatasetInfo, groups

if TYPE_CHECKING:
    from transferability.images.build import ImageSource

logger = logging.getLogger(__name__)

VALIDATION = ("validation", "val")
SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What is known of the images beforehand: their groups, if a file names these.

    Raises ValueError, naming `dataset.groups`, for a file of groups that cannot be read.
    """
    return DatasetInfo(classes=None, groups=groups.sizes(settings["groups"]), images_per_class=None)


def read(settings: Mapping[str, Any]) -> "ImageSource":
    """List the files of the folder, classes and files by name.

    Raises ValueError if the folder is not there or has another form.
    """
    root = Path(settings["path"])
    if not root.is_dir():
        raise _wrong_form(f"there is no folder {root}, as seen from {Path.cwd()}", root)
    names = folders_in(root)
    validation_names = [name for name in VALIDATION if name in names]
    if "train" in names and validation_names:
        if len(validation_names) > 1:
            raise _wrong_form(f"{root} has both {' and '.join(validation_names)}", root)
        train, validation = train_and_validation(root, validation_names[0])
    elif not names or set(names) <= {"train", "test", *VALIDATION}:
        raise _wrong_form(f"{root} has {', '.join(names) or 'no folders'}", root)
    else:
        train, validation = {}, {}
        for name, images in files_by_class(root).items():
            back = held_back(images, settings["validation"], settings["seed"], name)
            train[name] = [image for image in images if image not in back]
            validation[name] = [image for image in images if image in back]
    return source_of_files(root, train, validation, settings)


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; hidden ones do not count.

    Raises ValueError for a name that is not UTF-8.
    """
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    for name in names:
        _check_name(folder, name)
    return names


def files_in(root: Path, folder: str) -> list[str]:
    """The names below the root of the image files in one folder, sorted; hidden and other files do
    not count.

    Raises ValueError for a folder in it, whose images would be left out silently, and for a name
    that is not UTF-8.
    """
    names: list[str] = []
    others: Counter[str] = Counter()
    with os.scandir(root / folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            _check_name(root / folder, entry.name)
            if entry.is_dir():
                raise ValueError(
                    f"{root / folder} holds the folder {entry.name!r}; the images of a class lie "
                    "in its own folder, so move them there, or make it a class"
                )
            suffix = os.path.splitext(entry.name)[1].lower()
            # A link that leads nowhere is reported later, with the other bad images.
            if suffix in SUFFIXES and (entry.is_file() or entry.is_symlink()):
                names.append(f"{folder}/{entry.name}")
            else:
                others[suffix or "no suffix"] += 1
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
        logger.info("%s: files that are no images by their names are left out: %s", folder, kinds)
    return sorted(names)


def files_by_class(root: Path, part: str = "") -> dict[str, list[str]]:
    """The files of each class, whose folder has its name and lies in that part of the root.

    Raises ValueError if there is no class, or a class has no image.
    """
    names = folders_in(root / part)
    if not names:
        raise ValueError(f"{root / part}: expected a folder for each class, and there is none")
    by_class = {name: files_in(root, f"{part}/{name}".lstrip("/")) for name in names}
    empty = [name for name, images in by_class.items() if not images]
    if empty:
        raise ValueError(
            f"{root / part}: no images in the folders {groups.first_of(empty)}; expected files "
            f"with the suffixes {', '.join(sorted(SUFFIXES))}"
        )
    return by_class


def train_and_validation(
    root: Path, validation_folder: str
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The files of each class in the folder `train` and in that for validation.

    Raises ValueError unless both have the same classes.
    """
    train, validation = (files_by_class(root, part) for part in ("train", validation_folder))
    _check_classes(root / validation_folder, validation, train)
    _check_classes(root / "train", train, validation)
    return train, validation


def _check_classes(folder: Path, classes: Collection[str], others: Collection[str]) -> None:
    lacking = sorted(set(others) - set(classes))
    if lacking:
        raise ValueError(
            f"{folder}: lacks folders for the classes {groups.first_of(lacking)}; training and "
            "validation need the same classes"
        )


def held_back(images: Sequence[str], share: float, seed: int, name: str) -> set[str]:
    """Those of a class's images that are for validation: a share, but at least one, and not all.

    They are drawn by the seed and their own names, so that an image that is added or removed moves
    at most one other. Raises ValueError if there are fewer than two.
    """
    count = len(images)
    if count < 2:
        raise ValueError(
            f"the class {name!r} has {count} image, and needs one for training and one for "
            "validation; add images, or take the class away"
        )
    order = sorted(images, key=lambda image: hashlib.sha256(f"{seed} {image}".encode()).digest())
    return set(order[: min(max(round(count * share), 1), count - 1)])


def source_of_files(
    root: Path | str,
    train: Mapping[str, Sequence[str]],
    validation: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
) -> "ImageSource":
    """Files below a root, by class, the same classes in both parts, as images to be read."""
    from transferability.images import decode
    from transferability.images.build import ImageSource, Items

    size, resize = settings["image_size"], settings["resize"]

    def items(by_class: Mapping[str, Sequence[str]]) -> Items:
        return Items(
            labels=[label for label, files in enumerate(by_class.values()) for _ in files],
            items=[file for files in by_class.values() for file in files],
            load=partial(decode.load_file, root=str(root), size=size, resize=resize),
            stamp=partial(decode.file_stamp, root=str(root)),
        )

    # The groups of a user's file are for splitting the classes, and stay out of the store.
    return ImageSource(
        [(name, "") for name in train], (size, size), items(train), items(validation)
    )


def _check_name(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{folder}: the name {os.fsencode(name)!r} is not in UTF-8; rename it"
        ) from None


def _wrong_form(problem: str, root: Path) -> ValueError:
    return ValueError(
        f"dataset.path: {problem}; expected {root}/train/<class>/ and {root}/validation/<class>/, "
        f"or {root}/<class>/ alone, with image files in each"
    )
