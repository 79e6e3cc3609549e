"""What goes into one panel and where it stands: networks that may be averaged, their means and
intervals; and the sentences of the note on them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from statsmodels.stats.proportion import proportion_confint

from transferability.analysis.effects import EXCHANGEABLE, checked, joined, size_order
from transferability.analysis.intervals import (
    CONFIDENCE,
    NO_INTERVAL,
    OF_MODEL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    REPLICATE,
    UNPAIRED,
    mean_over_replicates,
)
from transferability.figures.style import INK, LOOKS, Look, new_figure, room, scaled

TREATMENT = ["kind", "fine_tuned"]
# The target of networks that are trained on all classes of a dataset.
ALL_CLASSES = "all"
# Inches that a panel needs.
NARROW = 2.3
# What the intervals of `means` are.
T_INTERVALS = "t intervals over splits, or over seeds where there is one split"
INTERVALS = {
    OVER_SPLITS: "t over splits",
    OVER_SEEDS: "t over the seeds of one split",
    OF_MODEL: "t of the linear model",
    OVER_IMAGES: "paired bootstrap over validation images (too narrow: without training noise)",
    UNPAIRED: "unpaired over validation images (without training noise)",
}
# The halves of published splits.
HALVES = {"natman": "A natural, B man-made"}


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
        counts = rows["replicates"] if averaged else replicates_in(rows, [*TREATMENT, "n"])
        size = str(rows["target_size"].iloc[0]) if by_size else "all"
        panels.append(Panel(split_kind, pool, size, rows, (int(counts.min()), int(counts.max()))))
    return panels


def replicates_in(networks: pd.DataFrame, by: list[str]) -> pd.Series:
    """How many replicates, (split, seed), each group of networks has."""
    return networks.drop_duplicates([*by, *REPLICATE]).groupby(by).size()


def panel_grid(
    panels: list[Panel], tall: float, small: float, top: float
) -> tuple[Figure, list[Axes]]:
    """A figure with an axes for each panel. Heights are in inches: `tall` of a panel that is as
    wide as the figure and stands above or alone, `small` of other rows, `top` of what all share.

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
    axes = figure.subplot_mosaic(mosaic, height_ratios=heights)
    leaders: dict[str, Axes] = {}
    for place in others:
        if places > 1 and panels[place].split_kind != EXCHANGEABLE:
            leader = leaders.setdefault(panels[place].target_size, axes[place])
            if axes[place] is not leader:
                axes[place].sharey(leader)
                axes[place].tick_params(labelleft=axes[place].get_subplotspec().is_first_col())
    return figure, [axes[place] for place in range(len(panels))]


def means(rows: pd.DataFrame, value: str, also: tuple[str, ...] = ()) -> pd.DataFrame:
    """Mean of `value` over replicates for each treatment, n and `also`, with its t interval."""
    return mean_over_replicates(rows.dropna(subset=value), [*TREATMENT, "n", *also], value)


def reach(table: pd.DataFrame) -> np.ndarray:
    """2 × rows: how far each interval reaches below and above its mean."""
    # Equal replicates give an interval of no width, whose ends rounding may turn about.
    return np.clip([table["mean"] - table["low"], table["high"] - table["mean"]], 0, None)


def with_wilson(networks: pd.DataFrame) -> pd.DataFrame:
    """The networks with their top-1 as `mean` and its 95 % Wilson interval as `low` and `high`, NaN
    where the number of validation images is not known."""
    images = networks.get("validation_images", pd.Series(np.nan, networks.index)).astype(float)
    right = (networks["top1"] * images).round()
    low, high = proportion_confint(right, images, 1 - CONFIDENCE, method="wilson")
    return networks.assign(mean=networks["top1"], low=low, high=high)


def draw_means(
    axes: Axes, rows: pd.DataFrame, look: Look, scale: float = 100.0, **settings: object
) -> None:
    """A line with markers and interval bars through the means of a treatment, against n."""
    rows = rows.sort_values("n")
    axes.errorbar(
        rows["n"] + look.offset,
        scale * rows["mean"],
        scale * reach(rows),
        elinewidth=scaled(0.9),
        **{"label": look.label, **look.style, **settings},
    )


def draw_single(axes: Axes, x: pd.Series, y: pd.Series, look: Look) -> None:
    """Small pale markers of single networks."""
    small = {"linestyle": "none", "markersize": scaled(2.5), "markeredgewidth": scaled(0.5)}
    axes.plot(x, y, alpha=0.45, **look.style | small)


def zero_line(axes: Axes, level: float = 0.0, colour: str = INK) -> None:
    """The dotted line of the base."""
    axes.axhline(level, color=colour, lw=scaled(0.8), ls=":")


def noise_width(rows: pd.DataFrame) -> pd.Series:
    """How far, in percentage points, B0B − baseB reaches to either side of zero at each target
    size, since its other sign was as likely; empty where there is none."""
    retraining = rows[rows["effect"] == "retraining"].set_index("target_size")
    # Without an interval the difference alone is left.
    return 100 * retraining[["mean", "low", "high"]].abs().max(axis=1)


def counted(numbers: Iterable[int], noun: str) -> str:
    """How many there are, or from how many to how many: `1 to 4 replicates`."""
    low, high = min(numbers), max(numbers)
    span = f"{low:,}" if low == high else f"{low:,} {'or' if high == low + 1 else 'to'} {high:,}"
    return f"{span} {noun}{'' if high == 1 else 's'}"


def interval_words(intervals: pd.Series, shape: str = "Bars") -> str:
    """A sentence that says what the intervals of a table of effects are."""
    kinds = [words for kind, words in INTERVALS.items() if (intervals == kind).any()]
    if not kinds:
        return "No intervals: one replicate, no predictions."
    if (intervals == NO_INTERVAL).any():
        kinds.append("none for means of one replicate without predictions")
    return f"{shape}: 95 % intervals, {'; '.join(kinds)}."


def score_words(networks: pd.DataFrame) -> str:
    """A sentence that says how many networks of a table have no score, if any."""
    without = int(networks["top1"].isna().sum())
    has = "has" if without == 1 else "have"
    return f"{without:,} of {len(networks):,} networks listed {has} no score." if without else ""


def half_words(panels: list[Panel], everywhere: bool = True) -> str:
    """Sentences that say what A and B stand for in a legend that serves every panel or, unless
    `everywhere`, those of random splits alone."""
    targets: dict[str, set[str]] = {}
    for panel in panels:
        targets.setdefault(panel.split_kind, set()).update(panel.rows["target"])
    words = [f"The {kind} split: {halves}." for kind, halves in HALVES.items() if kind in targets]
    legend_serves = targets.values() if everywhere else [targets.get(EXCHANGEABLE, set())]
    if any({"A", "A+B"} & of_kind for of_kind in legend_serves):
        where = "" if everywhere else "On random splits "
        words.insert(0, f"{where}B stands for the target half, A for the other.")
    return " ".join(words)


def network_means(panel: Panel, shown: Iterable[tuple[str, bool]]) -> pd.DataFrame:
    """What the mean of each treatment and n of a panel of networks is over, with its `line`."""
    groups = panel.rows.groupby([*TREATMENT, "n"])
    over = groups.agg(target=("target", joined), networks=("network", "size"))
    over["replicates"] = replicates_in(panel.rows, [*TREATMENT, "n"])
    over = over.reset_index()
    treatments = zip(over["kind"], over["fine_tuned"], strict=True)
    return over.assign(
        line=[LOOKS[treatment].label if treatment in shown else None for treatment in treatments]
    )


def uneven_words(panel: Panel, means_over: pd.DataFrame) -> str:
    """What each line of a panel is a mean over, where its means differ in it; else nothing.

    A row for each mean, with its line, or None, its target, replicates, and networks or differences
    and missing.
    """
    over = means_over.dropna(subset="line")
    noun = "network" if "networks" in over else "difference"
    differ = (over[["target", "replicates", f"{noun}s"]].nunique() > 1).any()
    if over["line"].nunique() < 2 or not (differ or ("missing" in over and over["missing"].any())):
        return ""
    words = []
    for line, rows in over.groupby("line", sort=False):
        targets = " or ".join(sorted(set(rows["target"])))
        counts = f"{counted(rows['replicates'], 'replicate')}, {counted(rows[f'{noun}s'], noun)}"
        words.append(f"{line}: target {targets}, {counts}")
    return f"On the {panel.place}, lines differ in what they average: {'; '.join(words)}."
