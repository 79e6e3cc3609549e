"""The cost of each network: seconds against n, frozen and fine-tuned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.figures import notes, panels, style

BASE, LONG_BASE = style.LOOKS["base", False], style.LOOKS["long_base", False]
PARTIAL = style.LOOKS["partial", False]
FROZEN = style.Look("frozen", "B$n$B, A$n$B, R$n$B", style.BLUE, "o", offset=-0.05)
# In B0B, too, all layers are trained.
FINE_TUNED = style.Look(
    "fine-tuned", "B$n$B+, A$n$B+, B0B", style.ORANGE, "^", False, style.DASHED, 0.05
)
SCALES = ((3 * 3600, 3600, "hours"), (600, 60, "minutes"), (0, 1, "seconds"))


def _groups(rows: pd.DataFrame) -> dict[style.Look, pd.DataFrame]:
    """The rows to draw in each look."""
    kind, all_learn = rows["kind"], rows["fine_tuned"] | (rows["n"] == 0)
    treated = ~kind.isin(["base", "long_base", "partial", "selffer_partial"])
    groups = {
        BASE: kind == "base",
        LONG_BASE: kind == "long_base",
        FROZEN: treated & ~all_learn,
        FINE_TUNED: treated & all_learn,
        PARTIAL: kind.str.endswith("partial"),
    }
    return {look: rows[of_look] for look, of_look in groups.items() if of_look.any()}


def scale(seconds: pd.Series) -> tuple[int, str]:
    """The best unit for these times: its length in seconds, and its name."""
    return next((size, unit) for least, size, unit in SCALES if seconds.max() >= least)


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    """Draws small markers for networks, and a line through their means."""
    seconds, unit = scale(rows["seconds"])
    for look, of_look in _groups(rows).items():
        mean = panels.means(of_look, "seconds", ["n"])
        panels.draw_line(axes, mean, look, scale=1 / seconds)
        small = {"linestyle": "none", "ms": style.scaled(2.2), "mew": 0.5, "alpha": 0.4}
        axes.plot(of_look["n"] + look.offset, of_look["seconds"] / seconds, **look.style | small)
        if look is BASE:
            panels.base_line(axes, mean["mean"].iloc[0] / seconds)
    axes.set_ylabel(f"training time ({unit})")
    axes.set_ylim(bottom=0)


@style.styled()
def cost(networks: pd.DataFrame) -> Figure:
    """Training time of each network against n, frozen and fine-tuned.

    Drawn from the column seconds of the table of networks, with a panel for each target size.
    Raises ValueError if a column is missing or a network is listed twice.
    """
    table = panels.trained(networks).dropna(subset="seconds")
    if table.empty:
        return style.empty("The table of networks has no training times.")
    figure, places = panels.size_rows(table, panels.SMALL)
    for axes, rows in places:
        _draw(axes, rows)
    style.legend(figure, [panels.named(look, table).sample() for look in _groups(table)])
    machines = table[["device", "precision"]].astype(str).agg(", ".join, axis=1)
    style.note(
        figure,
        "Small markers: networks; lines: means; dotted: baseB.",
        f"Device and precision: {'; '.join(sorted(set(machines)))}.",
        "Other jobs may have run at the same time.",
        notes.missing(networks),
    )
    return figure
