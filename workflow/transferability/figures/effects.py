"""Figure 2 below: the treatments relative to their base, and the effects between them."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from transferability.figures.areas import (
    AREAS,
    FURTHER,
    NAMES,
    UNPAIRED_MARK,
    Area,
    draw_areas,
    edges,
    is_paired,
    name_areas,
    number_words,
)
from transferability.figures.panels import Panel, is_wide, panel_grid, panels_of
from transferability.figures.reference import (
    draw_published,
    published_lines,
    published_panels,
    published_sample,
    published_words,
)
from transferability.figures.relative import LINES, LONG_BASE, draw_noise, draw_relative
from transferability.figures.style import (
    LIGHT,
    LOOKS,
    empty,
    layer_axis,
    legend,
    note,
    sample,
    styled,
)
from transferability.figures.words import interval_words, target_words, uneven_words

# What else is averaged, and how it is named.
BESIDE = {"long_base": LONG_BASE.label, "retraining": "B0B"}


def _draw_panel(axes: Axes, panel: Panel, stretch: float) -> dict[Area, float]:
    """Draw all but the names of the areas, and return the height of each area's bracket."""
    rows = panel.rows
    draw_noise(axes, rows)
    heights = draw_areas(axes, rows, stretch)
    for effect, look in LINES.items():
        own = rows[rows["effect"] == effect]
        if len(own):
            draw_relative(axes, own, look, look.label, band=True)
    layers = sorted({0, *rows["n"]})
    layer_axis(axes, layers)
    if heights:
        axes.set_xlim(right=layers[-1] + stretch * NAMES + (0 if is_wide(axes) else 0.8))
    axes.set_title(panel.title)
    axes.spines[["top", "right"]].set_visible(False)
    return heights


def effect_lines(panel: Panel) -> dict[str, pd.DataFrame]:
    """The rows of each line of a panel, by its label."""
    labels = {effect: look.label for effect, look in LINES.items()} | BESIDE
    rows = {label: panel.rows[panel.rows["effect"] == effect] for effect, label in labels.items()}
    return {label: own for label, own in rows.items() if len(own)}


def average_words(panels: list[Panel]) -> list[str]:
    """Sentences on what lines average, where they differ in it, and on areas between such lines."""
    uneven = [words for panel in panels if (words := uneven_words(panel, effect_lines(panel)))]
    if not uneven:
        return []
    marked = any(
        len(edges(panel.rows, area)) and not is_paired(panel.rows, area)
        for panel in panels
        for area in AREAS
    )
    areas = f"Areas marked {UNPAIRED_MARK} lie between such lines and" if marked else "Such lines"
    apart = "are no paired effects" if marked else "have no paired effect between them"
    return [*uneven, f"{areas} {apart}; effects.csv has those."]


def _numbered(panels: list[Panel], grid: list[Axes]) -> set[Area]:
    """The areas that are numbered in small panels and named in no wide one."""

    def present(wide: bool) -> set[Area]:
        return {
            area
            for panel, axes in zip(panels, grid, strict=True)
            for area in AREAS
            if is_wide(axes) == wide and len(edges(panel.rows, area))
        }

    return present(False) - present(True)


def _legend(figure: Figure, panels: list[Panel], published: list[Panel]) -> None:
    present = {effect for panel in panels for effect in panel.rows["effect"]}
    handles = [sample(LOOKS["base", False], "baseB")]
    if "long_base" in present:
        handles.append(sample(LONG_BASE, "base2B − baseB"))
    if "retraining" in present:
        handles.append(Patch(color=LIGHT, label="± |B0B − baseB|, training noise"))
    handles += [sample(look, f"{look.label} − baseB") for e, look in LINES.items() if e in present]
    if any(published_lines(panel, published) for panel in panels):
        handles.append(published_sample())
    legend(figure, handles)


@styled
def effects(effects_table: pd.DataFrame, reference: pd.DataFrame | None = None) -> Figure:
    """BnB, BnB+, AnB and AnB+ relative to their base (percentage points) against n.

    Drawn from effects.csv alone: coadaptation, transfer, boost and self_boost as lines with
    interval bands, the four effects of the paper as the shaded areas between them, retraining
    as a grey band about zero, long_base as a marker at n = 0. A panel for each kind of split,
    target size and, except on random splits, target. `reference` is another effects.csv, that of
    the published networks, whose lines stand faintly behind: those of random splits in panels of
    random splits, those of its other splits in others. Source: Yosinski et al. 2014, Figure 2,
    below.
    """
    table = effects_table[effects_table["effect"].isin([*LINES, *BESIDE])]
    if not table["effect"].isin(list(LINES)).any():
        return empty("This study has no selffer or transfer networks beside their base.")
    panels, published = panels_of(table), published_panels(reference)
    figure, grid = panel_grid(panels, tall=3.4, small=2.3, top=1.0)
    stretches = [1.0 if is_wide(axes) else FURTHER for axes in grid]
    heights = [
        _draw_panel(axes, panel, stretch)
        for axes, panel, stretch in zip(grid, panels, stretches, strict=True)
    ]
    leave = draw_published(grid, panels, published)
    # The names stand apart by a share of the limits, which the last panel may still move.
    for axes, panel, brackets, stretch in zip(grid, panels, heights, stretches, strict=True):
        name_areas(axes, panel.rows, brackets, stretch, in_full=is_wide(axes))
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("top-1 relative to the base\n(percentage points)")
    _legend(figure, panels, published)
    note(
        figure,
        interval_words(table["interval"], "Bands and bars"),
        number_words(_numbered(panels, grid)),
        *average_words(panels),
        target_words(panels),
        published_words(panels, published, leave),
    )
    return figure
