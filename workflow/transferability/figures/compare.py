"""The effects of several studies in the same panels."""

import pandas as pd
from matplotlib.figure import Figure

from transferability.figures import notes, panels, style
from transferability.figures.effects import NO_EFFECTS
from transferability.figures.panels import Panel
from transferability.study.networks import ALL_IMAGES

COMPARED = (
    *("freeze_cost", "coadaptation", "specificity", "source_gap", "transfer", "boost"),
    *("boost_over_selffer", "gain_over_long", "reuse"),
)
COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)
MARKERS = "o^sDvPX"
COLUMNS, HEIGHT = 3, 2.1
SPREAD = 0.3


def panels_by_study(table: pd.DataFrame) -> dict[str, Panel]:
    """The panels of a table of one or several studies, by the words in which they differ."""
    named, several = {}, table["study"].nunique() > 1
    for study, rows in table.groupby("study", sort=False):
        places = panels.panels_of(rows)
        sizes = {panel.target_size for panel in places}
        for panel in places:
            parts = [study] * several + [panel.place] * (not several or len(places) > 1)
            parts += ["all images"] * (panel.target_size == ALL_IMAGES and len(sizes) > 1)
            named[", ".join(parts)] = panel
    return named


@style.styled(at_least=style.WIDTH)
def compare(effects_table: pd.DataFrame) -> Figure:
    """Effects (percentage points) of several studies against n, or against n / number of layers if
    the networks have different numbers of layers.

    Drawn from a table of effects with the column `layers`, the number of layers of the study's
    network. There is a panel for each effect and a line for each study, with intervals as bars.
    """
    table = effects_table[effects_table["effect"].isin(COMPARED)]
    if table.empty:
        return style.empty(NO_EFFECTS)
    series, is_share = panels_by_study(table), table["layers"].nunique() > 1
    effects = [effect for effect in COMPARED if effect in set(table["effect"])]
    columns = min(COLUMNS, len(effects))
    rows = -(-len(effects) // columns)
    figure = style.new_figure(0.6 + HEIGHT * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    looks = {
        name: style.Look(
            name, "", COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)], k < len(COLOURS)
        )
        for k, name in enumerate(series)
    }
    for axes, effect in zip(grid.flat, effects, strict=False):
        panels.base_line(axes)
        axes.set_title(panels.with_sources(style.TITLES[effect], table))
        for k, (name, panel) in enumerate(series.items()):
            lines = panels.without_not_learned(panel.rows[panel.rows["effect"] == effect])
            # Side by side, so that bars do not cover each other.
            beside = SPREAD * ((k + 0.5) / len(series) - 0.5)
            at = (lines["n"] + beside) / (lines["layers"] if is_share else 1)
            panels.draw_line(axes, lines.assign(n=at), looks[name])
    for axes in grid.flat[len(effects) :]:
        axes.remove()
    # The lowest panel of each column.
    for axes in grid.flat[max(0, len(effects) - columns) : len(effects)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("$n$ / number of layers" if is_share else "$n$, layers copied or frozen")
    figure.supylabel("top-1 (percentage points)", fontsize="medium")
    # The width of the longest label, in inches.
    column = max(2.3, 0.4 + 0.055 * max(map(len, looks)))
    style.legend(figure, [look.sample(look.label) for look in looks.values()], column=column)
    style.note(
        figure,
        notes.intervals_are(table["interval"]),
        notes.lost_in(table, "Did not learn and are left out of means"),
        notes.missing(table),
    )
    return figure
