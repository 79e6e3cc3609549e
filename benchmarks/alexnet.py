"""How fast AlexNet trains on photographs, against a plain loop.

    python benchmarks/alexnet.py

Both train torchvision's AlexNet at 224 × 224 on the same JPEGs of 500 × 375, in batches of 128, for
whole epochs: `training.train` from the store, and a loop like torchvision's reference script
(ImageFolder through a DataLoader of 2 processes, SGD, fp32). Both augment with a random resized
crop and mirroring. Images per second are measured over the epochs; processor time includes start
and evaluation. To show the cost of loading, the plain loop also runs from a batch in memory.
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import loading
import machine
import photographs
import preparation
import torch
import turns
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.models import alexnet

from transferability.images import class_splits
from transferability.images.store import open_store
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config
from transferability.study.networks import TrainingSpec
from transferability.training import loop

BATCH, CROP = loading.BATCH, loading.CROP
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 1e-4
ARCHITECTURE = {"name": "torchvision", "model": "alexnet"}


def recipe(epochs: int, precision: str) -> dict:
    """A recipe with the settings of the plain loop; precision is auto or fp32."""
    given = {
        **{"epochs": epochs, "evaluate_every": epochs, "batch_size": BATCH, "crop": CROP},
        **{
            "augment": ["random_resized_crop", "horizontal_flip"],
            "precision": precision,
            "device": "cpu",
        },
        **{"learning_rate": LEARNING_RATE, "momentum": MOMENTUM, "nesterov": False},
        **{"weight_decay": WEIGHT_DECAY, "decay_biases": True, "schedule": "step", "warmup": 0},
    }
    dataset = {"image_size": preparation.STORED}
    return config.complete({"dataset": dataset, "recipe": given})["recipe"]


def train(store: Path, split: Path, folder: Path, wanted: dict) -> float:
    """Seconds that the epochs of a training by this project take."""
    task = TrainingSpec.of("baseB", split.stem, 0, ARCHITECTURE, wanted)
    metrics = loop.train(task, store, split, None, NetworkFolder(folder), "code", False)
    NetworkFolder(folder).remove_resume()
    return metrics["seconds"]


def train_plainly(batches: Iterable, classes: int, epochs: int) -> float:
    """Seconds that the epochs of a plain loop over batches of images and labels take."""
    model = alexnet(num_classes=classes).train()
    optimizer = torch.optim.SGD(
        model.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    start = time.perf_counter()
    for _ in range(epochs):
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4, help="steps in an epoch")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each training")
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many")
    flags = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(preparation.WORKERS)
    in_half = preparation.CLASSES // 2
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        photos, split = place / "photos", place / "random0.csv"
        # One image of each class is held back for validation.
        images_per_class = -(-flags.steps * BATCH // in_half) + 1
        photographs.write(photos, preparation.CLASSES, images_per_class, preparation.WORKERS)
        store = preparation.prepare(photos, place / "store", "warp")
        names = open_store(store).classes
        split_classes = {name: "B" if i < in_half else "A" for i, name in enumerate(names)}
        class_splits.write(split_classes, split)

        files = ImageFolder(photos, loading.augmented())
        learned = Subset(files, range(flags.steps * BATCH))
        loader = DataLoader(
            learned, BATCH, shuffle=True, num_workers=preparation.WORKERS, drop_last=True
        )
        ready = [(torch.randn(BATCH, 3, CROP, CROP), torch.arange(BATCH) % in_half)] * flags.steps
        actions: dict[str, turns.Action] = {
            f"this project, {precision}": lambda precision=precision: train(
                store, split, place / precision, recipe(flags.epochs, precision)
            )
            for precision in ("auto", "fp32")
        }
        actions["plain loop"] = lambda: train_plainly(loader, in_half, flags.epochs)
        actions["plain loop, without loading"] = lambda: train_plainly(ready, in_half, flags.epochs)
        print(machine.described())
        images = flags.epochs * flags.steps * BATCH
        print(
            f"AlexNet, {flags.epochs} epochs of {flags.steps} steps of {BATCH} images, "
            f"{preparation.WORKERS} threads, median of {flags.repeats}"
        )
        measured = turns.take_turns(actions, images, flags.repeats)
        turns.print_table("training", measured, "plain loop")


if __name__ == "__main__":
    main()
