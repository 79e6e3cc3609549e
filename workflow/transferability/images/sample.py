"""A few images of each class of a dataset, to test a study before all images are read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from transferability import images
from transferability.images import STORES, ImageSource, Item, source_module, store, store_name

FEWEST = 4
"""The smallest number of images of a class in a sample, for training and for validation."""


def listed(settings: Mapping[str, Any]) -> ImageSource:
    """All images of a dataset, from its store or, if there is none yet, from its source.

    Raises ValueError if the source cannot be read, StoreError if the store is damaged.
    """
    folder = STORES / store_name(settings)
    if not (folder / store.MANIFEST).is_file():
        return source_module(settings["source"]).read(settings)
    opened = store.open_store(folder)
    train, validation = opened.train_images, opened.validation_images

    def load(place: int) -> np.ndarray:
        # Validation images are numbered after training images.
        return np.array(train[place] if place < len(train) else validation[place - len(train)])

    labels = np.concatenate([opened.train_labels, opened.validation_labels]).tolist()
    items = [(label, place) for place, label in enumerate(labels)]
    classes = list(zip(opened.classes, opened.groups, strict=True))
    parts = items[: len(train)], items[len(train) :]
    return ImageSource(classes, train.shape[1:3], *parts, load)


def size(settings: Mapping[str, Any]) -> images.Size:
    """The size of a dataset; the images are listed if store and source do not give it."""
    try:
        return images.size(settings)
    except ValueError as unknown:
        try:
            content = listed({**settings, "download": False})
        except ValueError as error:
            # If the dataset may be downloaded, it need not exist yet.
            raise unknown if settings.get("download") else error from None
        return images.Size(*map(len, (content.classes, content.train, content.validation)))


def counts(source: ImageSource) -> list[tuple[int, int]]:
    """The numbers of training and validation images of each class, in the order of the labels."""
    of_parts = (
        np.bincount([label for label, _ in part], minlength=len(source.classes)) * each
        for part, each in zip((source.train, source.validation), source.per_item, strict=True)
    )
    return list(zip(*(of_part.tolist() for of_part in of_parts), strict=True))


def few(source: ImageSource, settings: Mapping[str, Any], least: int) -> ImageSource:
    """A sample of at least `least` training images of the source, the same number for each class,
    and half of this number for validation. Each class has at least FEWEST images in each part,
    since an image may be damaged, or all its images if it has fewer."""
    per_class = -(-least // len(source.classes))
    wanted = max(FEWEST, per_class), max(FEWEST, per_class // 2)
    if max(source.per_item) == 1:
        parts = zip((source.train, source.validation), wanted, strict=True)
        train, validation = (_of_each_class(items, count) for items, count in parts)
        return replace(source, train=train, validation=validation)
    # Here one item has all images of a class, so fewer are drawn.
    keys = ("images_per_class", "validation_images_per_class")
    fewer = {key: min(settings[key], count) for key, count in zip(keys, wanted, strict=True)}
    return source_module(settings["source"]).read({**settings, **fewer})


def _of_each_class(items: Sequence[tuple[int, Item]], count: int) -> list[tuple[int, Item]]:
    """At most `count` items of each label, evenly spread over the items of the label."""
    chosen = []
    for _, of_class in groupby(items, itemgetter(0)):
        listed = list(of_class)
        number = min(count, len(listed))
        chosen += [listed[k * len(listed) // number] for k in range(number)]
    return chosen
