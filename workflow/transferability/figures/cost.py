"""What each network costs: seconds against n, frozen against fine-tuned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.effects import size_order
from transferability.figures import notes, style
from transferability.figures.panels import (
    SMALL,
    base_line,
    draw_line,
    layer_axis,
    layer_names,
    means,
    named,
    trained,
)

BASE, LONG_BASE = style.LOOKS["base", False], style.LOOKS["long_base", False]
PARTIAL = style.LOOKS["partial", False]
FROZEN = style.Look("frozen", "B$n$B, A$n$B, R$n$B", style.BLUE, "o", offset=-0.05)
# Of B0B all layers learn, too.
FINE_TUNED = style.Look(
    "fine-tuned", "B$n$B+, A$n$B+, B0B", style.ORANGE, "^", False, style.DASHED, 0.05
)
SCALES = ((3 * 3600, 3600, "hours"), (600, 60, "minutes"), (0, 1, "seconds"))


def _groups(rows: pd.DataFrame) -> dict[style.Look, pd.DataFrame]:
    """The rows that are drawn in each look."""
    partial = rows["kind"].isin(["partial", "selffer_partial"])
    treated = ~rows["kind"].isin(["base", "long_base"]) & ~partial
    all_learn = rows["fine_tuned"] | (rows["n"] == 0)
    groups = {
        BASE: rows["kind"] == "base",
        LONG_BASE: rows["kind"] == "long_base",
        FROZEN: treated & ~all_learn,
        FINE_TUNED: treated & all_learn,
        PARTIAL: partial,
    }
    return {look: rows[of_look] for look, of_look in groups.items() if of_look.any()}


def scale(seconds: pd.Series) -> tuple[int, str]:
    """The seconds of the unit in which these are read best, and its name."""
    return next((size, unit) for least, size, unit in SCALES if seconds.max() >= least)


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    """Small markers of networks, and the line through their means."""
    seconds, unit = scale(rows["seconds"])
    for look, of_look in _groups(rows).items():
        mean = means(of_look, "seconds", ["n"])
        draw_line(axes, mean, look, scale=1 / seconds)
        small = {"linestyle": "none", "ms": style.scaled(2.2), "mew": 0.5, "alpha": 0.4}
        axes.plot(of_look["n"] + look.offset, of_look["seconds"] / seconds, **look.style | small)
        if look is BASE:
            base_line(axes, mean["mean"].iloc[0] / seconds)
    axes.set_ylabel(f"training time ({unit})")
    axes.set_ylim(bottom=0)


@style.styled()
def cost(networks: pd.DataFrame) -> Figure:
    """Training time of each network against n, frozen against fine-tuned.

    From the column seconds of the table of networks; a panel for each target size. Raises
    ValueError when a column is missing or a network is listed twice.
    """
    table = trained(networks).dropna(subset="seconds")
    if table.empty:
        return style.empty("The table of networks holds no training times.")
    sizes = table.sort_values("target_size", key=size_order)["target_size"].unique()
    figure = style.new_figure(0.6 + SMALL * len(sizes))
    grid = figure.subplots(len(sizes), 1, squeeze=False).ravel()
    for axes, size in zip(grid, sizes, strict=True):
        _draw(axes, table[table["target_size"] == size])
        axes.set_title("" if size == "all" else f"{size} images a class")
        layer_axis(axes, layer_names(table), style.room() - 1)
    looks = named(dict(enumerate(_groups(table))), table)
    style.legend(figure, [look.sample() for look in looks.values()])
    machines = table[["device", "precision"]].astype(str).drop_duplicates().to_numpy().tolist()
    style.note(
        figure,
        "Small markers: networks; lines: means; dotted: baseB.",
        f"Device and precision: {'; '.join(sorted(map(', '.join, machines)))}.",
        "Other jobs may have run beside.",
        notes.missing(networks),
    )
    return figure
