"""A study's images and a split of its classes, made for a benchmark."""

import os
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability import images
from transferability.images import build, class_splits, store


def store_and_split(dataset: dict, place: Path) -> tuple[Path, Path]:
    """Write the image store for the section `dataset` of a study, and a random split of its
    classes, into a folder."""
    folder, split = place / "images", place / "splits" / "random0.csv"
    source = images.source_module(dataset["source"]).read(dataset)
    build.write_store(source, folder, dataset, os.cpu_count())
    class_splits.write(class_splits.draw_random(store.open_store(folder).classes, 0), split)
    return folder, split


def training(checked: dict, images: Path, split: Path, seed: int, to: Path) -> list[str]:
    """The arguments of `python -m transferability` that train a study's baseB with its recipe."""
    study = split.parent.parent / "study.yaml"
    study.write_text(yaml.safe_dump({**checked, "layers": [0], "overrides": []}), encoding="utf-8")
    return [
        *("train", "--study", str(study), "--split", split.stem, "--seed", str(seed)),
        *("--network", "baseB", "--images", str(images), "--to", str(to)),
    ]
