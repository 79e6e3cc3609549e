"""The source `folder`: a user's images, with one folder for each class.

The folders are either `train/<class>/` and `validation/<class>/`, or other usual names for these,
or only `<class>/`; then a share of each class is used for validation.
"""

import hashlib
import os
import unicodedata
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transferability.images import DatasetInfo, ImageSource, groups, path_of

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "eval", "evaluation", "dev"),
    "test": ("test", "testing"),
}
"""The names of the folders of each part, in upper or lower case."""
SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
OF_SYSTEMS = frozenset(
    {"desktop.ini", "icon\r", "thumbs.db", "#recycle", "$recycle.bin", "@eadir", "__macosx"}
    | {"lost+found", "system volume information"}
)
"""Files and folders that operating systems put next to images, in lower case."""


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """The groups of the classes, if a file has them."""
    return DatasetInfo(groups=groups.sizes(settings["groups"]))


def read(settings: Mapping[str, Any]) -> ImageSource:
    """List the images of the folder, with classes and files sorted by name."""
    root = path_of(settings["path"])
    tree = Tree(
        root,
        f"{root}/train/<class>/ and {root}/validation/<class>/, or only {root}/<class>/, with "
        "image files in each",
    )
    parts = tree.parts()
    if "train" in parts and len(parts) > 1:
        by_part = tree.train_and_validation(parts)
    elif set(tree.folders()) <= set(parts.values()):
        raise tree.wrong_form(f"{root} has {', '.join(tree.folders()) or 'no folders'}")
    else:
        by_part = train, validation = {}, {}
        for name, images in tree.by_class().items():
            back = held_back(images, settings["validation"], settings["seed"], name)
            train[name] = [image for image in images if image not in back]
            validation[name] = [image for image in images if image in back]
    return tree.source(by_part, settings)


class Tree:
    """A folder of images on the disk.

    Raises ValueError, with the expected form, if there is no such folder.
    """

    def __init__(self, root: Path, expected: str):
        self.root, self.expected = root, expected
        self.left_out: dict[str, str] = {}
        """The reasons why files or folders are left out, by their paths below the root."""
        if not root.is_dir():
            raise self.wrong_form(f"there is no folder {root} (current folder: {Path.cwd()})")

    def wrong_form(self, problem: str) -> ValueError:
        return ValueError(f"dataset.path: {problem}; expected {self.expected}")

    def parts(self) -> dict[str, str]:
        """The folder of each part that exists.

        Raises ValueError if a part has two folders, unless there is no folder for training.
        """
        parts = {}
        for part, names in PARTS.items():
            present = [name for name in self.folders() if name.lower() in names]
            if len(present) > 1 and (part == "train" or "train" in parts):
                raise self.wrong_form(f"{self.root} has both {' and '.join(present)}")
            if present:
                parts[part] = present[0]
        return parts

    def folders(self, below: str = "") -> list[str]:
        """The names of the folders in a folder below the root, sorted."""
        return self._listed(below)[0]

    def by_class(self, part: str = "") -> dict[str, list[str]]:
        """The image files of each class; the classes are the folders in `part` of the root.

        Raises ValueError if there is no class, or if a class has no image or contains a folder.
        """
        folders, files = self._listed(part)
        self.left_out |= dict.fromkeys(files, "it is beside the folders of the classes")
        if not folders:
            raise ValueError(f"{self.root / part}: expected a folder for each class, found none")
        by_class = {}
        for name in folders:
            inside, files = self._listed(os.path.join(part, name))
            if inside:
                place = self.root / part / name
                raise ValueError(
                    f"{place} contains the folder {inside[0]!r}, but the images of a class must be "
                    "directly in its folder; move them there, or, if "
                    f"{inside[0]!r} is a class, set dataset.path to {place}"
                )
            suffixes = {file: os.path.splitext(file)[1].lower() for file in files}
            images = [file for file in files if suffixes[file] in SUFFIXES]
            for file in set(files).difference(images):
                suffix = suffixes[file] or "a file without a suffix"
                self.left_out[file] = f"{suffix} is not read"
            # macOS may store names in another Unicode form than most programs.
            by_class.setdefault(unicodedata.normalize("NFC", name), []).extend(images)
        if empty := [name for name, images in by_class.items() if not images]:
            raise ValueError(
                f"{self.root / part}: no images in the folders {groups.first_of(empty)}; expected "
                f"files with the suffixes {', '.join(sorted(SUFFIXES))}"
            )
        return by_class

    def train_and_validation(self, parts: Mapping[str, str]) -> tuple[dict, dict]:
        """The files of each class in the folders for training and for validation.

        Raises ValueError if the two have different classes.
        """
        folders = [parts["train"], parts.get("validation", parts.get("test"))]
        others, files = self._listed("")
        files += [f"{name}/" for name in others if name not in folders]
        self.left_out |= dict.fromkeys(files, f"it is beside {' and '.join(folders)}")
        train, validation = (self.by_class(folder) for folder in folders)
        lacks = {folders[1]: train.keys() - validation, folders[0]: validation.keys() - train}
        for folder, lacking in lacks.items():
            if lacking:
                raise ValueError(
                    f"{self.root / folder}: lacks folders for the classes "
                    f"{groups.first_of(sorted(lacking))}; training and validation need the same"
                )
        return dict(sorted(train.items())), dict(sorted(validation.items()))

    def source(self, by_part: Sequence[Mapping], settings: Mapping[str, Any]) -> ImageSource:
        """An ImageSource of the files of each class (paths below the root), for both parts."""
        from transferability.images import decode

        root, size = str(self.root), settings["image_size"]
        labelled = [
            [(label, file) for label, files in enumerate(by_class.values()) for file in files]
            for by_class in by_part
        ]
        return ImageSource(
            # The groups of a user's file only affect class splits and are not in the store.
            [(name, "") for name in by_part[0]],
            (size, size),
            *labelled,
            load=partial(decode.load_file, root=root, settings=settings),
            stamp=partial(decode.file_stamp, root=root),
            left_out=sorted(self.left_out.items()),
        )

    def _listed(self, below: str) -> tuple[list[str], list[str]]:
        """The names of the folders in a folder, and the paths of its files below the root, both
        sorted, without hidden files and those in OF_SYSTEMS.

        Raises ValueError for a name that is not UTF-8, and for a broken link.
        """
        folders, files = [], []
        for entry in sorted(os.scandir(self.root / below), key=lambda entry: entry.name):
            if entry.name.encode(errors="ignore").decode() != entry.name:
                raise ValueError(f"{self.root / below}: {entry.name!r} is not in UTF-8; rename it")
            if entry.name.startswith(".") or entry.name.lower() in OF_SYSTEMS:
                continue
            if entry.is_dir():
                folders.append(entry.name)
                continue
            files.append(os.path.join(below, entry.name))
            # A broken link to an image is reported with the other bad images.
            is_image = os.path.splitext(entry.name)[1].lower() in SUFFIXES
            if entry.is_symlink() and not is_image and not os.path.exists(entry.path):
                raise ValueError(
                    f"{entry.path} is a link to {os.readlink(entry.path)}, which does not exist; "
                    "make it reachable, or remove the link"
                )
        return folders, files


def held_back(images: Sequence[str], share: float, seed: int, name: str) -> set[str]:
    """The images of a class that are for validation: a share, but at least one and not all.

    The choice depends on the seed and the images' names, so that adding or removing an image moves
    at most one other image. Raises ValueError if there are fewer than two images.
    """
    count = len(images)
    if count < 2:
        raise ValueError(
            f"the class {name!r} has {count} image, but needs one for training and one for "
            "validation; add images, or remove the class"
        )
    order = sorted(images, key=lambda image: hashlib.sha256(f"{seed} {image}".encode()).digest())
    return set(order[: min(max(round(count * share), 1), count - 1)])
