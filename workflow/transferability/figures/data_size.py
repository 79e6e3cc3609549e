"""The effects against the number of images a class in the target half."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch

from transferability.analysis.effects import EXCHANGEABLE, size_order
from transferability.figures.options import layout_width
from transferability.figures.panels import Panel, panels_of, reach
from transferability.figures.style import (
    INK,
    LIGHT,
    PAPER,
    WIDTH,
    Look,
    empty,
    note,
    sample,
    styled,
)
from transferability.figures.words import OWN_HALVES, interval_words, uneven_words
from transferability.study.networks import ALL_IMAGES

# Frozen networks above, fine-tuned below. In a row: transfer less the base, transfer less the
# selffer, and the selffer less the base, which add up.
PANELS = (
    {
        "transfer": "A$n$B − baseB",
        "specificity": "A$n$B − B$n$B",
        "coadaptation": "B$n$B − baseB",
    },
    {
        "boost": "A$n$B+ − baseB",
        "boost_over_selffer": "A$n$B+ − B$n$B+",
        "self_boost": "B$n$B+ − baseB",
    },
)
FORMULAS = {effect: formula for row in PANELS for effect, formula in row.items()}
NOISE = "retraining"
MARKERS = "os^vDPX"
# Inches: a row of panels where there is one place, and one of several; what a place's name takes.
TALL, SMALL, NAME = 2.0, 1.6, 0.25
# The columns that say what a mean is over.
AVERAGED = ["target", "replicates", "differences", "missing"]
# In powers of ten: how far `all` stands from the last number, and the ends from what they hold.
TO_ALL, BEYOND = 0.45, 0.15
# The share of the axis that a tick's label takes, and that of the way between two sizes over which
# the n of one size stand side by side.
LABEL, SPREAD = 0.13, 0.5


class Sizes(NamedTuple):
    """The axis of sizes: the power of ten at which each stands."""

    at: dict[str, float]

    @property
    def ends(self) -> tuple[float, float]:
        """Where the axis begins and ends."""
        return min(self.at.values()) - BEYOND, max(self.at.values()) + BEYOND

    @property
    def spread(self) -> float:
        """Over how much of the axis the n of one size stand side by side."""
        apart = np.diff(sorted(self.at.values()))
        return SPREAD * min([*apart, TO_ALL])

    @property
    def labels(self) -> dict[str, float]:
        """The sizes whose labels do not touch one another: `all`, and others from the least on."""
        low, high = self.ends
        room = LABEL * (high - low)
        chosen = {size: at for size, at in self.at.items() if size == ALL_IMAGES}
        for size, at in self.at.items():
            if all(abs(at - other) >= room for other in chosen.values()):
                chosen[size] = at
        return chosen


def _sizes(table: pd.DataFrame) -> Sizes:
    names = table["target_size"].drop_duplicates()
    names = names.iloc[size_order(names).argsort()]
    at = {size: float(np.log10(int(size))) for size in names if size != ALL_IMAGES}
    if ALL_IMAGES in set(names):
        at[ALL_IMAGES] = max(at.values(), default=0.0) + TO_ALL
    return Sizes(at)


def _places(table: pd.DataFrame) -> list[Panel]:
    """The kinds of split and, but on random ones, targets: each holds the rows of all sizes."""
    by_place: dict[tuple[bool, str, str], list[Panel]] = {}
    for panel in panels_of(table):
        key = (panel.split_kind != EXCHANGEABLE, panel.split_kind, panel.pool)
        by_place.setdefault(key, []).append(panel)
    return [
        Panel(
            split_kind=split_kind,
            pool=pool,
            target_size=ALL_IMAGES,
            rows=pd.concat([panel.rows for panel in panels]),
            replicates=max(panel.replicates for panel in panels),
            fewest=min(panel.fewest for panel in panels),
        )
        for (_, split_kind, pool), panels in sorted(by_place.items())
    ]


def _looks(layers: list[int]) -> dict[int, Look]:
    """How each n is drawn: the deeper, the darker; its marker tells it from its neighbours."""
    palette = sns.color_palette("viridis_r", len(layers) + 1).as_hex()[1:]
    return {
        n: Look(
            label=f"$n$ = {n}",
            meaning="",
            colour=colour,
            marker=MARKERS[place % len(MARKERS)],
            filled=place // len(MARKERS) % 2 == 0,
            dashes="-",
            offset=(place + 0.5) / len(layers) - 0.5,
        )
        for place, (n, colour) in enumerate(zip(layers, palette, strict=True))
    }


def _draw_noise(axes: Axes, rows: pd.DataFrame, sizes: Sizes) -> None:
    """B0B − baseB at each size as a grey band about zero, since its other sign was as likely."""
    axes.axhline(0, color=INK, lw=0.8, ls=":")
    noise = rows[rows["effect"] == NOISE].set_index("target_size")[["mean", "low", "high"]]
    if noise.empty:
        return
    # Without an interval the difference alone is left.
    width = (100 * noise.abs().max(axis=1)).reindex(list(sizes.at)).to_numpy()
    at = np.array(list(sizes.at.values()))
    edges = 10 ** np.array([sizes.ends[0], *(at[1:] + at[:-1]) / 2, sizes.ends[1]])
    axes.stairs(
        width, edges, baseline=-width, fill=True, color=LIGHT, zorder=0, label="training noise"
    )


def _draw_layer(axes: Axes, rows: pd.DataFrame, look: Look, sizes: Sizes) -> None:
    """One effect of one n against size, with its intervals as bars, in percentage points."""
    rows = rows.sort_values("target_size", key=size_order)
    x = 10 ** (rows["target_size"].map(sizes.at) + sizes.spread * look.offset)
    marks = {"color": look.colour, "marker": look.marker, "markersize": 3.5, "mew": 0.8}
    marks |= {"mfc": look.colour if look.filled else PAPER, "elinewidth": 0.8}
    mean = 100 * rows["mean"]
    axes.errorbar(x, mean, 100 * reach(rows), ls="none", label=look.label, **marks)
    numbered = rows["target_size"] != ALL_IMAGES
    axes.plot(x[numbered], mean[numbered], color=look.colour, lw=1)
    if not numbered.all():
        # Where `all` stands is no number, so the line's slope up to there means nothing.
        dots = {"color": look.colour, "lw": 0.7, "ls": (0, (1, 1.5))}
        axes.plot(x.iloc[-2:], mean.iloc[-2:], zorder=1, **dots)


def _size_axis(axes: Axes, sizes: Sizes) -> None:
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xlim(*(10 ** np.array(sizes.ends)))
    axes.set_xticks(
        [10**at for at in sizes.at.values()],
        labels=[size if size in sizes.labels else "" for size in sizes.at],
    )
    if ALL_IMAGES in sizes.at:
        # The axis is broken before `all`.
        axes.text(
            10 ** (sizes.at[ALL_IMAGES] - TO_ALL / 2),
            0,
            "//",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="center",
            fontsize=7,
        )


def _draw_place(
    part: SubFigure, place: Panel, looks: dict[int, Look], sizes: Sizes, above: np.ndarray | None
) -> np.ndarray:
    """The panels of one place. Their vertical axes are those of the place `above`, if given."""
    grid = part.subplots(len(PANELS), len(PANELS[0]), sharex=True, sharey="row", squeeze=False)
    for number, (line, row) in enumerate(zip(grid, PANELS, strict=True)):
        if above is not None:
            line[0].sharey(above[number, 0])
        for axes, (effect, formula) in zip(line, row.items(), strict=True):
            _draw_noise(axes, place.rows, sizes)
            own = place.rows[place.rows["effect"] == effect]
            for n, of_layer in own.groupby("n"):
                _draw_layer(axes, of_layer, looks[n], sizes)
            _size_axis(axes, sizes)
            axes.set_title(f"{effect.replace('_', ' ')}, {formula}")
            axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("images a class")
    part.supylabel("top-1 (percentage points)", fontsize=8)
    part.suptitle(place.title.replace("\n", ", "), x=0.01, ha="left", fontsize=8, weight="bold")
    return grid


def _by_effect(place: Panel) -> dict[str, pd.DataFrame]:
    """The rows of each effect of a place, and of the noise, by their formulas."""
    names = {NOISE: "B0B − baseB", **FORMULAS}
    rows = {name: place.rows[place.rows["effect"] == effect] for effect, name in names.items()}
    return {name: own for name, own in rows.items() if len(own)}


def _by_size(place: Panel) -> dict[str, pd.DataFrame]:
    """The rows of the sizes that average over the same targets and as many replicates."""
    alike: dict[tuple, list[str]] = {}
    for size in _sizes(place.rows).at:
        rows = place.rows[place.rows["target_size"] == size]
        over = tuple(tuple(sorted(set(rows[column]))) for column in ("target", "replicates"))
        alike.setdefault(over, []).append(size)
    return {
        f"at {', '.join(sizes)}": place.rows[place.rows["target_size"].isin(sizes)]
        for sizes in alike.values()
    }


def _average_words(place: Panel) -> str:
    """What the means of a place are over, where they differ in it: by size where effects do not."""
    by_size = _by_size(place)
    kinds = place.rows.groupby(["target_size", "n"])[AVERAGED].nunique()
    alone = len(by_size) == 1 or (kinds > 1).any(axis=None)
    return uneven_words(place, _by_effect(place) if alone else by_size)


def _half_words(places: list[Panel]) -> list[str]:
    """Sentences on what A and B stand for in titles and legend that serve every panel."""
    kinds = {place.split_kind for place in places}
    said = [
        f"The {kind} split has its own halves {halves}."
        for kind, halves in OWN_HALVES.items()
        if kind in kinds
    ]
    if any((place.rows["target"] != "B").any() for place in places):
        said.insert(0, "B stands for the target half, A for the other, in panels of target A too.")
    return said


def _size_words(sizes: Sizes) -> str:
    if ALL_IMAGES not in sizes.at:
        return ""
    return (
        "all: every image of the class, at the right end of a broken axis and not at its number, "
        "so that dotted lines have no slope to read."
    )


@styled
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
        return empty("This study has no selffer or transfer networks beside their base.")
    if shown["target_size"].nunique() == 1:
        return empty("This study has one size of the target half; target_sizes takes several.")
    places, sizes = _places(table), _sizes(table)
    looks = _looks(sorted(shown["n"].unique()))
    heights = [len(PANELS) * (SMALL if number else TALL) + NAME for number in range(len(places))]
    figure = Figure(figsize=(layout_width(WIDTH), 0.8 + sum(heights)), layout="constrained")
    parts = figure.subfigures(len(places), 1, squeeze=False, height_ratios=heights).ravel()
    leader = None
    for part, place in zip(parts, places, strict=True):
        grid = _draw_place(part, place, looks, sizes, leader)
        # Other places can lie far below random splits.
        if place.split_kind != EXCHANGEABLE and leader is None:
            leader = grid
    handles = [sample(look, look.label) for look in looks.values()]
    if (table["effect"] == NOISE).any():
        handles.append(Patch(color=LIGHT, label="± |B0B − baseB|, training noise"))
    figure.legend(handles=handles, loc="outside upper left", ncols=9, columnspacing=1.0)
    note(
        figure,
        interval_words(shown["interval"], "Bars"),
        _size_words(sizes),
        *map(_average_words, places),
        *_half_words(places),
    )
    return figure
