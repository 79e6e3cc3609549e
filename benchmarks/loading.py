"""How fast images are loaded for a training, from the store and from JPEGs.

    python benchmarks/loading.py

2,000 JPEGs of 500 × 375 pixels are read into a store of 256 × 256. Then, in turns, an epoch of
batches (random resized crop of 224 × 224, mirrored, normalised) is loaded from the store, in memory
and mapped from the disk, and by torchvision's ImageFolder through a DataLoader of 2 processes, as
in torchvision's reference script. ImageFolder also loads an epoch of images that are only decoded.
The goal is 10 times the images per second of ImageFolder.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import machine
import photographs
import preparation
import torch
import turns
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from transferability.images.store import Store, open_store
from transferability.training import data, preprocessing
from transferability.training.augmentation import Augmentation
from transferability.training.rng import Stream

GOAL = 10.0
BATCH, CROP = 128, 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def epoch_from_store(store: Store, recipe: dict, room: int) -> Callable[[], None]:
    """An epoch of the training images as a training reads them; they are kept in memory if they
    fit into `room` bytes."""
    device, stream = torch.device("cpu"), Stream("base", "random0", 0, "B")
    classes = range(len(store.classes))
    images = data.image_set(store.train_images, store.train_labels, classes, device, room)
    stored, recipe = store.train_images.shape[1:3], {**recipe, "normalise": "channels"}
    statistics = preprocessing.statistics("channels", store, images.indices)
    preprocess = preprocessing.Preprocessing(recipe, stored, statistics, device)

    def epoch() -> None:
        augment = Augmentation(recipe, stored, len(images), stream, 0, device)
        for batch, _, first in data.shuffled(images, BATCH, stream, 0):
            preprocess(batch, augment, first)

    return epoch


def augmented() -> transforms.Compose:
    """The transforms of a decoded image in torchvision's reference script."""
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(CROP),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, DEVIATION),
        ]
    )


def nothing(_: object) -> torch.Tensor:
    """An empty tensor instead of a decoded image."""
    return torch.empty(0)


def epoch_from_files(photos: Path, transform: Callable) -> Callable[[], None]:
    """An epoch as torchvision's reference script loads it."""
    images = ImageFolder(photos, transform)
    loader = DataLoader(
        images, BATCH, shuffle=True, num_workers=preparation.WORKERS, drop_last=True
    )

    def epoch() -> None:
        for _ in loader:
            pass

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="JPEGs, about so many")
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many")
    flags = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(preparation.WORKERS)
    with tempfile.TemporaryDirectory() as temporary:
        photos = Path(temporary, "photos")
        sizes = photographs.write(
            photos, preparation.CLASSES, flags.images // preparation.CLASSES, preparation.WORKERS
        )
        store = open_store(preparation.prepare(photos, Path(temporary, "store"), "warp"))
        print(machine.described())
        print(
            f"{photographs.described(sizes)}; {preparation.WORKERS} threads or processes, batches "
            f"of {BATCH}, median of {flags.repeats}"
        )
        recipe = {"augment": ["random_resized_crop", "horizontal_flip"], "crop": CROP}
        in_memory = store.train_images.nbytes
        measured = turns.take_turns(
            {
                "store, in memory": epoch_from_store(store, recipe, in_memory),
                "store, mapped": epoch_from_store(store, recipe, 0),
                "store, in memory, augment: crop": epoch_from_store(
                    store, {**recipe, "augment": ["crop", "horizontal_flip"]}, in_memory
                ),
                "ImageFolder": epoch_from_files(photos, augmented()),
                "ImageFolder, decoding alone": epoch_from_files(photos, nothing),
            },
            len(store.train_labels) // BATCH * BATCH,
            flags.repeats,
        )
        turns.print_table("into the loop", measured, "ImageFolder")
        print(f"goal for the store: {GOAL:g} times as fast")


if __name__ == "__main__":
    main()
