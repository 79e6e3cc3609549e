"""Datasets of torchvision: their parts, the names of their classes, and where labels lie."""

import inspect
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import ConcatDataset
from torchvision import datasets

from transferability.images import decode
from transferability.images.build import ImageSource, Items
from transferability.images.folder import held_back

Arguments = Sequence[dict[str, Any]]
# How to ask for the images for training and for those for testing, where that is not train=True and
# train=False, or split="train" and split="test". What a dataset offers beside its test images, for
# validation of its own, is for training here.
PARTS: dict[str, tuple[Arguments, Arguments]] = {
    "CLEVRClassification": ([{"split": "train"}], [{"split": "val"}]),  # no labels for its test
    "Country211": ([{"split": "train"}, {"split": "valid"}], [{"split": "test"}]),
    "DTD": ([{"split": "train"}, {"split": "val"}], [{"split": "test"}]),
    "EMNIST": (
        [{"split": "balanced", "train": True}],
        [{"split": "balanced", "train": False}],
    ),
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
FILES = ("_image_files",)
CLASSES = ("classes", "categories", "all_categories", "_characters")


class Dataset:
    """One or more datasets of torchvision, one after the other."""

    def __init__(self, parts: list[Any]) -> None:
        self.images = ConcatDataset(parts)
        self.one_at_a_time = threading.Lock()
        self.labels = np.concatenate([_labels(part) for part in parts])
        """int64 N."""
        files = [_files(part) for part in parts]
        self.files = None if None in files else [file for of_part in files for file in of_part]
        """The file of each image, where each has one."""
        # Some datasets list their files in the order in which the disk does.
        key = self.files.__getitem__ if self.files else None
        self.order = np.array(sorted(range(len(self.labels)), key=key))
        """The numbers of all images, by the names of their files."""

    def load(self, number: int, size: int, resize: str) -> np.ndarray:
        """The pixels of an image."""
        # Nobody promises that a dataset may be read by several threads at once.
        with decode.blamed_on_the_image(), self.one_at_a_time:
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
    name = settings["name"]
    train_arguments, test_arguments = _parts(getattr(datasets, name))
    train = _opened(settings, train_arguments)
    names = _class_names(train)
    if test_arguments:
        test = _opened(settings, test_arguments)
        train_order, test_order = train.order, test.order
    else:
        test = train
        is_held_back = _held_back(train, names, settings)
        train_order, test_order = train.order[~is_held_back], train.order[is_held_back]
    # Not every name need have images.
    present = np.unique(train.labels)
    strange = np.setdiff1d(test.labels, present)
    if strange.size:
        raise ValueError(
            f"dataset.name: {name} has test images of classes without any for training, such as "
            f"number {strange[0]}; choose another dataset"
        )
    classes = [names[label] for label in present.tolist()]
    if len(set(classes)) < len(classes):
        classes = [f"{label} {names[label]}" for label in present.tolist()]
    shape = {"size": settings["image_size"], "resize": settings["resize"]}

    def items(dataset: Dataset, order: np.ndarray) -> Items:
        chosen = order[np.argsort(dataset.labels[order], kind="stable")]
        labels = np.searchsorted(present, dataset.labels[chosen])
        if dataset.files is None:
            return Items(labels, chosen.tolist(), partial(dataset.load, **shape))
        return Items(
            labels,
            items=[dataset.files[number] for number in chosen.tolist()],
            load=partial(decode.load_file, root="", **shape),
            stamp=partial(decode.file_stamp, root=""),
        )

    return ImageSource(
        classes=[(class_name, "") for class_name in classes],
        image_size=(settings["image_size"], settings["image_size"]),
        train=items(train, train_order),
        validation=items(test, test_order),
        # Most datasets without files hold their images in memory, which processes would copy.
        in_processes=train.files is not None and test.files is not None,
    )


def _parts(dataset: type) -> tuple[Arguments, Arguments]:
    if dataset.__name__ in PARTS:
        return PARTS[dataset.__name__]
    parameters = inspect.signature(dataset).parameters
    if "train" in parameters:
        return [{"train": True}], [{"train": False}]
    if "split" in parameters:
        return [{"split": "train"}], [{"split": "test"}]
    return [{}], []


def _opened(settings: Mapping[str, Any], arguments: Arguments) -> Dataset:
    name = settings["name"]
    try:
        parts = [_dataset(settings, part) for part in arguments]
    except (TypeError, ValueError, AttributeError, ImportError) as error:
        raise _of_no_use(name, error) from error
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
    try:
        image, label = parts[0][0]
        # Numbers of numpy and torch are labels, too.
        int(label)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _of_no_use(name, error) from error
    if not isinstance(image, Image.Image):
        raise _of_no_use(name, TypeError(f"its images are of the type {type(image).__name__}"))
    return Dataset(parts)


def _dataset(settings: Mapping[str, Any], part: dict[str, Any]) -> Any:
    """One part of a dataset, downloaded if it is not there and may be."""
    dataset = getattr(datasets, settings["name"])
    parameters = inspect.signature(dataset).parameters
    given = dict(part)
    if "root" in parameters:
        given["root"] = settings["root"]
    if "download" not in parameters and not any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    ):
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


def _labels(dataset: Any) -> np.ndarray:
    """int64 N; where the dataset does not tell, found by reading each image."""
    for name in LABELS:
        labels = np.asarray(getattr(dataset, name, []))
        if labels.shape == (len(dataset),) and np.issubdtype(labels.dtype, np.integer):
            return labels.astype(np.int64)
    samples = _samples(dataset)
    if samples is not None:
        return np.array([int(label) for _, label in samples], np.int64)
    return np.array([int(dataset[row][1]) for row in range(len(dataset))], np.int64)


def _samples(dataset: Any) -> list[tuple[Any, Any]] | None:
    for name in SAMPLES:
        samples = getattr(dataset, name, None)
        if isinstance(samples, list) and len(samples) == len(dataset):
            return samples
    return None


def _files(dataset: Any) -> list[str] | None:
    for name in FILES:
        files = getattr(dataset, name, None)
        if isinstance(files, list) and len(files) == len(dataset):
            return [str(file) for file in files]
    samples = _samples(dataset) or [(None, None)]
    if isinstance(samples[0][0], str | Path):
        return [str(file) for file, _ in samples]
    return None


def _class_names(dataset: Dataset) -> list[str]:
    """The name of each label; its number where the dataset has no names."""
    count = int(dataset.labels.max()) + 1
    for attribute in CLASSES:
        names = getattr(dataset.images.datasets[0], attribute, None)
        if isinstance(names, list | tuple) and len(names) >= count:
            # Some have several names for a class.
            return [name if isinstance(name, str) else ", ".join(name) for name in names]
    return [str(label) for label in range(count)]


def _held_back(dataset: Dataset, names: Sequence[str], settings: Mapping[str, Any]) -> np.ndarray:
    """Which images, in the dataset's order, are for validation: a share of each class; bool N."""
    is_held_back = np.zeros(len(dataset.order), bool)
    for label in np.unique(dataset.labels).tolist():
        members = np.flatnonzero(dataset.labels[dataset.order] == label)
        # By their places, not by the files' names, which depend on where the data lie.
        places = [str(place) for place in members.tolist()]
        back = held_back(places, settings["validation"], settings["seed"], names[label])
        is_held_back[[int(place) for place in back]] = True
    return is_held_back
