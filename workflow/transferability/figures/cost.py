"""What each network costs: seconds and images a second against n, frozen against fine-tuned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from transferability.analysis.effects import size_order
from transferability.analysis.intervals import mean_over_replicates
from transferability.figures import notes, style
from transferability.figures.panels import trained

FROZEN = style.Look("frozen", "", style.BLUE, "o", offset=-0.06)
FINE_TUNED = style.Look("fine-tuned", "", style.ORANGE, "^", False, style.DASHED, 0.06)
# Copies and freezes nothing.
B0B = style.Look("B0B", "", style.PURPLE, "s", False, "none", -0.14)
BASE, LONG_BASE = style.LOOKS["base", False], style.LOOKS["long_base", False]
SCALES = ((3 * 3600, 3600, "hours"), (600, 60, "minutes"), (0, 1, "seconds"))


def _groups(rows: pd.DataFrame) -> dict[style.Look, pd.DataFrame]:
    """The rows that are drawn in each look."""
    treated, fine_tuned = ~rows["kind"].isin(["base", "long_base"]), rows["fine_tuned"]
    groups = {
        BASE: rows["kind"] == "base",
        LONG_BASE: rows["kind"] == "long_base",
        B0B: treated & (rows["n"] == 0),
        FROZEN: treated & (rows["n"] > 0) & ~fine_tuned,
        FINE_TUNED: treated & (rows["n"] > 0) & fine_tuned,
    }
    return {look: rows[of_look] for look, of_look in groups.items() if of_look.any()}


def _draw(axes: Axes, rows: pd.DataFrame, value: str) -> None:
    for look, of_look in _groups(rows.dropna(subset=value)).items():
        style.draw_single(axes, of_look["n"] + look.offset, of_look[value], look)
        mean = mean_over_replicates(of_look, ["n"], value)
        style.draw_means(axes, mean, look, scale=1)
        if look is BASE:
            style.zero_line(axes, mean["mean"].iloc[0])
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
    sizes = table.sort_values("target_size", key=size_order)["target_size"].unique()
    figure = style.new_figure(0.9 + 2.2 * len(sizes))
    grid = figure.subplots(len(sizes), 2, squeeze=False)
    for (left, right), size in zip(grid, sizes, strict=True):
        rows = table[table["target_size"] == size]
        longest = rows["seconds"].max()
        seconds, unit = next((size, unit) for least, size, unit in SCALES if longest >= least)
        _draw(left, rows.assign(time=rows["seconds"] / seconds), "time")
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
    style.legend(figure, [look.sample() for look in _groups(table)], column=1.2)
    replicates = len(table[["split", "seed"]].drop_duplicates())
    bars = f"{replicates} replicates; bars: 95 % {notes.T_INTERVALS}."
    machines = table[["device", "precision"]].astype(str).drop_duplicates().to_numpy().tolist()
    style.note(
        figure,
        "Small markers: networks; large markers: means.",
        bars if replicates > 1 else "No intervals: one replicate.",
        f"Device and precision: {'; '.join(sorted(map(', '.join, machines)))}.",
        "Other jobs may have run beside.",
        notes.without_score(networks),
    )
    return figure
