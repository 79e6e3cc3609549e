"""Predicts what a study needs before it runs: networks, images, bytes, operations, hours.

The halves are assumed to be equal, each with half of the classes and of the images.
"""

import os
import time
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from transferability import images, models
from transferability.images import sample
from transferability.models import summary
from transferability.models.summary import LayerSummary
from transferability.records.board import duration
from transferability.study import design, targets
from transferability.study.design import Study
from transferability.study.networks import ALL_IMAGES, HALVES, TrainingSpec, parse_name
from transferability.training import data, loop, transplant
from transferability.training import device as devices
from transferability.training.preprocessing import Preprocessing
from transferability.training.rng import Stream
from transferability.training.trainer import Trainer

COLUMNS = ("kind", "networks", "learned", "evaluated", "operations")
WIDTH = 100
HEADINGS = ("", "networks", "images to learn from", "to classify", "operations", "time")
BYTES_PER_PARAMETER = 4
BACKWARD = 2
"""Operations of the backward pass through a trained layer, in multiples of its forward pass: one
for the gradient of its parameters, one for that of its input."""
ENDLESS = 10**9
BATCHES = {"cpu": 2, "mps": 2, "cuda": 32}
"""Batches in an epoch of noise: more on a GPU, whose pauses between epochs weigh more."""


def show(study: Study, images_per_second: float | None, seconds: float) -> None:
    """Print the plan of a study. Times are for a network with all layers trained at
    `images_per_second` or, if this is None, at the speed of this machine in a trial of `seconds`.

    Raises ValueError if the number of images is not known.
    """
    console = Console(width=WIDTH, highlight=False)
    stores = {images.store_name(dataset): dataset for dataset in targets.datasets(study)}
    found = {name: sample.size(dataset) for name, dataset in stores.items()}
    size, pixels = found[images.store_name(study["dataset"])], study.input_size
    sizes = dict.fromkeys(HALVES, study.target_size(size))
    for letter, source in study["sources"].items():
        if source["dataset"]:
            sizes[letter] = found[images.store_name(source["dataset"])]
    module, classes = models.module(study["architecture"]["name"]), sizes["B"].classes
    built = module.build(study["architecture"], pixels, classes)
    layers = summary.summarise(built, pixels)
    device = devices.choose_device(study["recipe"]["device"])
    speed = images_per_second or measure_speed(study, classes, seconds)
    kinds = of_kinds(study, sizes, layers, speed)
    kinds.loc["all"] = kinds.sum()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for kind, *counts, operations, needed in kinds.itertuples():
        cells = [f"{count:,.0f}" for count in counts]
        table.add_row(kind, *cells, f"{operations:.2e}", duration(needed))
    parameters = sum(layer.parameters for layer in layers)
    counts = {name: of_store.train + of_store.validation for name, of_store in found.items()}
    stored = sum(3 * stores[name]["image_size"] ** 2 * count for name, count in counts.items())
    names = [name for *_, name in study.trained]
    kept = BYTES_PER_PARAMETER * parameters * sum(map(study.keeps_weights, names))
    console.print(f"study {study['study']}: {len(names):,} networks of {parameters:,} parameters\n")
    console.print(table)
    console.print(
        f"\ndisk: {decimal(stored)} for the store{'s' * (len(stores) > 1)} of "
        f"{sum(counts.values()):,} images, {decimal(kept)} for the weights that are kept\n"
        f"time: on one device, estimated from operations, at {speed:,.0f} images per second with "
        "all layers trained"
    )
    if images_per_second is None:
        at_once = torch.cuda.device_count() if device.type == "cuda" else 1
        if device.type == "cpu":
            at_once = os.cpu_count()
            # macOS does not have this function.
            if hasattr(os, "sched_getaffinity"):
                at_once = len(os.sched_getaffinity(0))
        console.print(
            f"measured on this machine ({devices.describe(device)}); {at_once} at once take "
            f"{duration(kinds.loc['all'].seconds / at_once)}"
        )
    if warning := design.few_steps(study, size):
        console.print(f"\n{warning}")


def of_kinds(
    study: Study,
    sizes: Mapping[str, images.Size],
    layers: Sequence[LayerSummary],
    images_per_second: float,
) -> pd.DataFrame:
    """A row for each kind of network of a study (base, long_base, selffer, …; selffer+ and
    transfer+ train all layers): the number of `networks`, of images `learned` from and `evaluated`,
    of `operations`, and `seconds` on a device that trains all layers with `images_per_second` and
    needs time in proportion to operations. `sizes` are those of the training data, by the target's
    letter."""
    rows = []
    for split, seed, name in study.trained:
        network, recipe = parse_name(name), study.recipe_of(split, seed, name)
        size, frozen = sizes[network.target], network.frozen_layers
        train, validation = size.train, size.validation
        if network.target_size != ALL_IMAGES:
            train = int(network.target_size) * size.classes
        learned = study.steps_of(split, seed, name, size) * min(recipe["batch_size"], train)
        evaluated = design.evaluations(recipe) * validation
        once = bool(frozen) and not recipe["augment"]
        operations = (
            learned * to_learn(layers, frozen, once)
            + evaluated * forward(layers[frozen if once else 0 :])
            + once * (train + validation) * forward(layers[:frozen])
        )
        rows.append((network.treatment, 1, learned, evaluated, float(operations)))
    kinds = pd.DataFrame(rows, columns=COLUMNS).groupby("kind", sort=False).sum()
    kinds["seconds"] = kinds["operations"] / (images_per_second * to_learn(layers, 0))
    return kinds


def forward(layers: Sequence[LayerSummary]) -> int:
    """Operations of the forward pass of one image through these layers."""
    return sum(layer.operations for layer in layers)


def to_learn(layers: Sequence[LayerSummary], frozen: int, from_features: bool = False) -> int:
    """Operations of training with one image: forward through all layers (from features, only the
    trained ones) and back through the trained ones. The first of these needs no input gradient."""
    learning = layers[frozen:]
    through = learning if from_features else layers
    return forward(through) + BACKWARD * forward(learning) - learning[0].operations


def measure_speed(study: Study, classes: int, seconds: float) -> float:
    """Images per second that a base of the study is trained with, from a trial of `seconds`."""
    run = on_noise(study, classes)
    # The first step also does setup, so it is not timed.
    loop.train_one_epoch(run, 0.0)
    seen, before = run.images_seen, run.seconds
    end = time.monotonic() + seconds
    while run.images_seen == seen or time.monotonic() < end:
        loop.train_one_epoch(run, end)
    return (run.images_seen - seen) / (run.seconds - before)


def on_noise(study: Study, classes: int, frozen: int = 0) -> Trainer:
    """An endless training of a study's network with `frozen` layers on images of random noise,
    which keeps nothing. It trains on features if the frozen layers always give the same output."""
    recipe = {**study["recipe"], "iterations": ENDLESS, "evaluate_every": ENDLESS}
    device = devices.choose_device(recipe["device"])
    precision = devices.choose_precision(recipe["precision"], device)
    devices.use_precision(precision)
    size = study["dataset"]["image_size"]
    name = f"R{frozen}B" if frozen else "baseB"
    task = TrainingSpec.of(name, "random0", 0, study["architecture"], recipe)
    network = transplant.initialised(task.architecture, study.input_size, classes, Stream.of(task))
    # About the mean and std of the noise.
    mean = torch.full((size, size, 3) if recipe["normalise"] == "mean_image" else (3,), 127.5)
    statistics = {"mean": mean, "std": torch.full((3,), 74.0)}
    preprocess = Preprocessing(recipe, (size, size), statistics, device)
    run = Trainer(network, task, preprocess, precision, device)
    count = BATCHES[device.type] * recipe["batch_size"]
    pixels = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, device=device)
    labels = torch.arange(count, device=device) % classes
    noise = data.ImageSet(pixels, labels, np.arange(count), np.arange(classes))
    run.take(noise, noise)
    return run
