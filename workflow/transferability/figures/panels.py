"""What goes into one panel: networks that may be averaged, their means and their intervals."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from transferability.effects import EXCHANGEABLE, checked, size_order
from transferability.figures.style import WIDTH
from transferability.intervals import (
    CONFIDENCE,
    NO_INTERVAL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    REPLICATE,
    mean_over_replicates,
)

# What the intervals of `means` are.
T_INTERVALS = "t intervals over splits, or over seeds where there is one split"
TREATMENT = ["kind", "fine_tuned"]


class Panel(NamedTuple):
    """Rows of one kind of split, one target size and, but on random splits, one target."""

    split_kind: str
    pool: str
    target_size: str
    rows: pd.DataFrame
    replicates: int

    @property
    def place(self) -> str:
        """Where its networks were trained, in words."""
        words = [f"{self.split_kind} split"]
        words += [f"target {self.pool}"] if self.pool else []
        words += [f"{self.target_size} images a class"] if self.target_size != "all" else []
        return ", ".join(words)

    @property
    def title(self) -> str:
        """Place and number of replicates, in two lines."""
        return f"{self.place}\n{self.replicates} replicate{'s' if self.replicates > 1 else ''}"


def trained(networks: pd.DataFrame, kinds: set[str] | None = None) -> pd.DataFrame:
    """The checked table, of these kinds or of all, without the bases of halves on which nothing
    else was trained: those are there as sources only."""
    table = checked(networks)
    table = table[table["kind"].isin(kinds)] if kinds else table
    cell = ["split", "seed", "target", "target_size"]
    is_target = (table["kind"] != "base").groupby([table[column] for column in cell])
    return table[is_target.transform("any")]


def panels_of(table: pd.DataFrame) -> list[Panel]:
    """The panels of a table of networks or of effects: random splits first, small sizes first."""
    pool = table["target"].where(table["split_kind"] != EXCHANGEABLE, "")
    keyed = table.assign(
        pool=pool,
        size=size_order(table["target_size"].astype(str)),
        late=table["split_kind"] != EXCHANGEABLE,
    )
    panels = []
    by = ["size", "late", "split_kind", "pool"]
    for (_, _, split_kind, target, *_), rows in keyed.groupby(by):
        if "replicates" in rows:
            replicates = rows["replicates"].max()
        else:
            replicates = len(rows[REPLICATE].drop_duplicates())
        size = str(rows["target_size"].iloc[0])
        panels.append(Panel(split_kind, target, size, rows, int(replicates)))
    return panels


def panel_grid(panels: list[Panel], height: float, top: float) -> tuple[Figure, list[Axes]]:
    """A figure with an axes for each panel: a row for each target size where there are several
    kinds of splits. `height` is that of a row, `top` what all rows share, in inches."""
    places = {(panel.split_kind, panel.pool) for panel in panels}
    columns = min(3, len(places) if len(places) > 1 else len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(WIDTH, top + height * rows), layout="constrained")
    grid = figure.subplots(
        rows, columns, squeeze=False, sharey="row" if len(places) > 1 else False
    ).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure, list(grid[: len(panels)])


def means(rows: pd.DataFrame, value: str, also: tuple[str, ...] = ()) -> pd.DataFrame:
    """Mean of `value` over replicates for each treatment, n and `also`, with its t interval."""
    return mean_over_replicates(rows.dropna(subset=value), [*TREATMENT, "n", *also], value)


def reach(table: pd.DataFrame) -> np.ndarray:
    """2 × rows: how far each interval reaches below and above its mean."""
    # Equal replicates give an interval of no width, whose ends rounding may turn about.
    return np.clip([table["mean"] - table["low"], table["high"] - table["mean"]], 0, None)


def wilson(top1: pd.Series, images: pd.Series) -> np.ndarray:
    """2 × networks: how far the 95 % Wilson interval of each top-1 reaches below and above it.

    NaN where the number of validation images is not known.
    """
    apart = np.full((2, len(top1)), np.nan)
    for place, (score, count) in enumerate(zip(top1, images, strict=True)):
        if pd.notna(count):
            test = stats.binomtest(round(score * count), int(count))
            interval = test.proportion_ci(CONFIDENCE, method="wilson")
            apart[:, place] = score - interval.low, interval.high - score
    # A score that is a mean of several evaluations can lie off a whole number of images.
    return np.clip(apart, 0, None)


def target_words(panels: list[Panel]) -> str:
    """A sentence that says what A and B stand for in a legend that serves every panel."""
    if any(panel.pool == "A" for panel in panels):
        return (
            "In the legend B stands for the target half and A for the other, in panels of target A "
            "too."
        )
    if any(panel.rows["target"].isin(["A", "A+B"]).any() for panel in panels):
        return "B stands for the target half, A for the other."
    return ""


def interval_words(intervals: pd.Series, shape: str) -> str:
    """A sentence that says what the intervals of a table of effects are."""
    words = {
        OVER_SPLITS: "t intervals over splits",
        OVER_SEEDS: "t intervals over the seeds of one split, which hold for that split alone",
        OVER_IMAGES: (
            "paired bootstrap intervals over validation images where there is one replicate "
            "(narrower than the truth: they know nothing of training noise)"
        ),
    }
    kinds = [text for kind, text in words.items() if (intervals == kind).any()]
    if not kinds:
        return "One replicate and no predictions: no intervals."
    if (intervals == NO_INTERVAL).any():
        kinds.append("none for means of one replicate without predictions")
    return f"{shape}: 95 % {'; '.join(kinds)}."
