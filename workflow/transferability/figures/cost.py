"""What each network costs: seconds and images a second against n, frozen against fine-tuned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from transferability.analysis.effects import size_order
from transferability.analysis.intervals import mean_over_replicates
from transferability.figures import style
from transferability.figures.panels import (
    T_INTERVALS,
    draw_means,
    draw_single,
    score_words,
    trained,
    zero_line,
)

FROZEN = style.Look("frozen", "BnB, AnB, RnB", style.BLUE, "o", offset=-0.06)
FINE_TUNED = style.Look("fine-tuned", "BnB+, AnB+", style.ORANGE, "^", False, style.DASHED, 0.06)
NOTHING_COPIED = style.Look(
    "B0B", "nothing copied or frozen", style.PURPLE, "s", False, "none", -0.14
)
BASE, LONG_BASE = style.LOOKS["base", False], style.LOOKS["long_base", False]
SCALES = ((3 * 3600, 3600, "hours"), (600, 60, "minutes"), (0, 1, "seconds"))


def _scaled(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows with a column `time` in a unit that suits the longest training, and the unit."""
    longest = rows["seconds"].max()
    seconds, unit = next((size, unit) for least, size, unit in SCALES if longest >= least)
    return rows.assign(time=rows["seconds"] / seconds), unit


def _groups(rows: pd.DataFrame) -> dict[style.Look, pd.Series]:
    """Which rows are drawn in which look."""
    treated, fine_tuned = ~rows["kind"].isin(["base", "long_base"]), rows["fine_tuned"]
    return {
        BASE: rows["kind"] == "base",
        LONG_BASE: rows["kind"] == "long_base",
        NOTHING_COPIED: treated & (rows["n"] == 0),
        FROZEN: treated & (rows["n"] > 0) & ~fine_tuned,
        FINE_TUNED: treated & (rows["n"] > 0) & fine_tuned,
    }


def _draw(axes: Axes, rows: pd.DataFrame, value: str) -> None:
    for look, of_look in _groups(rows).items():
        measured = rows[of_look].dropna(subset=value)
        if measured.empty:
            continue
        draw_single(axes, measured["n"] + look.offset, measured[value], look)
        mean = mean_over_replicates(measured, ["n"], value)
        draw_means(axes, mean, look, scale=1)
        if look is BASE:
            zero_line(axes, mean["mean"].iloc[0])
    style.layer_axis(axes, rows["n"])


@style.styled(at_least=style.WIDTH)
def cost(networks: pd.DataFrame) -> Figure:
    """Training time and images a second of each network against n, frozen against fine-tuned.

    From the columns seconds and images_per_second of the table of networks; a row of panels for
    each target size. Raises ValueError when a column is missing or a network is listed twice.
    """
    table = trained(networks)
    if table.empty or table["seconds"].isna().all():
        return style.empty("The table of networks holds no training times.")
    sizes = table["target_size"].drop_duplicates()
    sizes = sizes.iloc[size_order(sizes).argsort()]
    figure = style.new_figure(0.9 + 2.2 * len(sizes))
    grid = figure.subplots(len(sizes), 2, squeeze=False)
    for (left, right), size in zip(grid, sizes, strict=True):
        rows, unit = _scaled(table[table["target_size"] == size])
        _draw(left, rows, "time")
        _draw(right, rows, "images_per_second")
        left.set_ylabel(f"training time ({unit})")
        right.set_ylabel("images a second")
        left.set_ylim(bottom=0)
        right.set_yscale("log")
        right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right.yaxis.set_major_formatter("{x:,.10g}")
        right.yaxis.set_minor_formatter(NullFormatter())
        for axes in (left, right):
            axes.set_title("" if size == "all" else f"{size} images a class")
    looks = [look for look, rows in _groups(table).items() if rows.any()]
    style.legend(figure, [look.sample() for look in looks], column=1.2)
    replicates = len(table[["split", "seed"]].drop_duplicates())
    style.note(
        figure,
        "Small markers: networks; large markers: means.",
        f"{replicates} replicates; bars: 95 % {T_INTERVALS}."
        if replicates > 1
        else "No intervals: one replicate.",
        f"Device and precision: {_machines(table)}.",
        "Other jobs may have run beside.",
        score_words(networks),
    )
    return figure


def _machines(table: pd.DataFrame) -> str:
    kinds = table[["device", "precision"]].drop_duplicates().sort_values(["device", "precision"])
    return "; ".join(f"{row.device}, {row.precision}" for row in kinds.itertuples())
