"""How long a small network takes to train, compared with a plain script.

    python benchmarks/training.py

BaseB of glyphs100 is trained by the command `train` and by a typical script, each timed from the
start of the process to the metrics. The script reads the same images as PNG files through
ImageFolder and a DataLoader of 2 processes, in fp32 and torch's default memory format, with the
same network, optimizer, learning rates and number of steps. Both use one core or, if there is a
GPU, the GPU and three cores, one for each process. `--cores 2` gives both a second core, which the
script's DataLoader then uses; `--no-amx` hides AMX from torch.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import drawn
import machine
import numpy as np
import turns
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.images import (
    class_splits,
    store,
)
from transferability.study import config
from transferability.training import device as devices

LOADERS = 2


def plain_script(photos: Path, settings: dict) -> None:
    """Train as a plain script does, and print the accuracy."""
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from transferability.models import small

    recipe = settings["recipe"]
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)]
    )
    loaders = {
        part: DataLoader(
            ImageFolder(photos / part, transform),
            recipe["batch_size"],
            shuffle=part == "train",
            drop_last=part == "train",
            num_workers=LOADERS,
            pin_memory=device.type == "cuda",
        )
        for part in store.PARTS
    }
    built = small.build(settings["architecture"], settings["image_size"], settings["classes"])
    model = nn.Sequential(*(layer for _, layer in built))
    model.apply(small.initialise)
    model.to(device)
    optimizer = torch.optim.SGD(
        model.parameters(),
        recipe["learning_rate"],
        momentum=recipe["momentum"],
        weight_decay=recipe["weight_decay"],
        nesterov=recipe["nesterov"],
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe["learning_rate"],
        total_steps=recipe["epochs"] * len(loaders["train"]),
        pct_start=recipe["warmup"],
        cycle_momentum=False,
    )
    for epoch in range(recipe["epochs"]):
        model.train()
        for images, labels in loaders["train"]:
            images, labels = images.to(device), labels.to(device)
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss.item()
        if (epoch + 1) % recipe["evaluate_every"] == 0 or epoch + 1 == recipe["epochs"]:
            model.eval()
            with torch.no_grad():
                right = sum(
                    (model(images.to(device)).argmax(1) == labels.to(device)).sum().item()
                    for images, labels in loaders["validation"]
                )
    print(json.dumps({"top1": right / len(loaders["validation"].dataset)}))


def write_files(opened: store.Store, half: list[str], folder: Path) -> None:
    """Write the images of some classes as PNG files, `<part>/<class>/<number>.png`."""
    arrays = {
        "train": (opened.train_images, opened.train_labels),
        "validation": (opened.validation_images, opened.validation_labels),
    }
    chosen = [index for index, name in enumerate(opened.classes) if name in set(half)]
    for part, (images, labels) in arrays.items():
        for index in chosen:
            place = folder / part / f"{index:04}"
            place.mkdir(parents=True)
            for number in np.flatnonzero(labels == index):
                Image.fromarray(images[number]).save(place / f"{number}.png")


def run(*arguments: object, environment: dict | None = None) -> str:
    """The output of a new Python process on one thread."""
    everything = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **(environment or {})}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, check=True, env=everything, capture_output=True, text=True)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many pairs")
    parser.add_argument("--epochs", type=int, help="instead of the study's")
    parser.add_argument("--cores", type=int, help="that each may use, instead of 1, or 3 by a GPU")
    parser.add_argument("--no-amx", action="store_true", help="hide AMX from torch, in both")
    parser.add_argument("--plainly", nargs=2, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.plainly:
        plain_script(Path(flags.plainly[0]), json.loads(flags.plainly[1]))
        return
    checked = config.read(ROOT / "studies" / "glyphs100.yaml")
    recipe = checked.recipe_of("random0", 0, "baseB")
    recipe["epochs"] = flags.epochs or recipe["epochs"]
    environment = {"OMP_NUM_THREADS": "1"}
    if flags.no_amx:
        # This hides AMX from oneDNN; our code then chooses fp32.
        environment["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE_BF16"
        recipe["precision"] = "fp32"
    on_gpu = devices.choose_device(recipe["device"]).type == "cuda"
    cores = flags.cores or (1 + LOADERS if on_gpu else 1)
    # Processes that are started from here on inherit it.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        images, split = drawn.store_and_split(checked["dataset"], place)
        opened = store.open_store(images)
        half = class_splits.read(split, opened.classes)["B"]
        write_files(opened, [opened.classes[index] for index in half], place / "photos")
        settings = {
            "recipe": recipe,
            "architecture": checked["architecture"],
            "image_size": checked["dataset"]["image_size"],
            "classes": len(half),
        }
        accuracies: dict[str, list[float]] = {"this project": [], "plain script": []}
        used: set[str] = set()

        def train() -> None:
            folder = Path(tempfile.mkdtemp(dir=place))
            command = drawn.training({**checked, "recipe": recipe}, images, split, 0, folder)
            run("-m", "transferability", *command, environment=environment)
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
            accuracies["this project"].append(metrics["top1"])
            used.add(f"{metrics['device']}, {metrics['precision']}")

        def train_plainly() -> None:
            said = run(
                *(__file__, "--plainly", place / "photos", json.dumps(settings)),
                environment=environment,
            )
            accuracies["plain script"].append(json.loads(said)["top1"])

        print(machine.described())
        seen = recipe["epochs"] * len(half) * checked["dataset"]["images_per_class"]
        measured = turns.take_turns(
            {"this project": train, "plain script": train_plainly}, seen, flags.repeats
        )
        title = f"from start to metrics, {cores} core{'s' * (cores > 1)}"
        turns.print_table(title, measured, "plain script")
        print(f"this project: on {', '.join(used)}")
        for name, found in accuracies.items():
            print(f"{name}: top-1 {min(found):.3f} to {max(found):.3f}")


if __name__ == "__main__":
    main()
