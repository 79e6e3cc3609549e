"""A treatment relative to its base: the lines of effects, the noise about zero."""

import pandas as pd
from matplotlib.axes import Axes

from transferability.figures.panels import reach
from transferability.figures.style import INK, LIGHT, LOOKS, Look, face

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


def noise_width(rows: pd.DataFrame) -> float | None:
    """How far, in percentage points, B0B − baseB reaches to either side of zero, since its other
    sign was as likely; None where there is none."""
    retraining = rows.loc[rows["effect"] == "retraining", ["mean", "low", "high"]]
    # Without an interval the difference alone is left.
    return 100 * retraining.abs().max(axis=None) if len(retraining) else None


def draw_noise(axes: Axes, rows: pd.DataFrame) -> None:
    """B0B − baseB as a grey band about zero; base2B."""
    width = noise_width(rows)
    if width is not None:
        axes.axhspan(-width, width, color=LIGHT, zorder=0, lw=0, label="training noise")
    axes.axhline(0, color=INK, lw=0.8, ls=":")
    axes.plot(0, 0, color=INK, marker="D", ls="none")
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
