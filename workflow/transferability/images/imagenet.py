"""The source `imagenet`: ILSVRC-2012 in its usual folders.

Training images are in `train/<wnid>/`, validation images in `val/<wnid>/` (or `validation`), where
torchvision.datasets.ImageNet puts them. The name of a class is its WordNet id (wnid), and classes
are sorted by it, as in the paper's lists.
"""

import re
from collections.abc import Mapping
from typing import Any

from transferability.images import DatasetInfo, ImageSource, Size, folder, groups, path_of


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """The published size of ImageNet (Russakovsky et al. 2015). Nothing else is known before
    reading, since a folder may have only some of the classes."""
    return DatasetInfo(size=Size(classes=1000, train=1281167, validation=50000))


def read(settings: Mapping[str, Any]) -> ImageSource:
    """List the images, with classes sorted by wnid and files by name."""
    root = path_of(settings["path"])
    tree = folder.Tree(
        root,
        f"{root}/train/<wnid>/ and {root}/val/<wnid>/, into which torchvision.datasets.ImageNet "
        "unpacks the files of image-net.org",
    )
    parts = tree.parts()
    # The test images have no labels.
    parts.pop("test", None)
    if len(parts) < 2:
        raise tree.wrong_form(f"{root} has {', '.join(tree.folders()) or 'no folders'}")
    for part in parts.values():
        if not tree.folders(part):
            raise tree.wrong_form(f"{root / part} has no folders")
    classes = tree.folders(parts["train"])
    if strange := [name for name in classes if not re.fullmatch(r"n\d{8}", name)]:
        raise ValueError(
            f"{root / parts['train']}: {groups.first_of(strange)} are not WordNet ids such "
            "as n01440764; for images with other classes, set dataset.source to folder"
        )
    return tree.source(tree.train_and_validation(parts), settings)
