"""Trains networks in each process that torchrun starts, and writes their results.

python -m torch.distributed.run --nproc-per-node=2 tests/trained_together.py IMAGES SPLIT TO BASE
"""

import sys
from pathlib import Path

import torch
from laboratory import Laboratory
from timm.layers import BatchNormAct2d
from torch import nn

from transferability.storage.network_folder import NetworkFolder, Onlooker
from transferability.training import loop, processes

PLAIN = {"name": "small", "channels": [4] * 5, "units": [8, 8], "batch_norm": False, "dropout": 0.0}
NORMALISED = {**PLAIN, "batch_norm": True}
OWN = {"name": "custom", "build": "trained_together:build", "arguments": {}}
ONE_STEP = {"iterations": 1, "evaluate_every": 1}
AUGMENTED = {"augment": ["crop", "horizontal_flip", "colour_jitter"], "epochs": 1}
# A batch of 50 is not a multiple of 4.
CASES = {
    "step": ("baseA", PLAIN, ONE_STEP),
    "step-norm": ("baseA", NORMALISED, {**ONE_STEP, "batch_size": 50}),
    "epoch": ("baseA", PLAIN, AUGMENTED),
    "epoch-norm": ("baseA", NORMALISED, AUGMENTED),
    "own": ("baseA", OWN, AUGMENTED),
    "micro": ("baseA", NORMALISED, {**AUGMENTED, "micro_batch": 20}),
    "frozen": ("A3B", NORMALISED, AUGMENTED),
    "cached": ("A3B", NORMALISED, {"epochs": 1}),
    "fine-tuned": ("A3B+", NORMALISED, {**AUGMENTED, "clip_gradient_norm": 1.0}),
    "probing": ("A3B+", NORMALISED, {"epochs": 2, "probe_epochs": 1}),
    # Without biases before normalisation, for which AdamW's steps would be pure rounding.
    "adamw": ("baseA", PLAIN, {**AUGMENTED, "optimizer": "adamw", "learning_rate": 0.001}),
}


def build(image_size: int, classes: int) -> list[tuple[str, nn.Module]]:
    """An architecture with timm's normalisation, and with a parameter that it does not use."""
    first = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, bias=False), BatchNormAct2d(4)),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten()),
    )
    first.register_parameter("unused", nn.Parameter(torch.zeros(2)))
    return [("first", first), ("last", nn.Linear(16, classes))]


def train(laboratory: Laboratory, to: Path, base: Path) -> None:
    """Train each of these networks in a folder with its name; treatments copy from `base`."""
    for case, (network, architecture, recipe) in CASES.items():
        folder = Onlooker(to / case) if processes.rank() else NetworkFolder(to / case)
        metrics = loop.train(
            laboratory.task(network, recipe, architecture),
            images=laboratory.images,
            split=laboratory.split,
            base=None if network == "baseA" else base,
            folder=folder,
            code="code",
            keep_weights=True,
        )
        if metrics:
            folder.write_metrics(metrics)


if __name__ == "__main__":
    images, split, to, base = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    with processes.joined(torch.device("cpu")):
        train(Laboratory(images, split), to, base)
