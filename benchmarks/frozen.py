"""How much time freezing saves: seconds of AnB divided by seconds of baseB, n = 1…7.

    python benchmarks/frozen.py

Networks of studies/glyphs100.yaml are trained on one thread, for some epochs each, in turns. With
augmentation every image passes through the frozen layers each time, and the time should follow the
share of operations that remain. Without augmentation, features of frozen layers are computed once.
"""

import argparse
import logging
import statistics
import sys
import tempfile
from pathlib import Path

import drawn
import machine
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability import models
from transferability.models import summary
from transferability.records import plan
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config
from transferability.study.networks import TrainingSpec
from transferability.training import loop

AUGMENTED = ["crop", "horizontal_flip"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many")
    parser.add_argument("--epochs", type=int, default=4, help="of each training")
    flags = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    checked = config.read(ROOT / "studies" / "glyphs100.yaml")
    half, pixels = checked["dataset"]["classes"] // 2, checked["dataset"]["image_size"]
    built = models.module("small").build(checked["architecture"], pixels, half)
    layers = summary.summarise(built, pixels)
    print(machine.described())
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        images, split = drawn.store_and_split(checked["dataset"], place)

        def seconds(name: str, augment: list[str]) -> float:
            recipe = {
                **checked["recipe"],
                **{"epochs": flags.epochs, "evaluate_every": flags.epochs, "augment": augment},
            }
            task = TrainingSpec.of(name, "random0", 0, checked["architecture"], recipe)
            folder = NetworkFolder(Path(tempfile.mkdtemp(dir=place)))
            base = place / "baseA" / "weights.safetensors" if task.base else None
            metrics = loop.train(
                *(task, images, split, base, folder, "code"),
                keep_weights=name == "baseA",
            )
            if name == "baseA":
                folder.path.rename(place / "baseA")
            return metrics["seconds"]

        seconds("baseA", [])
        for augment in (AUGMENTED, []):
            taken: dict[int, list[float]] = {n: [] for n in range(len(layers))}
            for _ in range(flags.repeats):
                for n in taken:
                    taken[n].append(seconds(f"A{n}B" if n else "baseB", augment))
            print(f"\n{'with augmentation' if augment else 'without augmentation'}")
            print("  n  seconds  of baseB's  operations' share  time over share")
            for n, some in taken.items():
                ratio = statistics.median(a / b for a, b in zip(some, taken[0], strict=True))
                share = plan.to_learn(layers, n) / plan.to_learn(layers, 0)
                print(
                    f"{n:3}{statistics.median(some):9.2f}{ratio:12.3f}{share:19.3f}"
                    f"{ratio / share:17.2f}"
                )


if __name__ == "__main__":
    main()
