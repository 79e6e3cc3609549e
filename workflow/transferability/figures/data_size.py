"""The effects against the number of images a class in the target half."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from transferability.analysis.effects import EXCHANGEABLE, size_order
from transferability.figures import notes, style
from transferability.figures.effects import NO_EFFECTS
from transferability.figures.panels import Panel, noise_width, panels_of
from transferability.study.networks import ALL_IMAGES

# Frozen networks above, fine-tuned below. In a row: transfer less the base, transfer less the
# selffer, and the selffer less the base, which add up.
PANELS = (
    ("transfer", "specificity", "coadaptation"),
    ("boost", "boost_over_selffer", "self_boost"),
)
FORMULAS = {
    "transfer": "A$n$B − baseB",
    "specificity": "A$n$B − B$n$B",
    "coadaptation": "B$n$B − baseB",
    "boost": "A$n$B+ − baseB",
    "boost_over_selffer": "A$n$B+ − B$n$B+",
    "self_boost": "B$n$B+ − baseB",
}
NOISE = "retraining"
MARKERS = "os^vDPX"
# Inches: a row of panels where there is one place, and one of several; what a place's name takes.
TALL, SMALL, NAME = 2.0, 1.6, 0.25
# In powers of ten: how far `all` stands from the last number, and the ends from what they hold.
TO_ALL, BEYOND = 0.45, 0.15
# The share of the axis that a tick's label takes, and that of the way between two sizes over which
# the n of one size stand side by side.
LABEL, SPREAD = 0.13, 0.5


def _sizes(table: pd.DataFrame) -> pd.Series:
    """The power of ten at which each size stands, by size; `all` after the last number."""
    names = table.sort_values("target_size", key=size_order)["target_size"].unique()
    at = pd.Series({size: np.log10(int(size)) for size in names if size != ALL_IMAGES}, dtype=float)
    if ALL_IMAGES in names:
        at[ALL_IMAGES] = (at.max() if len(at) else 0.0) + TO_ALL
    return at


def _labels(sizes: pd.Series, span: float) -> list[str]:
    """The labels of the sizes, empty where they would touch others: `all`, and others from the
    least on."""
    chosen = sizes[sizes.index == ALL_IMAGES].to_dict()
    for size, at in sizes.items():
        if all(abs(at - other) >= LABEL * span for other in chosen.values()):
            chosen[size] = at
    return [size if size in chosen else "" for size in sizes.index]


def _looks(layers: list[int]) -> dict[int, style.Look]:
    """How each n is drawn: the deeper, the darker; its marker tells it from its neighbours."""
    looks = {}
    for place, (n, colour) in enumerate(style.layer_palette(layers).items()):
        marker, filled = MARKERS[place % len(MARKERS)], place // len(MARKERS) % 2 == 0
        offset = (place + 0.5) / len(layers) - 0.5
        looks[n] = style.Look(f"$n$ = {n}", "", colour, marker, filled, offset=offset)
    return looks


def _draw_noise(axes: Axes, rows: pd.DataFrame, sizes: pd.Series) -> None:
    """B0B − baseB at each size as a grey band about zero."""
    style.zero_line(axes)
    width = noise_width(rows)
    if len(width):
        width = width.reindex(sizes.index).to_numpy()
        at = sizes.to_numpy()
        edges = 10 ** np.array([at[0] - BEYOND, *(at[1:] + at[:-1]) / 2, at[-1] + BEYOND])
        band = {"fill": True, "color": style.LIGHT, "zorder": 0, "label": "training noise"}
        axes.stairs(width, edges, baseline=-width, **band)


def _draw_layer(axes: Axes, rows: pd.DataFrame, look: style.Look, sizes: pd.Series) -> None:
    """One effect of one n against size, with its intervals as bars, in percentage points."""
    rows = rows.sort_values("target_size", key=size_order)
    spread = SPREAD * min([*np.diff(sizes), TO_ALL])
    x = 10 ** (rows["target_size"].map(sizes) + spread * look.offset)
    mean = 100 * rows["mean"]
    thin = style.scaled(0.8)
    marks = look.style | {"linestyle": "none", "ms": style.scaled(3.5), "mew": thin}
    axes.errorbar(x, mean, 100 * style.reach(rows), label=look.label, elinewidth=thin, **marks)
    numbered = rows["target_size"] != ALL_IMAGES
    axes.plot(x[numbered], mean[numbered], color=look.colour, lw=style.scaled(1))
    if not numbered.all():
        # Where `all` stands is no number, so the line's slope up to there means nothing.
        dots = {"color": look.colour, "lw": style.scaled(0.7), "ls": (0, (1, 1.5))}
        axes.plot(x.iloc[-2:], mean.iloc[-2:], zorder=1, **dots)


def _size_axis(axes: Axes, sizes: pd.Series) -> None:
    low, high = sizes.iloc[0] - BEYOND, sizes.iloc[-1] + BEYOND
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlim(10**low, 10**high)
    axes.set_xticks(10 ** sizes.to_numpy(), labels=_labels(sizes, high - low))
    if ALL_IMAGES in sizes:
        # The axis is broken before `all`.
        where = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "center"}
        axes.text(10 ** (sizes[ALL_IMAGES] - TO_ALL / 2), 0, "//", fontsize="small", **where)


def _draw_place(
    part: SubFigure, place: Panel, looks: dict, sizes: pd.Series, above: np.ndarray | None
) -> np.ndarray:
    """The panels of one place. Their vertical axes are those of the place `above`, if given."""
    grid = part.subplots(len(PANELS), len(PANELS[0]), sharex=True, sharey="row", squeeze=False)
    for number, (line, row) in enumerate(zip(grid, PANELS, strict=True)):
        if above is not None:
            line[0].sharey(above[number, 0])
        for axes, effect in zip(line, row, strict=True):
            _draw_noise(axes, place.rows, sizes)
            of_effect = place.rows[place.rows["effect"] == effect]
            for n, of_layer in of_effect.groupby("n"):
                _draw_layer(axes, of_layer, looks[n], sizes)
            _size_axis(axes, sizes)
            axes.set_title(f"{effect.replace('_', ' ')}, {FORMULAS[effect]}")
    for axes in grid[-1]:
        axes.set_xlabel("images a class")
    part.supylabel("top-1 (percentage points)", fontsize="medium")
    title = place.title.replace("\n", ", ")
    part.suptitle(title, x=0.01, ha="left", fontsize="medium", weight="bold")
    return grid


def _average_words(place: Panel) -> str:
    """What the means of a place are over, where they differ in it: by size if sizes alone do."""
    rows = place.rows
    over = rows.groupby(["target_size", "n"])[["target", "replicates", "differences", "missing"]]
    by_effect = (over.nunique() > 1).any(axis=None)
    names = rows["effect"].map({NOISE: "B0B − baseB", **FORMULAS})
    line = names if by_effect else "at " + rows["target_size"]
    return notes.uneven(place, rows.assign(line=line))


@style.styled(at_least=style.WIDTH)
def data_size(effects_table: pd.DataFrame) -> Figure:
    """Six effects (percentage points) against the images a class of the target half, on a log axis.

    Drawn from effects.csv alone: transfer, specificity and coadaptation above, boost, its part over
    the selffers and self_boost below; a line for each n, with intervals as bars, and retraining at
    each size as a grey band about zero. `all`, whose number the table does not have and which may
    differ between classes, stands apart at the right end. Panels of their own for each kind of
    split and, except on random splits, target.
    """
    table = effects_table[effects_table["effect"].isin([*FORMULAS, NOISE])]
    shown = table[table["effect"].isin(list(FORMULAS))]
    if shown.empty:
        return style.empty(NO_EFFECTS)
    if shown["target_size"].nunique() == 1:
        one_size = "This study has one size of the target half; target_sizes takes several."
        return style.empty(one_size)
    places, sizes = panels_of(table, by_size=False), _sizes(table)
    looks = _looks(sorted(shown["n"].unique()))
    heights = [len(PANELS) * (SMALL if number else TALL) + NAME for number in range(len(places))]
    figure = style.new_figure(0.8 + sum(heights))
    parts = figure.subfigures(len(places), 1, squeeze=False, height_ratios=heights).ravel()
    leader = None
    for part, place in zip(parts, places, strict=True):
        grid = _draw_place(part, place, looks, sizes, leader)
        # Other places can lie far below random splits.
        if place.split_kind != EXCHANGEABLE and leader is None:
            leader = grid
    handles = [look.sample() for look in looks.values()]
    if (table["effect"] == NOISE).any():
        handles.append(Patch(color=style.LIGHT, label="± |B0B − baseB|, training noise"))
    style.legend(figure, handles, column=0.75, columnspacing=1.0)
    at_all = "all: every image of a class, not at its number; dotted lines have no slope to read."
    style.note(
        figure,
        notes.intervals_are(shown["interval"]),
        at_all if ALL_IMAGES in sizes else "",
        *map(_average_words, places),
        notes.halves(places),
    )
    return figure
