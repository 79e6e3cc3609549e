"""How close each part of a training comes to the limits of the machine.

    python benchmarks/ceilings.py                      studies/glyphs100.yaml, on one thread
    python benchmarks/ceilings.py studies/paper.yaml   any other, without its images

Two ceilings are measured in the same run: operations per second of a matrix product in the study's
precision, and bytes per second of a copy in memory. Steps and evaluations are compared with the
first, by the operations that torch counts. The conversion of images from bytes to the input of the
first layer is compared with the second, by the bytes that must be read and written.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import machine
import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability import models
from transferability.models import summary
from transferability.records import plan
from transferability.study import config
from transferability.training import data, loop, preprocessing
from transferability.training import device as devices
from transferability.training.augmentation import Augmentation
from transferability.training.data import ImageSet
from transferability.training.rng import Stream

SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Side of the square matrices that are multiplied."""

COPIED = 2**28
"""Number of bytes that are copied; far more than a processor's cache holds."""


def best_seconds(work: Callable[[], object], device: torch.device, repeats: int = 9) -> float:
    """The shortest time that some work takes, in seconds; the first repetition is not counted."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def product_ceiling(device: torch.device, precision: str) -> float:
    """Operations per second of a matrix product."""
    side, kind = SIDE[device.type], torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    return 2 * side**3 / best_seconds(lambda: one @ other, device)


def copy_ceiling(device: torch.device) -> float:
    """Bytes per second, read and written, of a copy."""
    source = torch.ones(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED / best_seconds(lambda: target.copy_(source), device)


def bytes_of_entry(checked: dict, device: torch.device, seconds: float) -> float:
    """Bytes per second, read and written, for shuffled batches, from stored bytes to the
    float32 input of the first layer."""
    size, recipe = checked["dataset"]["image_size"], checked["recipe"]
    count = max(recipe["batch_size"] * 4, 64 * 2**20 // (3 * size**2))
    stored = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, device=device)
    labels = torch.zeros(count, dtype=torch.int64, device=device)
    found = ImageSet(stored, labels, np.arange(count), np.arange(1))
    recipe = {**recipe, "normalise": "channels"}
    statistics = {"mean": torch.full((3,), 127.5), "std": torch.full((3,), 74.0)}
    preprocess = preprocessing.Preprocessing(recipe, (size, size), statistics, device)
    stream = Stream("treatment", "random0", 0, "B")
    augment = Augmentation(recipe, (size, size), count, stream, 0, device)
    steps = count // recipe["batch_size"]
    moved = 0

    def epoch() -> None:
        nonlocal moved
        for batch, _, first in data.shuffled(found, recipe["batch_size"], stream, 0):
            pixels = preprocess(batch, augment, first)
        moved = steps * (recipe["batch_size"] * 3 * size**2 + pixels.nbytes)

    repeats = max(1, round(seconds / best_seconds(epoch, device, 1)))
    return moved / best_seconds(epoch, device, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?", default=ROOT / "studies" / "glyphs100.yaml")
    parser.add_argument("--seconds", type=float, default=4.0, help="each part is tried for so long")
    parser.add_argument("--classes", type=int, default=50, help="of a half")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    devices.keep_freed()
    checked = config.read(flags.study)
    device = devices.choose_device(checked["recipe"]["device"])
    precision = devices.choose_precision(checked["recipe"]["precision"], device)
    pixels = checked["recipe"]["crop"] or checked["dataset"]["image_size"]
    settings = checked["architecture"]
    built = models.module(settings["name"]).build(settings, pixels, flags.classes)
    layers = summary.summarise(built, pixels)
    deepest = len(layers) - 1
    print(machine.described())
    print(f"{flags.study.name}: {settings['name']}, {devices.describe(device)}, {precision}")
    product = product_ceiling(device, precision)
    copy = copy_ceiling(device)
    print(f"a matrix product makes {product / 1e9:,.0f} thousand million operations a second")
    print(f"a copy reads and writes {copy / 1e9:,.1f} GB a second")
    base = plan.on_noise(checked, flags.classes)
    loop.train_one_epoch(base, 0.0)
    evaluated = len(base.learned) / best_seconds(lambda: loop.evaluate(base), device)
    learned = plan.measure_speed(checked, flags.classes, flags.seconds)
    rows = {
        "a step of a base": (learned, plan.to_learn(layers, 0)),
        "evaluation": (evaluated, plan.forward(layers)),
    }
    run = plan.on_noise(checked, flags.classes, deepest)
    if run.layers is not run.network:
        features = 2 * len(run.learned) / run.seconds
        rows["features of frozen layers"] = (features, plan.forward(layers[:deepest]))
    print(f"\n{'part':28}{'images/s':>12}{'operations':>14}{'of the ceiling':>16}")
    for part, (rate, operations) in rows.items():
        print(f"{part:28}{rate:12,.0f}{operations:14,}{rate * operations / product:16.2f}")
    moved = bytes_of_entry(checked, device, flags.seconds)
    print(f"{'images, from bytes to floats':28}{'':26}{moved / copy:16.2f} of the copy's bytes")


if __name__ == "__main__":
    main()
