"""The published networks of 2014 as a table of networks, so that the same analysis reads them."""

import logging
from pathlib import Path

import pandas as pd

from transferability.analysis.collect import COLUMNS, whole_numbers
from transferability.study.networks import ALL_IMAGES, HALVES

logger = logging.getLogger(__name__)

# Each network was trained once.
SEED = 0
VALIDATION_IMAGES_PER_CLASS = 50
# What the published table has beside the columns of a study's.
ALSO = ["directory", "iterations", "evaluations"]


def read(study: str, networks: Path, class_splits: Path) -> pd.DataFrame:
    """The published networks as a study of that name, a row for each published directory.

    Columns: those of a study's networks.csv, empty where nothing was published, and directory
    (where the row comes from), iterations, evaluations. A network whose log was not published has
    no top1. Base networks on fewer images a class (`reduced`) are bases with that target_size.
    validation_images are 50 for each class of the target, by `class_splits`.

    Raises ValueError when a file lacks a column. Source: github.com/yosinski/convnet_transfer.
    """
    table = _read(networks, ["split", "network", "kind", "target", "n", "top1", *ALSO])
    halves = _read(class_splits, ["wnid"])
    reduced = table["kind"] == "reduced"
    table = table.assign(
        study=study,
        seed=SEED,
        kind=table["kind"].mask(reduced, "base"),
        target_size=table["examples_per_class"]
        .astype("Int64")
        .astype(str)
        .where(reduced, ALL_IMAGES),
        validation_images=[
            VALIDATION_IMAGES_PER_CLASS * _classes(halves, split, target)
            for split, target in zip(table["split"], table["target"], strict=True)
        ],
    )
    logger.info(
        "%d published networks; %d of them have no log, and so no top1",
        len(table),
        table["top1"].isna().sum(),
    )
    return whole_numbers(table.reindex(columns=[*COLUMNS, *ALSO]))


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    table = pd.read_csv(path, dtype={"source": str})
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(
            f"{path}: lacks the columns {', '.join(missing)}; take the file from the project again"
        )
    return table


def _classes(halves: pd.DataFrame, split: str, target: str) -> int:
    """How many classes a target has."""
    return int((halves[split] == target).sum()) if target in HALVES else len(halves)
