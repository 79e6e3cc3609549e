"""Studies to draw, and what a drawn figure says and shows."""

from collections.abc import Callable
from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
from made_networks import correctness, networks
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from project import ROOT

from transferability import figures
from transferability.analysis.boost import boost
from transferability.analysis.collect import MEASURED, read_published
from transferability.analysis.effects import estimate

STUDIES = {
    "one replicate": {"noise": 0.002},
    "eight replicates": {
        "splits": ("random0", "random1", "random2", "random3"),
        "seeds": (0, 1),
        "noise": 0.004,
    },
    "both targets": {"targets": "AB", "layers": (0, 2, 7), "noise": 0.003},
    "dissimilar": {
        "splits": ("random0", "random1", "dissimilar"),
        "targets": "AB",
        "layers": (0, 1, 4, 7),
        "noise": 0.003,
    },
    "dissimilar alone": {"splits": ("dissimilar",), "layers": (1, 7)},
    "random and dissimilar": {"splits": ("random0", "dissimilar"), "layers": (1, 7)},
    "one n": {"layers": (3,), "splits": ("random0", "random1"), "noise": 0.002},
    "frozen alone": {"treatments": (("selffer", False), ("transfer", False))},
    "no selffer": {"treatments": (("transfer", False), ("transfer", True))},
    "random alone": {"treatments": (("random", False),)},
    "two sizes": {"target_sizes": ("100", "all"), "layers": (0, 1, 4, 7), "noise": 0.002},
}
FOUR_SPLITS = {
    "splits": ("random0", "random1", "random2", "random3"),
    "targets": "AB",
    "noise": 0.003,
}
DRAWN = ("transfer", "effects", "dissimilar", "learning_curves", "cost", "boost")
DATA = ROOT / "workflow" / "resources" / "yosinski2014"


@cache
def tables(study: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A made study's table of networks and its effects, bootstrapped over images in one study."""
    table = networks(**STUDIES[study])
    return table, estimate(table, correctness if study == "one replicate" else None)


@cache
def published_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The published table of networks and its effects."""
    table = read_published("yosinski2014", DATA / "networks.csv", DATA / "class_splits.csv")
    return table, estimate(table)


def without(table: pd.DataFrame, lost: Callable[[pd.DataFrame], pd.Series]) -> pd.DataFrame:
    """The table as a study writes it that leaves some networks out: listed, with nothing
    measured."""
    return table.mask(lost(table).to_numpy()[:, None] & table.columns.isin(MEASURED))


def evaluations_of(table: pd.DataFrame) -> pd.DataFrame:
    epochs = pd.DataFrame({"epoch": np.arange(1, 6)})
    told = table.dropna(subset="top1")[["split", "seed", "network", "top1"]]
    told = told.merge(epochs, how="cross")
    return told.assign(top1=told["top1"] * told["epoch"] / 5, train_loss=1 / told["epoch"])


def draw(name: str, table: pd.DataFrame, effects: pd.DataFrame) -> Figure:
    if name == "effects":
        return figures.effects(effects)
    if name == "boost":
        return figures.boost(boost(table))
    if name == "dissimilar":
        return figures.dissimilar(table, effects)
    if name == "learning_curves":
        return figures.learning_curves(table, evaluations_of(table))
    return getattr(figures, name)(table)


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text)).replace("\n", " ")


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left").replace("\n", ": ") for axes in figure.axes]


def lines(axes: Axes, label: str) -> list[mpl.lines.Line2D]:
    """The lines with a label, with or without interval bars."""
    with_bars = [drawn.lines[0] for drawn in axes.containers if drawn.get_label() == label]
    return with_bars + [line for line in axes.get_lines() if line.get_label() == label]


def line(axes: Axes, label: str) -> np.ndarray:
    (found,) = lines(axes, label)
    return np.asarray(found.get_ydata(), dtype=float)


def bars(axes: Axes) -> list[np.ndarray]:
    return [
        segment[:, 1]
        for container in axes.containers
        for segment in container.lines[2][0].get_segments()
    ]


def labelled(axes: Axes, label: str) -> list[mpl.artist.Artist]:
    return axes.findobj(lambda artist: artist.get_label() == label)
