"""Datasets of torchvision: their parts, class names, labels and image files."""

import gzip
import inspect
import re
import shutil
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import ConcatDataset
from torchvision import datasets

from transferability.images import ImageSource, decode, path_of
from transferability.images.folder import held_back

Arguments = Sequence[dict[str, Any]]
# The arguments for the training images and for the test images, if they are not train=True and
# train=False, or split="train" and split="test". If a dataset has a validation part and a test
# part, the validation part is used for training.
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
# Datasets of four files, which torchvision reads from <root>/<name>/raw/ after unpacking.
OF_FOUR_FILES = ("MNIST", "FashionMNIST", "KMNIST")
# Attributes with the labels, the image files and the class names, available without reading images.
LABELS = ("targets", "labels", "_labels", "y")
SAMPLES = ("samples", "_samples", "imgs")
CLASSES = ("classes", "categories", "all_categories", "_characters")


def source_of(settings: Mapping[str, Any]) -> ImageSource:
    """The images of a dataset, not loaded yet.

    Raises ValueError, naming `dataset.<key>`, if it is missing or does not have images and labels.
    """
    name, size = settings["name"], settings["image_size"]
    train, test = (_opened(settings, given) for given in _arguments(getattr(datasets, name)))
    images, learned = ConcatDataset([*train, *test]), sum(map(len, train))
    labels = list(chain.from_iterable(map(_labels, images.datasets)))
    files_of = [_files(part) for part in images.datasets]
    files = None if None in files_of else list(chain.from_iterable(files_of))
    # Sorted by file, since some datasets list their files in the order of the disk.
    order = sorted(range(len(labels)), key=files.__getitem__ if files else None)
    # Only labels that have images become classes.
    places_of = defaultdict(list)
    for place, number in enumerate(order):
        places_of[labels[number]].append(place)
    names = _class_names(train[0], max(places_of) + 1)
    classes = [names[label] for label in sorted(places_of)]
    if len(set(classes)) < len(classes):
        classes = [f"{label} {names[label]}" for label in sorted(places_of)]
    items: dict[str, list] = {"train": [], "validation": []}
    for index, (label, places) in enumerate(sorted(places_of.items())):
        back: set[str] = set()
        if not test:
            # Drawn by position, not by file name, which depends on the folder of the data.
            chosen = [str(place) for place in places]
            back = held_back(chosen, settings["validation"], settings["seed"], names[label])
        for place in places:
            number = order[place]
            is_for_training = number < learned and str(place) not in back
            part = items["train" if is_for_training else "validation"]
            part.append((index, files[number] if files else number))

    def load(number: int) -> np.ndarray:
        with decode.blamed_on_the_image():
            image, _ = images[number]
        return decode.pixels(image, settings)

    return ImageSource(
        classes=[(class_name, "") for class_name in classes],
        image_size=(size, size),
        **items,
        load=partial(decode.load_file, root="", settings=settings) if files else load,
        stamp=partial(decode.file_stamp, root="") if files else lambda number: (),
        # Other datasets may read from one open file, or use torch's global generator.
        in_parallel=files is not None,
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


def _class_names(dataset: Any, count: int) -> list[str]:
    """The names of the labels from 0 to `count` - 1; their numbers if the dataset has no names."""
    for names in (getattr(dataset, attribute, None) for attribute in CLASSES):
        if isinstance(names, list | tuple) and len(names) >= count:
            # Some datasets have several names for a class.
            return [name if isinstance(name, str) else ", ".join(name) for name in names]
    return [str(label) for label in range(count)]


def _opened(settings: Mapping[str, Any], arguments: Arguments) -> list[Any]:
    """The parts of a dataset for these arguments, checked to have images and labels."""
    name = settings["name"]
    try:
        parts = [_part(settings, argument) for argument in arguments]
        for image, label in (part[0] for part in parts[:1]):
            # Labels may also be numbers of numpy or torch.
            int(label)
            if not isinstance(image, Image.Image):
                raise TypeError(f"its images are of the type {type(image).__name__}")
    except (TypeError, ValueError, AttributeError, ImportError, NotImplementedError) as error:
        raise ValueError(
            f"dataset.name: {name} cannot be used, since its items are not an image and one label "
            f"({type(error).__name__}: {error}); choose another one"
        ) from error
    except (OSError, RuntimeError, EOFError, zlib.error) as error:
        expected = "in the folders that docs/your-images.md names"
        if name in OF_FOUR_FILES:
            expected = f"as {name}/raw/ with {', '.join(_four_files(name))}, packed (.gz) or not"
        remedy = "set dataset.download to true"
        if settings["download"]:
            remedy = "delete the damaged files to download them again"
        raise ValueError(
            f"dataset.root: torchvision cannot read {name} in "
            f"{path_of(settings['root']).resolve()} ({type(error).__name__}: {error}); set "
            f"dataset.root to the folder that holds it, {expected}; or, with an internet "
            f"connection, {remedy}"
        ) from error
    return parts


def _part(settings: Mapping[str, Any], argument: Mapping[str, Any]) -> Any:
    """A part of a dataset, downloaded if it is missing and downloads are allowed."""
    name, root = settings["name"], path_of(settings["root"])
    dataset = getattr(datasets, name)
    parameters = inspect.signature(dataset).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    with _unpacked(root, name) if name in OF_FOUR_FILES else nullcontext(root) as folder:
        given = {**argument, **({"root": folder} if "root" in parameters else {})}
        if "download" not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            return dataset(**given)
        try:
            # Without download first, since some datasets refuse it if the data exist already.
            return dataset(**given, download=False)
        except (OSError, RuntimeError):
            if not settings["download"]:
                raise
            return dataset(**given, download=True)


def _four_files(name: str) -> list[str]:
    return [file.removesuffix(".gz") for file, _ in getattr(datasets, name).resources]


@contextmanager
def _unpacked(root: Path, name: str) -> Iterator[Path]:
    """The root in which torchvision finds the four files of a dataset. It is temporary if these,
    packed or not, are in a folder with the dataset's name (`fashion-mnist`), e.g. the root."""
    found = {
        file.name.removesuffix(".gz"): file
        # The root may be ".".
        for folder in (root.absolute(), *root.glob("*"))
        if re.sub("[^a-z0-9]", "", folder.name.lower()) == name.lower()
        for file in folder.rglob("*-ubyte*")
    }
    wanted = _four_files(name)
    if not found.keys() >= set(wanted):
        yield root
        return
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder, name, "raw")
        unpacked.mkdir(parents=True)
        for file in wanted:
            packed = gzip.open if found[file].suffix == ".gz" else open
            with packed(found[file], "rb") as content, (unpacked / file).open("wb") as written:
                shutil.copyfileobj(content, written)
        yield Path(folder)


def _list_of(dataset: Any, attributes: Sequence[str]) -> list[Any] | None:
    """The value of the first of these attributes that is a list with an entry for each image."""
    lists = (getattr(dataset, attribute, None) for attribute in attributes)
    return next((e for e in lists if isinstance(e, list) and len(e) == len(dataset)), None)


def _labels(dataset: Any) -> list[int]:
    """The label of each image; if the dataset has no list of labels, each image is read."""
    for attribute in LABELS:
        labels = np.asarray(getattr(dataset, attribute, []))
        if labels.shape == (len(dataset),) and np.issubdtype(labels.dtype, np.integer):
            return labels.tolist()
    samples = _list_of(dataset, SAMPLES) or (dataset[row] for row in range(len(dataset)))
    return [int(label) for _, label in samples]


def _files(dataset: Any) -> list[str] | None:
    samples = _list_of(dataset, SAMPLES) or []
    files = _list_of(dataset, ["_image_files"]) or [file for file, _ in samples]
    return [str(file) for file in files] if files and isinstance(files[0], str | Path) else None
