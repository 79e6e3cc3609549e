"""The paper's effects as areas between the lines of a panel, with brackets and names."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from transferability.figures.relative import LINES
from transferability.figures.style import BLUE, GREY, ORANGE, SKY, VERMILION
from transferability.figures.words import are_even


class Area(NamedTuple):
    """An effect seen as the area between two lines; the base is the line at zero."""

    number: str
    name: str
    lower: str
    upper: str
    colour: str
    hatch: str

    @property
    def formula(self) -> str:
        """The difference that the effect is."""
        control = "baseB" if self.lower == BASELINE else LINES[self.lower].label
        return f"{LINES[self.upper].label} − {control}"


BASELINE = "base"
AREAS = (
    Area("2", "fragile co-adaptation", BASELINE, "coadaptation", BLUE, ""),
    Area("3", "fine-tuning recovers it", "coadaptation", "self_boost", SKY, "////"),
    Area("4", "representation specificity", "coadaptation", "transfer", VERMILION, ""),
    Area("5", "transfer + fine-tuning improves", BASELINE, "boost", ORANGE, ""),
)
# Marks the number of an area whose two lines are not of the same networks' differences.
UNPAIRED_MARK = "†"
# Layers to the right of the last n: where the brackets stand, and where their names begin.
# A small panel has less room for a layer, so that they stand this many times further off.
BRACKETS = (0.30, 0.48, 0.66, 0.84)
NAMES = 1.05
FURTHER = 1.8


def edges(rows: pd.DataFrame, area: Area) -> pd.DataFrame:
    """Both lines of an area, in percentage points, at each n where both exist."""
    lines = rows[rows["n"] > 0].pivot(index="n", columns="effect", values="mean") * 100
    lines[BASELINE] = 0.0
    return lines.reindex(columns=[area.lower, area.upper]).dropna()


def is_paired(rows: pd.DataFrame, area: Area) -> bool:
    """Whether an area lies between means over the same targets and as many replicates."""
    if area.lower == BASELINE:
        return True
    at = edges(rows, area).index
    lines = rows[rows["effect"].isin([area.lower, area.upper]) & rows["n"].isin(at)]
    return all(are_even(of_layer) for _, of_layer in lines.groupby("n"))


def number_words(areas: Iterable[Area]) -> str:
    """A sentence that says what the numbers of these areas stand for."""
    words = "; ".join(f"{area.number} {area.name} ({area.formula})" for area in sorted(areas))
    return f"Numbers as in the paper: {words}." if words else ""


def draw_areas(axes: Axes, rows: pd.DataFrame, stretch: float) -> dict[Area, float]:
    """Shade the areas, bracket each at its last n, and return the height of each bracket."""
    heights = {}
    last = rows["n"].max()
    for area, aside in zip(AREAS, BRACKETS, strict=True):
        between = edges(rows, area)
        if between.empty:
            continue
        lower, upper = between[area.lower], between[area.upper]
        axes.fill_between(
            between.index,
            lower,
            upper,
            facecolor="none" if area.hatch else area.colour,
            edgecolor=area.colour if area.hatch else "none",
            hatch=area.hatch,
            alpha=0.45 if area.hatch else 0.13,
            linewidth=0,
            zorder=0.5,
        )
        ends = [lower.iloc[-1], upper.iloc[-1]]
        # The ticks at both ends show a bracket that is too short to be seen.
        axes.plot(
            [last + stretch * aside] * 2,
            ends,
            color=area.colour,
            lw=1.6,
            solid_capstyle="butt",
            marker="_",
            markeredgewidth=1.2,
            label=f"bracket {area.number}",
        )
        heights[area] = sum(ends) / 2
    return heights


def spread(heights: list[float], gap: float, low: float, high: float) -> list[float]:
    """Heights in the same order, moved apart to at least `gap`, about their own middle but, as far
    as there is room, between low and high."""
    order = np.argsort(heights, kind="stable")
    apart = np.array(heights, dtype=float)[order]
    for place in range(1, len(apart)):
        apart[place] = max(apart[place], apart[place - 1] + gap)
    apart -= np.mean(apart) - np.mean(heights)
    apart += max(0.0, low - apart[0])
    apart += min(0.0, high - apart[-1])
    return list(apart[np.argsort(order, kind="stable")])


def name_areas(
    axes: Axes, rows: pd.DataFrame, heights: dict[Area, float], stretch: float, in_full: bool
) -> None:
    """Number the brackets and, where `in_full`, name them. The panel's limits have to be final."""
    if not heights:
        return
    last = rows["n"].max()
    low, high = axes.get_ylim()
    gap = (high - low) * (0.115 if in_full else 0.09)
    labels = spread(list(heights.values()), gap, low + gap / 2, high - gap / 2)
    for (area, height), label in zip(heights.items(), labels, strict=True):
        aside = stretch * BRACKETS[AREAS.index(area)]
        mark = "" if is_paired(rows, area) else UNPAIRED_MARK
        full = f"{area.number}{mark}  {area.name}\n    {area.formula}"
        axes.annotate(
            full if in_full else f"{area.number}{mark}",
            xy=(last + aside, height),
            xytext=(last + stretch * NAMES, label),
            va="center",
            fontsize=7.5,
            color=GREY if in_full else area.colour,
            # The leader ends at the middle of the text's left edge, never behind a text.
            arrowprops={
                "arrowstyle": "-",
                "color": area.colour,
                "lw": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1.5,
                "shrinkB": 0,
            },
            annotation_clip=False,
        )
