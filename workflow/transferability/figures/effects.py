"""Figure 2 below: the treatments relative to their base, and the effects between them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from transferability.analysis.effects import EXCHANGEABLE
from transferability.figures import notes, style
from transferability.figures.panels import Panel, noise_width, panel_grid, panels_of

# The areas between lines show best where the lines stand close to their n.
LINES = {
    effect: style.LOOKS[treatment]._replace(offset=style.LOOKS[treatment].offset / 2)
    for effect, treatment in (
        ("coadaptation", ("selffer", False)),
        ("self_boost", ("selffer", True)),
        ("transfer", ("transfer", False)),
        ("boost", ("transfer", True)),
    )
}
LONG_BASE = style.LOOKS["long_base", False]
LABELS = {effect: look.label for effect, look in LINES.items()} | {"base": "baseB"}
# What else is averaged, and how it is named.
BESIDE = {"long_base": LONG_BASE.label, "retraining": "B0B"}
NO_EFFECTS = "This study has no selffer or transfer networks beside their base."


class Area(NamedTuple):
    """An effect of the paper as the area between a line and a lower one, or the base at zero."""

    name: str
    control: str


AREAS = {
    "coadaptation": Area("fragile co-adaptation", "base"),
    "self_boost": Area("fine-tuning recovers it", "coadaptation"),
    "transfer": Area("representation specificity", "coadaptation"),
    "boost": Area("transfer + fine-tuning improves", "base"),
}
SHADE = 0.13
# The published lines may make each side of a panel longer by its range this many times, no longer.
WIDEN = 1.0
# What of a line's colour is left on the paper, and how wide it is, in points.
STRENGTH, THIN = 0.55, 1.0
# Above the areas, below the study's lines.
BEHIND = 1.5


def area_edges(rows: pd.DataFrame, effect: str) -> pd.DataFrame:
    """The `lower` and `upper` line of an effect's area, in percentage points, at each n where both
    exist."""
    lines = rows[rows["n"] > 0].pivot(index="n", columns="effect", values="mean") * 100
    lines = lines.assign(base=0.0).reindex(columns=[AREAS[effect].control, effect]).dropna()
    return lines.set_axis(["lower", "upper"], axis=1)


def published_panels(reference: pd.DataFrame | None) -> list[Panel]:
    """The panels of a published effects.csv: of full targets, the lines of LINES alone."""
    if reference is None:
        return []
    full = reference["target_size"].astype(str) == "all"
    return panels_of(reference[full & reference["effect"].isin(list(LINES))])


def published_lines(panel: Panel, published: list[Panel]) -> list[tuple[style.Look, pd.DataFrame]]:
    """What stands behind one panel, up to its last n: random splits behind random splits, all other
    published halves behind others; pale, and dotted for target A."""
    lines = []
    for other in published:
        if (other.split_kind == EXCHANGEABLE) != (panel.split_kind == EXCHANGEABLE):
            continue
        for effect, look in LINES.items():
            rows = other.rows[other.rows["effect"] == effect].sort_values("n")
            rows = rows[rows["n"] <= panel.rows["n"].max()]
            if len(rows):
                lines.append((pale(look, dotted=other.pool == "A"), rows))
    return lines


def pale(look: style.Look, dotted: bool = False) -> style.Look:
    """How a published line is drawn."""
    ink, paper = np.array(to_rgb(look.colour)), np.array(to_rgb(style.PAPER))
    colour = tuple(STRENGTH * ink + (1 - STRENGTH) * paper)
    dashes = (0, (1, 1.5)) if dotted else look.dashes
    return look._replace(label="thin, pale: 2014", colour=colour, marker="", dashes=dashes)


def _draw_panel(axes: Axes, panel: Panel) -> None:
    rows = panel.rows
    width = noise_width(rows)
    if len(width):
        width = width.max()
        axes.axhspan(-width, width, color=style.LIGHT, zorder=0, lw=0, label="training noise")
    style.zero_line(axes)
    axes.plot(0, 0, **style.LOOKS["base", False].style)
    style.draw_means(axes, rows[rows["effect"] == "long_base"], LONG_BASE)
    for effect, look in LINES.items():
        of_effect = rows[rows["effect"] == effect]
        if len(of_effect):
            style.draw_means(axes, of_effect, look)
        edges = area_edges(rows, effect)
        shade = {"color": look.colour, "alpha": SHADE, "lw": 0, "zorder": 0.5}
        shade["label"] = f"area {effect}"
        axes.fill_between(edges.index, edges["lower"], edges["upper"], **shade)


def _draw_published(grid: list[Axes], panels: list[Panel], published: list[Panel]) -> bool:
    """The published lines in each panel, behind what is drawn; True if any are cut off.

    The study's own lines decide a panel's limits, which the published ones may widen.
    """
    limits = [axes.get_ylim() for axes in grid]
    are_cut = False
    for axes, panel, (low, high) in zip(grid, panels, limits, strict=True):
        axes.set_autoscale_on(False)
        heights = []
        for look, rows in published_lines(panel, published):
            heights += list(100 * rows["mean"])
            thin = look.style | {"label": "published", "lw": style.scaled(THIN), "zorder": BEHIND}
            axes.plot(rows["n"], 100 * rows["mean"], **thin)
        if not heights:
            continue
        # So that a line does not run along the edge.
        margin = 0.05 * (high - low)
        least, most = low - WIDEN * (high - low), high + WIDEN * (high - low)
        are_cut |= min(heights) < least or max(heights) > most
        bottom, top = axes.get_ylim()
        bottom = min(bottom, max(least, min(heights) - margin))
        axes.set_ylim(bottom, max(top, min(most, max(heights) + margin)))
    return are_cut


def published_words(panels: list[Panel], published: list[Panel], are_cut: bool = False) -> str:
    """Sentences that say what the pale lines are."""
    shown = [other for other in published if any(published_lines(p, [other]) for p in panels)]
    if not shown:
        return ""
    deeper = max(p.rows["n"].max() for p in panels) > max(p.rows["n"].max() for p in shown)
    halves = sorted({other.split_kind for other in shown if other.pool == "A"})
    return (
        "Thin and pale: published networks of 2014 (CaffeNet, ImageNet; Yosinski et al. 2014)"
        + (", where n counts other layers than here" if deeper else "")
        + (f"; {' and '.join(halves)}, target A dotted" if halves else "")
        + ("; cut off where they leave a panel." if are_cut else ".")
    )


def average_words(panels: list[Panel]) -> str:
    """Sentences on what lines average, where they differ in it."""
    names = LABELS | BESIDE
    words = [
        notes.uneven(panel, panel.rows.assign(line=panel.rows["effect"].map(names)))
        for panel in panels
    ]
    if any(words):
        words.append("Areas between such lines are no paired effects; effects.csv has those.")
    return " ".join(filter(None, words))


def _handles(panels: list[Panel], published: list[Panel]) -> list[Line2D | Patch | tuple]:
    handles = [style.LOOKS["base", False].sample()]
    present = set().union(*(panel.rows["effect"] for panel in panels))
    if "long_base" in present:
        handles.append(LONG_BASE.sample(f"{LONG_BASE.label} − baseB"))
    if "retraining" in present:
        handles.append(Patch(color=style.LIGHT, label="± |B0B − baseB|, training noise"))
    if any(published_lines(panel, published) for panel in panels):
        thin = pale(LINES["transfer"]).sample()
        thin.set_linewidth(style.scaled(THIN))
        handles.append(thin)
    for effect, look in LINES.items():
        if effect in present:
            name, control = AREAS[effect]
            less = "" if control == "base" else f"; less {LABELS[control]}"
            has_area = any(len(area_edges(panel.rows, effect)) for panel in panels)
            area = f"{less}: {name}" if has_area else ""
            handles.append(look.sample(f"{look.label} − baseB{area}"))
    return handles


@style.styled()
def effects(effects_table: pd.DataFrame, reference: pd.DataFrame | None = None) -> Figure:
    """BnB, BnB+, AnB and AnB+ relative to their base (percentage points) against n.

    Drawn from effects.csv alone: coadaptation, transfer, boost and self_boost as lines with
    interval bars, the four effects of the paper as shaded areas in the colours of their lines,
    retraining as a grey band about zero, long_base as a marker at n = 0. A panel for each kind of
    split, target size and, except on random splits, target. `reference` is another effects.csv,
    that of the published networks, whose lines stand faintly behind: those of random splits in
    panels of random splits, those of its other splits in others. Source: Yosinski et al. 2014,
    Figure 2, below.
    """
    table = effects_table[effects_table["effect"].isin([*LINES, *BESIDE])]
    if not table["effect"].isin(list(LINES)).any():
        return style.empty(NO_EFFECTS)
    panels, published = panels_of(table), published_panels(reference)
    ylabel = "top-1 relative to the base\n(percentage points)"
    figure, grid = panel_grid(panels, ylabel, tall=3.4, small=2.3, top=1.0)
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel)
    are_cut = _draw_published(grid, panels, published)
    style.legend(figure, _handles(panels, published), column=3.3)
    style.note(
        figure,
        notes.intervals_are(table["interval"]),
        average_words(panels),
        notes.halves(panels),
        published_words(panels, published, are_cut),
    )
    return figure
