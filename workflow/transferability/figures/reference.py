"""The published networks of 2014, faintly behind a study's own."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from transferability.analysis.effects import EXCHANGEABLE
from transferability.figures.panels import Panel, panels_of
from transferability.figures.relative import LINES
from transferability.figures.style import PAPER, Look
from transferability.figures.words import are_even

# The published panels may make the range of a panel this many times as large, and no larger.
WIDEN = 2.0
# What of a line's colour is left on the paper.
STRENGTH = 0.55
DOTTED = (0, (1, 1.5))
# Above the areas, below the study's lines.
BEHIND = 1.5


def published_panels(reference: pd.DataFrame | None) -> list[Panel]:
    """The panels of a published effects.csv: of full targets, the lines of LINES alone."""
    if reference is None:
        return []
    full = reference["target_size"].astype(str) == "all"
    return panels_of(reference[full & reference["effect"].isin(list(LINES))])


def published_lines(panel: Panel, published: list[Panel]) -> list[tuple[Look, pd.DataFrame]]:
    """What stands behind one panel, up to its last n: random splits behind random splits, all other
    published halves behind others."""
    lines = []
    for other in published:
        if (other.split_kind == EXCHANGEABLE) != (panel.split_kind == EXCHANGEABLE):
            continue
        for effect, look in LINES.items():
            rows = other.rows[other.rows["effect"] == effect].sort_values("n")
            rows = rows[rows["n"] <= panel.rows["n"].max()]
            if len(rows):
                lines.append((_pale(look, other.pool), rows))
    return lines


def _pale(look: Look, pool: str) -> Look:
    colour = tuple(
        STRENGTH * np.array(to_rgb(look.colour)) + (1 - STRENGTH) * np.array(to_rgb(PAPER))
    )
    return look._replace(colour=colour, dashes=DOTTED if pool == "A" else look.dashes)


def _style(look: Look) -> dict[str, object]:
    return {"color": look.colour, "linestyle": look.dashes, "linewidth": 1.0}


def published_look() -> Look:
    """How a legend shows the published lines."""
    return _pale(LINES["transfer"], "")._replace(label="thin, pale: 2014", marker="")


def published_sample() -> Line2D:
    """A legend's sample of the published lines."""
    look = published_look()
    return Line2D([], [], **_style(look), label=look.label)


def draw_published(grid: list[Axes], panels: list[Panel], published: list[Panel]) -> bool:
    """The published lines in each panel, behind what is drawn; True if some leave theirs.

    The study's own lines decide a panel's limits, which the published ones may widen.
    """
    limits = {axes: axes.get_ylim() for axes in grid}
    heights: dict[Axes, list[float]] = {axes: [] for axes in grid}
    for axes, panel in zip(grid, panels, strict=True):
        axes.set_autoscale_on(False)
        for look, rows in published_lines(panel, published):
            height = 100 * rows["mean"]
            axes.plot(rows["n"], height, **_style(look), zorder=BEHIND, label="published")
            for sibling in axes.get_shared_y_axes().get_siblings(axes):
                heights[sibling] += list(height)
    leave = False
    for axes, (low, high) in limits.items():
        if not heights[axes]:
            continue
        below, above = max(0.0, low - min(heights[axes])), max(0.0, max(heights[axes]) - high)
        # So that a line does not run along the edge.
        below, above = 1.05 * below, 1.05 * above
        share = min(1.0, (WIDEN - 1) * (high - low) / max(below + above, 1e-12))
        leave |= share < 1
        axes.set_ylim(low - share * below, high + share * above)
    return leave


def published_words(panels: list[Panel], published: list[Panel], leave: bool) -> str:
    """Sentences that say what the pale lines are."""
    shown = [other for other in published if any(published_lines(p, [other]) for p in panels)]
    if not shown:
        return ""
    uneven = any(not are_even(other.rows) for other in shown)
    deeper = max(p.rows["n"].max() for p in panels) > max(p.rows["n"].max() for p in shown)
    words = [
        "Thin pale lines, without intervals: published networks of 2014 (CaffeNet, ImageNet; "
        "Yosinski et al. 2014)",
        "; each over the halves and replicates of which scores were published" if uneven else "",
        "; their n counts CaffeNet's layers",
        ", other layers than here." if deeper else ".",
    ]
    halves = sorted({other.split_kind for other in shown if other.pool == "A"})
    if halves:
        words.append(f" In panels of other splits: {' and '.join(halves)}, target A dotted.")
    if leave:
        words.append(" Where they leave a panel they are cut off.")
    return "".join(words)
