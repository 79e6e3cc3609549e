"""The source `imagenet`: ILSVRC-2012, in the folders in which people have it.

Training images lie in `train/<wnid>/`. Validation images lie in `val/<wnid>/` (or `validation`),
or all in `val/` as they come from image-net.org, with the development kit beside it, which holds
their classes. A class's name is its WordNet id (wnid), and classes stand in the order of these, as
in the paper's own lists.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferability.images import DatasetInfo, Size

if TYPE_CHECKING:
    from transferability.images.class_folders import Files
    from transferability.images.reading import Album

VALIDATION = ("val", "validation")
KIT = "ILSVRC2012_devkit_t12/data"
TRUTH, SYNSETS = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
WNID = re.compile(r"n\d{8}")
VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.")


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What is known of ImageNet beforehand: nothing, since a folder may hold some classes only."""
    return DatasetInfo(classes=None, groups={}, images_per_class=None)


def expected(settings: Mapping[str, Any]) -> Size:
    """How many images there are in ILSVRC-2012 as it was published (Russakovsky et al. 2015); a
    folder may hold some classes only."""
    return Size(classes=1000, train=1281167, validation=50000)


def read(settings: Mapping[str, Any], workers: int = 1) -> "Album":
    """List the files, classes by wnid and files by name; reading them comes later.

    Raises ValueError if the folder is not there or has another form.
    """
    from transferability.images import class_folders
    from transferability.images.groups import some

    root = Path(settings["path"])
    if not root.is_dir():
        raise _misses(f"there is no folder {root}, as seen from {Path.cwd()}", root)
    names = class_folders.folders_in(root)
    validation_names = [name for name in VALIDATION if name in names]
    if "train" not in names or len(validation_names) != 1:
        raise _misses(f"{root} has {', '.join(names) or 'no folders'}", root)
    train = class_folders.files_by_class(root, "train")
    strange = [name for name in train if not WNID.fullmatch(name)]
    if strange:
        raise ValueError(
            f"{root / 'train'}: {some(strange)} are no WordNet ids such as n01440764; images with "
            "other classes are for dataset.source: folder"
        )
    if class_folders.folders_in(root / validation_names[0]):
        validation = class_folders.files_by_class(root, validation_names[0])
        class_folders.check_same(root, train, validation, validation_names[0])
    else:
        validation = _by_kit(root, validation_names[0], list(train))
    return class_folders.album(root, train, validation, settings)


def _by_kit(root: Path, folder: str, wnids: list[str]) -> "dict[str, Files]":
    """The validation images of each class, where all lie in one folder: the development kit says
    which class each is of. Images of classes that training lacks are left out."""
    from transferability.images import class_folders

    truth = _truth(root, folder)
    files = class_folders.files_in(root, folder)
    rows: dict[str, list[int]] = {wnid: [] for wnid in wnids}
    for row, name in enumerate(files.names):
        match = VALIDATION_NAME.match(Path(name).name)
        number = int(match[1]) if match else 0
        if not 1 <= number <= len(truth):
            raise ValueError(
                f"{root / name}: expected ILSVRC2012_val_<number>.JPEG, numbers from 1 to "
                f"{len(truth)}, as {root / KIT / TRUTH} has the classes of so many"
            )
        if truth[number - 1] in rows:
            rows[truth[number - 1]].append(row)
    empty = [wnid for wnid, of_class in rows.items() if not of_class]
    if empty:
        raise ValueError(
            f"{root / folder}: no images of {', '.join(empty[:5])} ({len(empty)} classes), "
            "which training has"
        )
    return {wnid: files.chosen(of_class) for wnid, of_class in rows.items()}


def _truth(root: Path, folder: str) -> list[str]:
    """The wnid of each validation image, by its number."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    kit = root / KIT
    missing = [name for name in (TRUTH, SYNSETS) if not (kit / name).is_file()]
    if missing:
        raise _misses(f"{root / folder} has no folders, and {kit / missing[0]} is not there", root)
    try:
        synsets = loadmat(kit / SYNSETS, squeeze_me=True)["synsets"]
        wnids = {
            int(number): str(wnid)
            for number, wnid in zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
        }
        return [wnids[int(line)] for line in (kit / TRUTH).read_text("utf-8").split()]
    except (MatReadError, KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{kit}: {TRUTH} and {SYNSETS} do not fit ({type(error).__name__}: {error}); take the "
            "development kit of ILSVRC-2012 from image-net.org again"
        ) from error


def _misses(what: str, root: Path) -> ValueError:
    return ValueError(
        f"dataset.path: {what}; expected {root}/train/<wnid>/ and either {root}/val/<wnid>/, or "
        f"{root}/val/*.JPEG with {root}/{KIT}/{TRUTH} and {SYNSETS}"
    )
