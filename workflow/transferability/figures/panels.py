"""What goes into one panel: networks that may be averaged, their means and their intervals; and
where the panel stands."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from transferability.analysis.effects import EXCHANGEABLE, checked, size_order
from transferability.analysis.intervals import CONFIDENCE, REPLICATE, mean_over_replicates
from transferability.figures.options import layout_width
from transferability.figures.style import counted

TREATMENT = ["kind", "fine_tuned"]
# Whose target is all classes of a dataset is on no half of a split.
ALL_CLASSES = "all"
# Inches: what a panel needs, and what it needs for names beside its lines.
NARROW, WIDE = 2.3, 5.5


class Panel(NamedTuple):
    """Rows of one kind of split, one target size and, but on random splits, one target.

    `replicates` are those of the mean that has most, `fewest` those of the one that has fewest.
    """

    split_kind: str
    pool: str
    target_size: str
    rows: pd.DataFrame
    replicates: int
    fewest: int

    @property
    def splits(self) -> str:
        """Its kind of split, in words."""
        return "all classes" if self.pool == ALL_CLASSES else f"{self.split_kind} split"

    @property
    def place(self) -> str:
        """Where its networks were trained, in words."""
        return ", ".join(self._words)

    @property
    def replicate_words(self) -> str:
        """How many replicates its means have."""
        return counted({self.fewest, self.replicates}, "replicate")

    @property
    def title(self) -> str:
        """Place and number of replicates, in lines that are short enough for a small panel."""
        half, *size = self._words
        return "\n".join([half, *size, self.replicate_words])

    @property
    def _words(self) -> list[str]:
        target = "" if self.pool in ("", ALL_CLASSES) else f", target {self.pool}"
        size = [] if self.target_size == "all" else [f"{self.target_size} images a class"]
        return [f"{self.splits}{target}", *size]


def trained(networks: pd.DataFrame, kinds: set[str] | None = None) -> pd.DataFrame:
    """The checked table, of these kinds or of all, without networks that have no score, and without
    the bases of halves on which nothing else was trained: those are there as sources only."""
    table = checked(networks).dropna(subset="top1")
    table = table[table["kind"].isin(kinds)] if kinds else table
    cell = ["split", "seed", "target", "target_size"]
    is_target = (table["kind"] != "base").groupby([table[column] for column in cell])
    return table[is_target.transform("any")]


def panels_of(table: pd.DataFrame) -> list[Panel]:
    """The panels of a table of networks, of effects or of boosts: random splits first, small sizes
    first."""
    pool = table["target"].where(table["split_kind"] != EXCHANGEABLE, "")
    keyed = table.assign(
        pool=pool,
        size=size_order(table["target_size"].astype(str)),
        late=table["split_kind"] != EXCHANGEABLE,
    )
    panels = []
    by = ["size", "late", "split_kind", "pool"]
    for (_, _, split_kind, target, *_), rows in keyed.groupby(by):
        averaged = "replicates" in rows
        replicates = rows["replicates"] if averaged else replicates_in(rows, [*TREATMENT, "n"])
        size = str(rows["target_size"].iloc[0])
        most, fewest = int(replicates.max()), int(replicates.min())
        panels.append(Panel(split_kind, target, size, rows, most, fewest))
    return panels


def replicates_in(networks: pd.DataFrame, by: list[str]) -> pd.Series:
    """How many replicates, (split, seed), each group of networks has."""
    return networks.drop_duplicates([*by, *REPLICATE]).groupby(by).size()


def panel_grid(
    panels: list[Panel], tall: float, small: float, top: float
) -> tuple[Figure, list[Axes]]:
    """A figure with an axes for each panel. Heights are in inches: `tall` of a panel that is as
    wide as the figure, `small` of a row of others, `top` of what all share.

    Where one target size has random splits and other places, random splits stand above, as wide as
    the figure. Several sizes have a row each. Random splits have a y axis of their own, since other
    places can lie far below; those of one size share theirs.
    """
    places = {(panel.split_kind, panel.pool) for panel in panels}
    one_size = len({panel.target_size for panel in panels}) == 1
    above = one_size and len(places) > 1 and panels[0].split_kind == EXCHANGEABLE
    others = panels[above:]
    width = layout_width()
    room = max(1, int(width / NARROW))
    columns = min(room, len(others) if one_size or len(places) == 1 else len(places))
    rows = math.ceil(len(others) / columns)
    heights = [tall] * above + [tall if columns == rows == 1 else small * rows]
    figure = Figure(figsize=(width, top + sum(heights)), layout="constrained")
    # Parts of their own, since the names beside the wide panel would narrow the panels below it.
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    grid = [parts[0].subplots()] if above else []
    cells = parts[-1].add_gridspec(rows, columns)
    leaders: dict[str, Axes] = {}
    for place, panel in enumerate(others):
        shares = len(places) > 1 and panel.split_kind != EXCHANGEABLE
        leader = leaders.get(panel.target_size) if shares else None
        axes = parts[-1].add_subplot(cells[place // columns, place % columns], sharey=leader)
        if shares:
            leaders.setdefault(panel.target_size, axes)
        if leader is not None and place % columns:
            axes.tick_params(labelleft=False)
        grid.append(axes)
    return figure, grid


def is_wide(axes: Axes) -> bool:
    """Whether a panel is as wide as a figure that has room for names beside the lines."""
    alone = axes.get_subplotspec().get_gridspec().ncols == 1
    return alone and axes.get_figure(root=True).get_figwidth() >= WIDE


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
