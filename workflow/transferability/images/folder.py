"""The source `folder`: a user's own images, one folder a class.

Either `train/<class>/` and `validation/<class>/` (or `val`), or `<class>/` alone, of which a share
is held back for validation. What other sources need of files and classes is here too.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transferability.images import DatasetInfo, ImageSource, Items, groups

logger = logging.getLogger(__name__)

VALIDATION = ("validation", "val")
SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What is known of the images beforehand: their groups, if a file names these.

    Raises ValueError, naming `dataset.groups`, for a file of groups that cannot be read.
    """
    return DatasetInfo(groups=groups.sizes(settings["groups"]))


def read(settings: Mapping[str, Any]) -> ImageSource:
    """List the files of the folder, classes and files by name.

    Raises ValueError if the folder is not there or has another form.
    """
    root = Path(settings["path"])
    expected = (
        f"{root}/train/<class>/ and {root}/validation/<class>/, or {root}/<class>/ alone, with "
        "image files in each"
    )
    validation_folder = find_validation(root, expected)
    if validation_folder:
        train, validation = train_and_validation(root, validation_folder)
    elif set(folders_in(root)) <= {"train", "test", *VALIDATION}:
        raise wrong_form(f"{root} has {', '.join(folders_in(root)) or 'no folders'}", expected)
    else:
        train, validation = {}, {}
        for name, images in files_by_class(root).items():
            back = held_back(images, settings["validation"], settings["seed"], name)
            train[name] = [image for image in images if image not in back]
            validation[name] = [image for image in images if image in back]
    return source_of_files(root, train, validation, settings)


def find_validation(root: Path, expected: str) -> str | None:
    """The name of the folder for validation beside `train`; None if one of the two is not there.

    Raises ValueError, saying what is expected, if there is no root, or both names in it.
    """
    if not root.is_dir():
        raise wrong_form(f"there is no folder {root}, as seen from {Path.cwd()}", expected)
    names = folders_in(root)
    present = [name for name in VALIDATION if name in names]
    if "train" not in names or not present:
        return None
    if len(present) > 1:
        raise wrong_form(f"{root} has both {' and '.join(present)}", expected)
    return present[0]


def wrong_form(problem: str, expected: str) -> ValueError:
    return ValueError(f"dataset.path: {problem}; expected {expected}")


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
    by_part = {part: files_by_class(root, part) for part in (validation_folder, "train")}
    classes = set().union(*by_part.values())
    for part, by_class in by_part.items():
        lacking = sorted(classes - by_class.keys())
        if lacking:
            raise ValueError(
                f"{root / part}: lacks folders for the classes {groups.first_of(lacking)}; "
                "training and validation need the same classes"
            )
    return by_part["train"], by_part[validation_folder]


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
) -> ImageSource:
    """Files below a root, by class, the same classes in both parts, as images to be read."""
    from transferability.images import decode

    size = settings["image_size"]
    load = partial(decode.load_file, root=str(root), size=size, resize=settings["resize"])
    stamp = partial(decode.file_stamp, root=str(root))

    def items(by_class: Mapping[str, Sequence[str]]) -> Items:
        labels = [label for label, files in enumerate(by_class.values()) for _ in files]
        return Items(labels, [file for files in by_class.values() for file in files], load, stamp)

    # The groups of a user's file are for splitting the classes, and stay out of the store.
    classes = [(name, "") for name in train]
    return ImageSource(classes, (size, size), items(train), items(validation))


def _check_name(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{folder}: the name {os.fsencode(name)!r} is not in UTF-8; rename it"
        ) from None
