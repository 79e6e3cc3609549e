"""A study's images and a split of its classes, made for a benchmark."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability import classes, images  # noqa: E402
from transferability.images import store  # noqa: E402


def store_and_split(dataset: dict, place: Path) -> tuple[Path, Path]:
    """The image store of a study's section `dataset`, and a random split of its classes, in a
    folder."""
    folder, split = place / "images", place / "random0.csv"
    store.write(
        images.source_module(dataset["source"]).read(dataset, os.cpu_count()), folder, dataset
    )
    classes.write(classes.draw_random(store.open_store(folder).classes, 0), split)
    return folder, split
