"""Studies to draw, and what a drawn figure says and shows."""

from collections.abc import Callable
from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
from made_networks import FOUR_SPLITS, correctness, networks
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from project import ROOT

from transferability import figures
from transferability.analysis.boost import boost
from transferability.analysis.collect import MEASURED
from transferability.analysis.effects import estimate
from transferability.cli.tables import read_table
from transferability.figures.notes import names_of

STUDIES = {
    "one replicate": {"noise": 0.002},
    "four splits": {"splits": FOUR_SPLITS, "targets": "AB", "noise": 0.004},
    "dissimilar": {
        "splits": ("random0", "random1", "dissimilar"),
        "targets": "AB",
        "layers": (0, 1, 4, 7),
        "noise": 0.003,
    },
    "one n": {"layers": (3,), "splits": ("random0", "random1"), "noise": 0.002},
    "no selffer": {"treatments": (("transfer", False), ("transfer", True))},
    "random alone": {"treatments": (("random", False),)},
    "two sizes": {"target_sizes": ("100", "all"), "layers": (0, 1, 4, 7), "noise": 0.002},
    "did not learn": {"splits": FOUR_SPLITS, "layers": (0, 1, 4, 7), "noise": 0.003},
    "nothing learned": {"layers": (0, 1, 7)},
}
FAILED = ("random1/seed0/baseB", "random2/seed0/A4B", "random0/seed0/B0B", "random3/seed0/B7B+")
DRAWN = ("transfer", "random_features", "effects", "dissimilar", "learning_curves", "cost", "boost")
PUBLISHED = ROOT / "workflow" / "resources" / "yosinski2014" / "networks.csv"


@cache
def tables(study: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A made study's table of networks and its effects, bootstrapped over images in one study."""
    table = networks(**STUDIES[study])
    failed = (
        names_of(table).isin(FAILED) if study == "did not learn" else study == "nothing learned"
    )
    table["learned"] &= ~failed
    table["top1"] = table["top1"].where(table["learned"], table["chance"])
    return table, estimate(table, correctness if study == "one replicate" else None)


@cache
def published_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The published table of networks and its effects."""
    table = read_table(PUBLISHED)
    return table, estimate(table)


def without(table: pd.DataFrame, lost: Callable[[pd.DataFrame], pd.Series]) -> pd.DataFrame:
    """The table as a study writes it that leaves some networks out: listed, with nothing
    measured."""
    return table.mask(lost(table).to_numpy()[:, None] & table.columns.isin(MEASURED))


def evaluations_of(table: pd.DataFrame) -> pd.DataFrame:
    epochs = pd.DataFrame({"epoch": np.arange(1, 6)})
    curves = table.dropna(subset="top1")[["split", "seed", "network", "top1"]]
    curves = curves.merge(epochs, how="cross")
    return curves.assign(top1=curves["top1"] * curves["epoch"] / 5, train_loss=1 / curves["epoch"])


def draw(name: str, table: pd.DataFrame, effects: pd.DataFrame) -> Figure:
    inputs = {
        "effects": [effects],
        "dissimilar": [effects],
        "data_size": [effects],
        "boost": [boost(table)],
        "learning_curves": [table, evaluations_of(table)],
    }
    return getattr(figures, name)(*inputs.get(name, [table]))


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text)).replace("\n", " ")


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left").replace("\n", ", ") for axes in figure.axes]


def lines(axes: Axes, label: str) -> list[mpl.lines.Line2D]:
    """The lines with a label, with or without interval bars."""
    with_bars = [drawn.lines[0] for drawn in axes.containers if drawn.get_label() == label]
    return with_bars + [line for line in axes.get_lines() if line.get_label() == label]


def line(axes: Axes, label: str) -> np.ndarray:
    (found,) = lines(axes, label)
    return np.asarray(found.get_ydata(), dtype=float)


def bars(axes: Axes) -> np.ndarray:
    """bars × 2: both ends of each vertical interval bar."""
    segments = [bar for drawn in axes.containers for bar in drawn.lines[2][0].get_segments()]
    return np.array([segment[:, 1] for segment in segments if len(segment)])


def crosses(axes: Axes) -> np.ndarray:
    """crosses × 2: where those stand that did not learn."""
    drawn = [np.array(line.get_data(), dtype=float).T for line in lines(axes, "did not learn")]
    return np.concatenate([np.empty((0, 2)), *drawn])
