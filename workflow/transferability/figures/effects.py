"""Figure 2 below: the treatments relative to their base, and the effects between them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from transferability.figures.panels import (
    Panel,
    interval_words,
    panel_grid,
    panels_of,
    reach,
    target_words,
)
from transferability.figures.style import (
    BLUE,
    GREY,
    LIGHT,
    LOOKS,
    ORANGE,
    SKY,
    VERMILION,
    Look,
    empty,
    face,
    layer_axis,
    note,
    sample,
    styled,
)

# The areas between lines show best where the lines stand close to their n.
LINES = {
    effect: LOOKS[treatment]._replace(offset=LOOKS[treatment].offset / 2)
    for effect, treatment in (
        ("coadaptation", ("selffer", False)),
        ("self_boost", ("selffer", True)),
        ("transfer", ("transfer", False)),
        ("boost", ("transfer", True)),
    )
}
LONG_BASE = LOOKS["long_base", False]


class Area(NamedTuple):
    """An effect seen as the area between two lines; the base is the line at zero."""

    number: str
    name: str
    lower: str
    upper: str
    colour: str
    hatch: str


BASELINE = "base"
AREAS = (
    Area("2", "fragile co-adaptation", BASELINE, "coadaptation", BLUE, ""),
    Area("3", "fine-tuning recovers it", "coadaptation", "self_boost", SKY, "////"),
    Area("4", "representation specificity", "coadaptation", "transfer", VERMILION, ""),
    Area("5", "transfer + fine-tuning improves", BASELINE, "boost", ORANGE, ""),
)
# Layers to the right of the last n: where the brackets stand, and where their names begin.
# A small panel has less room for a layer, so that they stand this many times further off.
BRACKETS = (0.30, 0.48, 0.66, 0.84)
NAMES = 1.05
FURTHER = 1.8


def draw_relative(axes: Axes, rows: pd.DataFrame, look: Look, label: str, band: bool) -> None:
    """The line of one effect against n, in percentage points, with its intervals as bars and,
    where `band`, as a band too."""
    rows = rows.sort_values("n")
    x = rows["n"] + look.offset
    low, high = 100 * rows["low"], 100 * rows["high"]
    if band:
        axes.fill_between(x, low, high, color=look.colour, alpha=0.18, lw=0)
    # A band has no width where there is one n, and a bar shows it there as well.
    axes.errorbar(
        x,
        100 * rows["mean"],
        100 * reach(rows),
        color=look.colour,
        ls="none",
        elinewidth=0.6 if band else 0.9,
    )
    axes.plot(
        x,
        100 * rows["mean"],
        color=look.colour,
        marker=look.marker,
        markerfacecolor=face(look),
        linestyle=look.dashes,
        label=label,
    )


def _edges(rows: pd.DataFrame, area: Area) -> pd.DataFrame:
    """Both lines of an area, in percentage points, at each n where both exist."""
    lines = rows[rows["n"] > 0].pivot(index="n", columns="effect", values="mean") * 100
    lines[BASELINE] = 0.0
    return lines.reindex(columns=[area.lower, area.upper]).dropna()


def _draw_areas(axes: Axes, rows: pd.DataFrame, stretch: float) -> dict[Area, float]:
    """Shade the areas, bracket each at its last n, and return the height of each bracket."""
    heights = {}
    last = rows["n"].max()
    for area, aside in zip(AREAS, BRACKETS, strict=True):
        edges = _edges(rows, area)
        if edges.empty:
            continue
        lower, upper = edges[area.lower], edges[area.upper]
        axes.fill_between(
            edges.index,
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


def _spread(heights: list[float], gap: float) -> list[float]:
    """Heights in the same order, moved apart to at least `gap`, about their own middle."""
    order = np.argsort(heights, kind="stable")
    apart = np.array(heights, dtype=float)[order]
    for place in range(1, len(apart)):
        apart[place] = max(apart[place], apart[place - 1] + gap)
    apart -= np.mean(apart) - np.mean(heights)
    return list(apart[np.argsort(order, kind="stable")])


def _name_areas(
    axes: Axes, heights: dict[Area, float], last: int, stretch: float, in_full: bool
) -> None:
    if not heights:
        return
    low, high = axes.get_ylim()
    gap = (high - low) * (0.115 if in_full else 0.09)
    labels = _spread(list(heights.values()), gap)
    shift = min(0.0, high - gap / 2 - max(labels))
    for (area, height), label in zip(heights.items(), labels, strict=True):
        aside = stretch * BRACKETS[AREAS.index(area)]
        axes.annotate(
            f"{area.number}  {area.name}\n    {_formula(area)}" if in_full else area.number,
            xy=(last + aside, height),
            xytext=(last + stretch * NAMES, label + shift),
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


def _formula(area: Area) -> str:
    """An area's effect as the difference that it is."""
    control = "baseB" if area.lower == BASELINE else LINES[area.lower].label
    return f"{LINES[area.upper].label} − {control}"


def _draw_noise(axes: Axes, rows: pd.DataFrame) -> None:
    """B0B − baseB as a grey band about zero, since its other sign was as likely; base2B."""
    retraining = rows.loc[rows["effect"] == "retraining", ["mean", "low", "high"]]
    if len(retraining):
        # Without an interval the difference alone is left.
        width = 100 * retraining.abs().max(axis=None)
        axes.axhspan(-width, width, color=LIGHT, zorder=0, lw=0, label="training noise")
    axes.axhline(0, color="black", lw=0.8, ls=":")
    axes.plot(0, 0, color="black", marker="D", ls="none")
    long = rows[rows["effect"] == "long_base"]
    axes.errorbar(
        long["n"] + LONG_BASE.offset,
        100 * long["mean"],
        100 * reach(long),
        color=LONG_BASE.colour,
        marker=LONG_BASE.marker,
        mfc=face(LONG_BASE),
        ls="none",
        elinewidth=0.8,
    )


def _draw_panel(axes: Axes, panel: Panel, alone: bool) -> None:
    rows = panel.rows
    _draw_noise(axes, rows)
    stretch = 1.0 if alone else FURTHER
    heights = _draw_areas(axes, rows, stretch)
    for effect, look in LINES.items():
        own = rows[rows["effect"] == effect]
        if len(own):
            draw_relative(axes, own, look, look.label, band=True)
    layers = sorted({0, *rows["n"]})
    layer_axis(axes, layers)
    axes.set_xlim(-0.4, layers[-1] + stretch * NAMES + (0 if alone else 0.6))
    _name_areas(axes, heights, layers[-1], stretch, alone)
    axes.set_title(panel.title)
    axes.spines[["top", "right"]].set_visible(False)


@styled
def effects(effects_table: pd.DataFrame) -> Figure:
    """BnB, BnB+, AnB and AnB+ relative to their base (percentage points) against n.

    Drawn from effects.csv alone: coadaptation, transfer, boost and self_boost as lines with
    interval bands, the four effects of the paper as the shaded areas between them, retraining
    as a grey band about zero, long_base as a marker at n = 0. A panel for each kind of split,
    target size and, except on random splits, target. Source: Yosinski et al. 2014, Figure 2,
    below.
    """
    shown = [*LINES, "retraining", "long_base"]
    table = effects_table[effects_table["effect"].isin(shown)]
    if not table["effect"].isin(list(LINES)).any():
        return empty("This study has no selffer or transfer networks beside their base.")
    panels = panels_of(table)
    alone = len(panels) == 1
    figure, grid = panel_grid(panels, height=3.4 if alone else 2.3, top=1.0)
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel, alone)
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("top-1 relative to the base\n(percentage points)")
    present = set(table["effect"])
    handles = [sample(LOOKS["base", False], "baseB")]
    if "long_base" in present:
        handles.append(sample(LONG_BASE, "base2B − baseB"))
    if "retraining" in present:
        handles.append(Patch(color=LIGHT, label="± |B0B − baseB|, training noise"))
    handles += [sample(look, f"{look.label} − baseB") for e, look in LINES.items() if e in present]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    areas = [area for area in AREAS if any(len(_edges(panel.rows, area)) for panel in panels)]
    figure_words = "Numbers as in the paper: " + "; ".join(
        f"{area.number} {area.name} ({_formula(area)})" for area in areas
    )
    note(
        figure,
        interval_words(table["interval"], "Bands and bars"),
        "" if alone else f"{figure_words}.",
        target_words(panels),
    )
    return figure
