"""What each network costs: seconds and images a second against n, frozen against fine-tuned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.effects import size_order
from transferability.figures.panels import reach, trained
from transferability.figures.style import (
    BLACK,
    BLUE,
    DASHED,
    LOOKS,
    ORANGE,
    WIDTH,
    Look,
    empty,
    face,
    layer_axis,
    note,
    sample,
    styled,
)
from transferability.intervals import mean_over_replicates

FROZEN = Look("frozen", "BnB, AnB, RnB", BLUE, "o", True, "-", -0.06)
FINE_TUNED = Look("fine-tuned", "BnB+, AnB+", ORANGE, "^", False, DASHED, 0.06)
BASE, LONG_BASE = LOOKS["base", False], LOOKS["long_base", False]
SCALES = ((3 * 3600, 3600, "hours"), (600, 60, "minutes"), (0, 1, "seconds"))


def _scaled(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows with a column `time` in a unit that suits the longest training, and the unit."""
    longest = rows["seconds"].max()
    seconds, unit = next((size, unit) for least, size, unit in SCALES if longest >= least)
    return rows.assign(time=rows["seconds"] / seconds), unit


def _draw(axes: Axes, rows: pd.DataFrame, value: str) -> None:
    fine_tuned = rows["fine_tuned"]
    bases = rows["kind"].isin(["base", "long_base"])
    for own, look in (
        (rows[rows["kind"] == "base"], BASE),
        (rows[rows["kind"] == "long_base"], LONG_BASE),
        (rows[~bases & ~fine_tuned], FROZEN),
        (rows[~bases & fine_tuned], FINE_TUNED),
    ):
        own = own.dropna(subset=value)
        if own.empty:
            continue
        marks = {"color": look.colour, "marker": look.marker, "mfc": face(look)}
        x = own["n"] + look.offset
        axes.plot(x, own[value], ls="none", ms=2.5, alpha=0.5, mew=0.5, **marks)
        mean = mean_over_replicates(own, ["n"], value)
        at = mean["n"] + look.offset
        axes.errorbar(at, mean["mean"], reach(mean), ls="none", elinewidth=1, **marks)
        axes.plot(at, mean["mean"], color=look.colour, linestyle=look.dashes, label=look.label)
        if look is BASE:
            axes.axhline(mean["mean"].iloc[0], color=BLACK, lw=0.7, ls=":")
    layer_axis(axes, sorted({0, *rows["n"]}))
    axes.set_ylim(bottom=0)


@styled
def cost(networks: pd.DataFrame) -> Figure:
    """Training time and images a second of each network against n, frozen against fine-tuned.

    From the columns seconds and images_per_second of the table of networks; a row of panels for
    each target size. Raises ValueError when a column is missing or a network is listed twice.
    """
    table = trained(networks)
    if table.empty or table["seconds"].isna().all():
        return empty("The table of networks holds no training times.")
    sizes = sorted(table["target_size"].unique(), key=lambda size: size_order(pd.Series([size]))[0])
    figure = Figure(figsize=(WIDTH, 0.9 + 2.2 * len(sizes)), layout="constrained")
    grid = figure.subplots(len(sizes), 2, squeeze=False)
    for (left, right), size in zip(grid, sizes, strict=True):
        rows, unit = _scaled(table[table["target_size"] == size])
        _draw(left, rows, "time")
        _draw(right, rows, "images_per_second")
        left.set_ylabel(f"training time ({unit})")
        right.set_ylabel("images a second")
        right.yaxis.set_major_formatter("{x:,.0f}")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_title("" if size == "all" else f"{size} images a class")
    bases = table["kind"].isin(["base", "long_base"])
    handles = [sample(BASE, "baseB")]
    if (table["kind"] == "long_base").any():
        handles.append(sample(LONG_BASE, "base2B"))
    for look, treated in ((FROZEN, ~table["fine_tuned"]), (FINE_TUNED, table["fine_tuned"])):
        if (treated & ~bases).any():
            handles.append(sample(look, look.label))
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    replicates = len(table[["split", "seed"]].drop_duplicates())
    note(
        figure,
        "Small markers: networks; large markers: means.",
        f"Bars: 95 % t intervals over {replicates} replicates (split, seed)."
        if replicates > 1
        else "One replicate: no intervals over replicates.",
        f"Device and precision: {_machines(table)}.",
        "Other jobs may have run beside.",
    )
    return figure


def _machines(table: pd.DataFrame) -> str:
    kinds = table[["device", "precision"]].drop_duplicates().sort_values(["device", "precision"])
    return "; ".join(f"{row.device}, {row.precision}" for row in kinds.itertuples())
