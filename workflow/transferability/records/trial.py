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
    return {k: _speed(checked, classes, k, seconds) for k in sorted(frozen)}


def _speed(checked: dict, classes: int, frozen: int, seconds: float) -> Speed:
    run = on_noise(checked, classes, frozen)
    count = len(run.learned)
    made = 2 * count / run.seconds if run.layers is not run.network else None
    # The first step makes what the others find.
    loop.train_one_epoch(run, 0.0)
    images, before = run.images_seen, run.seconds
    end = time.monotonic() + seconds
    while run.images_seen == images or time.monotonic() < end:
        loop.train_one_epoch(run, end)
    start = time.perf_counter()
    loop.evaluate(run)
    evaluated = count / (time.perf_counter() - start)
    return Speed((run.images_seen - images) / (run.seconds - before), evaluated, made)


def on_noise(checked: dict, classes: int, frozen: int) -> Trainer:
    """A training of a study's network with so many frozen layers that never ends and keeps nothing,
    on images that mean nothing, as features where frozen layers always give the same."""
    recipe = {**checked["recipe"], "iterations": ENDLESS, "evaluate_every": ENDLESS}
    device = devices.choose_device(recipe["device"])
    precision = devices.choose_precision(recipe["precision"], device)
    devices.use_precision(precision)
    stored = (checked["dataset"]["image_size"],) * 2
    name = f"R{frozen}B" if frozen else "baseB"
    task = TrainingSpec.of(name, "random0", 0, checked["architecture"], recipe)
    stream = Stream(task.stream, task.split, task.seed, task.target)
    pixels = recipe["crop"] or stored[0]
    network = transplant.initialised(task.architecture, pixels, classes, stream)
    network.to(device, memory_format=devices.memory_format(device))
    transplant.freeze(network[:frozen])
    preprocess = Preprocessing(recipe, stored, _statistics(recipe["normalise"], stored), device)
    run = Trainer(network, task, preprocess, precision, stream)
    noise = _noise(run, checked, classes)
    run.take(noise, noise)
    return run


def _statistics(normalise: str, stored: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Those that `recipe.normalise` needs, as noise has them."""
    mean = torch.full((*stored, 3) if normalise == "mean_image" else (3,), 127.5)
    return {"mean": mean, "std": torch.full((3,), 74.0)}


def _noise(run: Trainer, checked: dict, classes: int) -> ImageSet:
    """Images to learn from, and to classify."""
    size = checked["dataset"]["image_size"]
    steps = BATCHES
    if run.device.type == "cuda":
        room = devices.room_for_images(run.device) // (3 * size**2 * run.recipe["batch_size"])
        steps = min(max(BATCHES, room), ON_A_GPU)
    count = steps * run.recipe["batch_size"]
    pixels = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, device=run.device)
    labels = torch.arange(count, device=run.device) % classes
    return ImageSet(Resident(pixels), labels, np.arange(count), np.arange(classes))
