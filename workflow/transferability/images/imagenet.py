"""The source `imagenet`: ILSVRC-2012, in the folders in which people have it.

Training images lie in `train/<wnid>/`. Validation images lie in `val/<wnid>/` (or `validation`),
or all in `val/` as they come from image-net.org, with the development kit beside it, which holds
their classes. A class's name is its WordNet id (wnid), and classes stand in the order of these, as
in the paper's own lists.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferability.images import DatasetInfo, ImageSource, Size, folder, groups, path_of

KIT = "ILSVRC2012_devkit_t12/data"
TRUTH, SYNSETS = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
WNID = re.compile(r"n\d{8}")
VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.")


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """What is known of ImageNet beforehand: the size as published (Russakovsky et al. 2015), and
    no more, since a folder may hold some classes only."""
    return DatasetInfo(size=Size(classes=1000, train=1281167, validation=50000))


def read(settings: Mapping[str, Any]) -> ImageSource:
    """List the files, classes by wnid and files by name.

    Raises ValueError if the folder is not there or has another form.
    """
    root = path_of(settings["path"])
    tree = folder.Tree(
        root,
        f"{root}/train/<wnid>/ and either {root}/val/<wnid>/, or {root}/val/*.JPEG with "
        f"{root}/{KIT}/{TRUTH} and {SYNSETS}",
    )
    parts = tree.parts()
    # The images for testing have no labels.
    parts.pop("test", None)
    if len(parts) < 2:
        raise tree.wrong_form(f"{root} has {', '.join(tree.folders()) or 'no folders'}")
    strange = [name for name in tree.folders(parts["train"]) if not WNID.fullmatch(name)]
    if strange:
        raise ValueError(
            f"{root / parts['train']}: {groups.first_of(strange)} are no WordNet ids such as "
            "n01440764; images with other classes are for dataset.source: folder"
        )
    if tree.folders(parts["validation"]):
        return tree.source(*tree.train_and_validation(parts), settings)
    for name in (TRUTH, SYNSETS):
        if not (root / KIT / name).is_file():
            raise tree.wrong_form(
                f"{root / parts['validation']} has no folders, and {root / KIT / name} is not there"
            )
    train = tree.by_class(parts["train"])
    return tree.source(train, _by_kit(tree, parts["validation"], list(train)), settings)


def _by_kit(tree: folder.Tree, validation_folder: str, wnids: list[str]) -> dict[str, list[str]]:
    """The validation images of each class, where all lie in one folder: the development kit says
    which class each is of. Images of classes that training lacks are left out."""
    root, truth = tree.root, _truth(tree.root / KIT)
    by_class: dict[str, list[str]] = {wnid: [] for wnid in wnids}
    for name in tree.images(validation_folder):
        match = VALIDATION_NAME.match(Path(name).name)
        number = int(match[1]) if match else 0
        if not 1 <= number <= len(truth):
            raise ValueError(
                f"{root / name}: expected ILSVRC2012_val_<number>.JPEG, numbers from 1 to "
                f"{len(truth)}, as {root / KIT / TRUTH} has the classes of so many"
            )
        if truth[number - 1] in by_class:
            by_class[truth[number - 1]].append(name)
        else:
            tree.left_out[name] = "training lacks its class"
    empty = [wnid for wnid, images in by_class.items() if not images]
    if empty:
        raise ValueError(
            f"{root / validation_folder}: no images of {groups.first_of(empty)}, which training has"
        )
    return by_class


def _truth(kit: Path) -> list[str]:
    """The wnid of each validation image, by its number."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

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
