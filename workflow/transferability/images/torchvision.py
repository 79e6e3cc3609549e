"""The source `torchvision`: a dataset of torchvision, by its name.

It can be any class of torchvision.datasets whose items are an image and one label. This module
imports only the standard library; `torchvision_datasets.py` reads the datasets.
"""

import difflib
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from transferability.images import DatasetInfo, ImageSource, groups, path_of

# These classes read folders of images, for which other sources are better.
OTHER_SOURCES = {"ImageFolder": "folder", "DatasetFolder": "folder", "ImageNet": "imagenet"}


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """The groups of the classes, if a file has them."""
    name = settings["name"]
    if name in OTHER_SOURCES:
        raise ValueError(
            f"dataset.name: {name} is for folders of images; use source: {OTHER_SOURCES[name]} "
            "with the path of the folder"
        )
    if name not in _names():
        by_lower = {other.lower(): other for other in _names()}
        close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(by_lower[other] for other in close)}?" if close else ""
        raise ValueError(f"dataset.name: torchvision.datasets has no {name!r}{hint}")
    # A study may read from any folder, but writes only in the folder of the run.
    if settings["download"] and not path_of(settings["root"]).resolve().is_relative_to(Path.cwd()):
        raise ValueError(
            f"dataset.root: {settings['root']} is outside this folder, where nothing is "
            "downloaded; name a folder inside it, or set dataset.download to false if the data "
            "already exist"
        )
    return DatasetInfo(groups=groups.sizes(settings["groups"]))


def read(settings: Mapping[str, Any]) -> ImageSource:
    """Open the dataset, after a download if necessary, and list its images.

    If it has no test images, a share of each class is used for validation.
    """
    from transferability.images import torchvision_datasets

    return torchvision_datasets.source_of(settings)


@cache
def _names() -> frozenset[str]:
    """The names in torchvision.datasets, read from its source, since importing it takes seconds."""
    origin = importlib.util.find_spec("torchvision").origin
    text = Path(origin).with_name("datasets").joinpath("__init__.py").read_text("utf-8")
    return frozenset(re.findall(r'"(\w+)"', text.partition("__all__ =")[2]))
