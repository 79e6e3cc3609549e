"""What goes into one panel and where it stands: networks that may be averaged, their means and
intervals."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint

from transferability.analysis.effects import EXCHANGEABLE, checked, size_order
from transferability.analysis.intervals import CONFIDENCE, REPLICATE, mean_over_replicates
from transferability.figures.style import layer_axis, new_figure, room

TREATMENT = ["kind", "fine_tuned"]
# The target of networks that are trained on all classes of a dataset.
ALL_CLASSES = "all"
# Inches that a panel needs.
NARROW = 2.3


def counted(numbers: Iterable[int], noun: str) -> str:
    """How many there are, or from how many to how many: `1 to 4 replicates`."""
    low, high = min(numbers), max(numbers)
    span = f"{low:,}" if low == high else f"{low:,} {'or' if high == low + 1 else 'to'} {high:,}"
    return f"{span} {noun}{'' if high == 1 else 's'}"


class Panel(NamedTuple):
    """Rows of one kind of split, one target size and, but on random splits, one target."""

    split_kind: str
    pool: str
    target_size: str
    rows: pd.DataFrame
    # Of the mean that has fewest, and of the one that has most.
    replicates: tuple[int, int]

    @property
    def splits(self) -> str:
        """Its kind of split, in words."""
        return "all classes" if self.pool == ALL_CLASSES else f"{self.split_kind} split"

    @property
    def place(self) -> str:
        """Where its networks were trained, in words."""
        target = "" if self.pool in ("", ALL_CLASSES) else f", target {self.pool}"
        size = "" if self.target_size == "all" else f", {self.target_size} images a class"
        return f"{self.splits}{target}{size}"

    @property
    def replicate_words(self) -> str:
        """How many replicates its means have."""
        return counted(self.replicates, "replicate")

    @property
    def title(self) -> str:
        """Place and number of replicates, in lines that are short enough for a small panel."""
        place = self.place.replace(f", {self.target_size} images", f"\n{self.target_size} images")
        return f"{place}\n{self.replicate_words}"


def trained(networks: pd.DataFrame, kinds: set[str] | None = None) -> pd.DataFrame:
    """The checked table, of these kinds or of all, without networks that have no score, and without
    the bases of halves on which nothing else was trained: those are there as sources only."""
    table = checked(networks).dropna(subset="top1")
    table = table[table["kind"].isin(kinds)] if kinds else table
    cell = ["split", "seed", "target", "target_size"]
    is_target = (table["kind"] != "base").groupby([table[column] for column in cell])
    return table[is_target.transform("any")]


def panels_of(table: pd.DataFrame, by_size: bool = True) -> list[Panel]:
    """The panels of a table of networks, of effects or of boosts: random splits first, small sizes
    first. Unless `by_size`, a panel holds the rows of all sizes."""
    keyed = table.assign(
        pool=table["target"].where(table["split_kind"] != EXCHANGEABLE, ""),
        size=size_order(table["target_size"].astype(str)) if by_size else 0,
        late=table["split_kind"] != EXCHANGEABLE,
    )
    panels = []
    for (_, _, split_kind, pool), rows in keyed.groupby(["size", "late", "split_kind", "pool"]):
        averaged = "replicates" in rows
        counts = rows["replicates"] if averaged else replicates_in(rows)
        size = str(rows["target_size"].iloc[0]) if by_size else "all"
        panels.append(Panel(split_kind, pool, size, rows, (int(counts.min()), int(counts.max()))))
    return panels


def replicates_in(networks: pd.DataFrame) -> pd.Series:
    """How many replicates, (split, seed), the networks of each treatment and n have."""
    by = [*TREATMENT, "n"]
    return networks.drop_duplicates([*by, *REPLICATE]).groupby(by).size()


def panel_grid(
    panels: list[Panel], ylabel: str, tall: float, small: float, top: float
) -> tuple[Figure, list[Axes]]:
    """A figure with axes against n for each panel. Heights are in inches: `tall` of a panel that is
    as wide as the figure and stands above or alone, `small` of other rows, `top` of what all share.

    Where one target size has random splits and other places, random splits stand above. Several
    sizes have a row each. Random splits have a y axis of their own, since other places can lie far
    below; those of one size share theirs.
    """
    one_size = len({panel.target_size for panel in panels}) == 1
    places = len({(panel.split_kind, panel.pool) for panel in panels})
    above = one_size and places > 1 and panels[0].split_kind == EXCHANGEABLE
    others = range(above, len(panels))
    columns = min(int(room() / NARROW) or 1, len(others) if one_size or places == 1 else places)
    rows = [[*others[start : start + columns]] for start in range(0, len(others), columns)]
    mosaic = [[0] * columns] if above else []
    mosaic += [[*row, *["."] * (columns - len(row))] for row in rows]
    heights = [small] * len(mosaic)
    if above or len(panels) == 1:
        heights[0] = tall
    figure = new_figure(top + sum(heights))
    of_place = figure.subplot_mosaic(mosaic, height_ratios=heights)
    grid = [of_place[place] for place in range(len(panels))]
    leaders: dict[str, Axes] = {}
    for axes, panel in zip(grid, panels, strict=True):
        is_first = axes.get_subplotspec().is_first_col()
        if places > 1 and panel.split_kind != EXCHANGEABLE:
            leader = leaders.setdefault(panel.target_size, axes)
            if axes is not leader:
                axes.sharey(leader)
                axes.tick_params(labelleft=is_first)
        axes.set_ylabel(ylabel if is_first else "")
        axes.set_title(panel.title)
        layer_axis(axes, panel.rows["n"])
    return figure, grid


def means(rows: pd.DataFrame, value: str, also: tuple[str, ...] = ()) -> pd.DataFrame:
    """Mean of `value` over replicates for each treatment, n and `also`, with its t interval."""
    return mean_over_replicates(rows.dropna(subset=value), [*TREATMENT, "n", *also], value)


def with_wilson(networks: pd.DataFrame) -> pd.DataFrame:
    """The networks with their top-1 as `mean` and its 95 % Wilson interval as `low` and `high`, NaN
    where the number of validation images is not known."""
    images = networks.get("validation_images", pd.Series(np.nan, networks.index)).astype(float)
    right = (networks["top1"] * images).round()
    low, high = proportion_confint(right, images, 1 - CONFIDENCE, method="wilson")
    return networks.assign(mean=networks["top1"], low=low, high=high)


def noise_width(rows: pd.DataFrame) -> pd.Series:
    """How far, in percentage points, B0B − baseB reaches to either side of zero at each target
    size, since its other sign was as likely; empty where there is none."""
    retraining = rows[rows["effect"] == "retraining"].set_index("target_size")
    # Without an interval the difference alone is left.
    return 100 * retraining[["mean", "low", "high"]].abs().max(axis=1)
