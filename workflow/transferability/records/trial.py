"""How fast this machine trains, tried for a moment with images that mean nothing."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from transferability.study.networks import TrainingSpec
from transferability.training import device as devices
from transferability.training import loop, transplant
from transferability.training.data import ImageSet, Resident
from transferability.training.preprocessing import Preprocessing
from transferability.training.rng import Stream
from transferability.training.trainer import Trainer

ENDLESS = 10**9
BATCHES, ON_A_GPU = 2, 32
"""In an epoch of noise: more on a GPU, which would mostly wait for what comes between epochs."""


@dataclass(frozen=True)
class Speed:
    """How fast a network with so many frozen layers is: images a second that it learns from and
    that it classifies, and, where the frozen layers' features are computed once, of which these
    are made."""

    learned: float
    evaluated: float
    features: float | None = None


def speeds(checked: dict, classes: int, frozen: Iterable[int], seconds: float) -> dict[int, Speed]:
    """The speed of a study's networks by the number of their frozen layers, each tried for so many
    seconds, with the study's recipe."""
    measured = {}
    for k in sorted(frozen):
        run = on_noise(checked, classes, k)
        count = len(run.learned)
        features = 2 * count / run.seconds if run.layers is not run.network else None
        # The first step makes what the others find.
        loop.train_one_epoch(run, 0.0)
        images, before = run.images_seen, run.seconds
        end = time.monotonic() + seconds
        while run.images_seen == images or time.monotonic() < end:
            loop.train_one_epoch(run, end)
        learned = (run.images_seen - images) / (run.seconds - before)
        start = time.perf_counter()
        loop.evaluate(run)
        measured[k] = Speed(learned, count / (time.perf_counter() - start), features)
    return measured


def on_noise(checked: dict, classes: int, frozen: int) -> Trainer:
    """A training of a study's network with so many frozen layers that never ends and keeps nothing,
    on images that mean nothing, as features where frozen layers always give the same."""
    recipe = {**checked["recipe"], "iterations": ENDLESS, "evaluate_every": ENDLESS}
    device = devices.choose_device(recipe["device"])
    precision = devices.choose_precision(recipe["precision"], device)
    devices.use_precision(precision)
    size = checked["dataset"]["image_size"]
    name = f"R{frozen}B" if frozen else "baseB"
    task = TrainingSpec.of(name, "random0", 0, checked["architecture"], recipe)
    stream = Stream(task.stream, task.split, task.seed, task.target)
    network = transplant.initialised(task.architecture, recipe["crop"] or size, classes, stream)
    network.to(device, memory_format=devices.memory_format(device))
    transplant.freeze(network[:frozen])
    # About those of noise.
    mean = torch.full((size, size, 3) if recipe["normalise"] == "mean_image" else (3,), 127.5)
    statistics = {"mean": mean, "std": torch.full((3,), 74.0)}
    preprocess = Preprocessing(recipe, (size, size), statistics, device)
    run = Trainer(network, task, preprocess, precision, stream)
    steps = BATCHES
    if device.type == "cuda":
        room = devices.room_for_images(device) // (3 * size**2 * recipe["batch_size"])
        steps = min(max(BATCHES, room), ON_A_GPU)
    count = steps * recipe["batch_size"]
    images = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, device=device)
    labels = torch.arange(count, device=device) % classes
    noise = ImageSet(Resident(images), labels, np.arange(count), np.arange(classes))
    run.take(noise, noise)
    return run
