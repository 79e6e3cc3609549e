"""Datasets of torchvision: their parts, the names of their classes, and where labels lie."""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import ConcatDataset
from torchvision import datasets

from transferability.images import ImageSource, Items, decode
from transferability.images.folder import held_back

Arguments = Sequence[dict[str, Any]]
# How to ask for the images for training and for those for testing, where that is not train=True and
# train=False, or split="train" and split="test". What a dataset offers beside its test images, for
# validation of its own, is for training here.
PARTS: dict[str, tuple[Arguments, Arguments]] = {
    "CLEVRClassification": ([{"split": "train"}], [{"split": "val"}]),  # no labels for its test
    "Country211": ([{"split": "train"}, {"split": "valid"}], [{"split": "test"}]),
    "DTD": ([{"split": "train"}, {"split": "val"}], [{"split": "test"}]),
    "EMNIST": tuple([{"split": "balanced", "train": train}] for train in (True, False)),
    "FGVCAircraft": ([{"split": "trainval"}], [{"split": "test"}]),
    "Flowers102": ([{"split": "train"}, {"split": "val"}], [{"split": "test"}]),
    "INaturalist": ([{"version": "2021_train"}], [{"version": "2021_valid"}]),
    "Imagenette": ([{"split": "train"}], [{"split": "val"}]),
    "LFWPeople": ([{"split": "10fold"}], []),  # train and test are of different people
    "OxfordIIITPet": ([{"split": "trainval"}], [{"split": "test"}]),
    "PCAM": ([{"split": "train"}, {"split": "val"}], [{"split": "test"}]),
    "Places365": ([{"split": "train-standard"}], [{"split": "val"}]),
    "RenderedSST2": ([{"split": "train"}, {"split": "val"}], [{"split": "test"}]),
}
# Attributes by which datasets give their labels and their image files without reading an image.
LABELS = ("targets", "labels", "_labels", "y")
SAMPLES = ("samples", "_samples", "imgs")
CLASSES = ("classes", "categories", "all_categories", "_characters")


class Dataset:
    """One or more datasets of torchvision, one after the other."""

    def __init__(self, parts: list[Any]) -> None:
        self.images = ConcatDataset(parts)
        self.labels = np.concatenate([_labels(part) for part in parts])
        """int64 N."""
        files = [_files(part) for part in parts]
        self.files = None if None in files else [file for of_part in files for file in of_part]
        """The file of each image, where each has one."""
        # Some datasets list their files in the order in which the disk does.
        key = self.files.__getitem__ if self.files else None
        self.order = np.array(sorted(range(len(self.labels)), key=key))
        """The numbers of all images, by the names of their files."""

    def class_names(self) -> list[str]:
        """The name of each label; its number where the dataset has no names."""
        count = int(self.labels.max()) + 1
        for attribute in CLASSES:
            names = getattr(self.images.datasets[0], attribute, None)
            if isinstance(names, list | tuple) and len(names) >= count:
                # Some have several names for a class.
                return [name if isinstance(name, str) else ", ".join(name) for name in names]
        return [str(label) for label in range(count)]

    def held_back(self, share: float, seed: int) -> np.ndarray:
        """Which images, in their order, are for validation, a share of each class: bool N."""
        is_held_back = np.zeros(len(self.order), bool)
        names = self.class_names()
        for label in np.unique(self.labels).tolist():
            # By their places, not by the files' names, which depend on where the data lie.
            places = np.flatnonzero(self.labels[self.order] == label).tolist()
            back = held_back([str(place) for place in places], share, seed, names[label])
            is_held_back[[int(place) for place in back]] = True
        return is_held_back

    def items(self, chosen: np.ndarray, present: np.ndarray, size: int, resize: str) -> Items:
        """The chosen images, by class; `present` are the labels that are classes."""
        chosen = chosen[np.argsort(self.labels[chosen], kind="stable")]
        labels = np.searchsorted(present, self.labels[chosen])
        if self.files is None:
            load = partial(self._load, size=size, resize=resize)
            return Items(labels, chosen.tolist(), load)
        load = partial(decode.load_file, root="", size=size, resize=resize)
        files = [self.files[number] for number in chosen.tolist()]
        return Items(labels, files, load, stamp=partial(decode.file_stamp, root=""))

    def _load(self, number: int, size: int, resize: str) -> np.ndarray:
        with decode.blamed_on_the_image():
            image, label = self.images[number]
        if int(label) != self.labels[number]:
            raise ValueError(
                f"image {number} has the label {label}, and {self.labels[number]} in the list"
            )
        return decode.pixels(image, size, resize)


def source_of(settings: Mapping[str, Any]) -> ImageSource:
    """A dataset as images to be read.

    Raises ValueError, naming `dataset.<key>`, if it is not there or not of images and labels.
    """
    name, size, resize = (settings[key] for key in ("name", "image_size", "resize"))
    train_arguments, test_arguments = _arguments(getattr(datasets, name))
    train = test = _opened(settings, train_arguments)
    if test_arguments:
        test = _opened(settings, test_arguments)
        for_training, for_validation = train.order, test.order
    else:
        is_held_back = train.held_back(settings["validation"], settings["seed"])
        for_training, for_validation = train.order[~is_held_back], train.order[is_held_back]
    # Not every name need have images.
    present = np.unique(train.labels)
    strange = np.setdiff1d(test.labels, present)
    if strange.size:
        raise ValueError(
            f"dataset.name: {name} has test images of classes without any for training, such as "
            f"number {strange[0]}; choose another dataset"
        )
    names = train.class_names()
    classes = [names[label] for label in present.tolist()]
    if len(set(classes)) < len(classes):
        classes = [f"{label} {names[label]}" for label in present.tolist()]
    return ImageSource(
        classes=[(class_name, "") for class_name in classes],
        image_size=(size, size),
        train=train.items(for_training, present, size, resize),
        validation=test.items(for_validation, present, size, resize),
        # Most datasets without files hold their images in memory, which processes would copy.
        in_processes=train.files is not None and test.files is not None,
    )


def _arguments(dataset: type) -> tuple[Arguments, Arguments]:
    parameters = inspect.signature(dataset).parameters
    if dataset.__name__ in PARTS:
        return PARTS[dataset.__name__]
    if "train" in parameters:
        return [{"train": True}], [{"train": False}]
    if "split" in parameters:
        return [{"split": "train"}], [{"split": "test"}]
    return [{}], []


def _opened(settings: Mapping[str, Any], arguments: Arguments) -> Dataset:
    """The parts of a dataset that these arguments ask for, if they are of images and labels."""
    name = settings["name"]
    try:
        parts = [_part(settings, argument) for argument in arguments]
    except (OSError, RuntimeError) as error:
        how = "point dataset.root at the folder that holds it"
        if settings["download"]:
            how = f"see whether this machine has a network that leads there, or {how}"
        else:
            how = f"set dataset.download to true, or {how}"
        raise ValueError(
            f"dataset.root: torchvision does not get {name} in {Path(settings['root']).resolve()} "
            f"({type(error).__name__}: {error}); {how}"
        ) from error
    except (TypeError, ValueError, AttributeError, ImportError) as error:
        raise _of_no_use(name, error) from error
    try:
        image, label = parts[0][0]
        # Numbers of numpy and torch are labels, too.
        int(label)
        if not isinstance(image, Image.Image):
            raise TypeError(f"its images are of the type {type(image).__name__}")
    except (TypeError, ValueError, RuntimeError) as error:
        raise _of_no_use(name, error) from error
    return Dataset(parts)


def _part(settings: Mapping[str, Any], argument: Mapping[str, Any]) -> Any:
    """A part of a dataset, downloaded if it is not there and may be."""
    dataset = getattr(datasets, settings["name"])
    parameters = inspect.signature(dataset).parameters
    given = {**argument, **({"root": settings["root"]} if "root" in parameters else {})}
    kinds = {parameter.kind for parameter in parameters.values()}
    if "download" not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
        return dataset(**given)
    try:
        # Some refuse to download what is there already.
        return dataset(**given, download=False)
    except (OSError, RuntimeError):
        if not settings["download"]:
            raise
        return dataset(**given, download=True)


def _of_no_use(name: str, error: Exception) -> ValueError:
    return ValueError(
        f"dataset.name: {name} is of no use here, for which a dataset has to give an image and one "
        f"label ({type(error).__name__}: {error}); choose another one"
    )


def _list_of(dataset: Any, attributes: Sequence[str]) -> list[Any] | None:
    """The first of these attributes that is a list with an entry for each image."""
    lists = (getattr(dataset, attribute, None) for attribute in attributes)
    return next((e for e in lists if isinstance(e, list) and len(e) == len(dataset)), None)


def _labels(dataset: Any) -> np.ndarray:
    """int64 N; where the dataset has no list of them, by reading each image."""
    for attribute in LABELS:
        labels = np.asarray(getattr(dataset, attribute, []))
        if labels.shape == (len(dataset),) and np.issubdtype(labels.dtype, np.integer):
            return labels.astype(np.int64)
    samples = _list_of(dataset, SAMPLES) or (dataset[row] for row in range(len(dataset)))
    return np.array([int(label) for _, label in samples], np.int64)


def _files(dataset: Any) -> list[str] | None:
    samples = _list_of(dataset, SAMPLES) or []
    files = _list_of(dataset, ["_image_files"]) or [file for file, _ in samples]
    return [str(file) for file in files] if files and isinstance(files[0], str | Path) else None
