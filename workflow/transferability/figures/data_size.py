"""The effects against the number of images per class in the target half."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.effects import size_order
from transferability.figures import notes, panels, style
from transferability.figures.effects import NO_EFFECTS
from transferability.study.networks import ALL_IMAGES

# Rows for frozen and fine-tuned networks, and for the cost of freezing. In a study of halves, a row
# shows transfer − base, which is the sum of transfer − selffer and selffer − base.
ROWS = (
    ("transfer", "specificity", "source_gap", "coadaptation"),
    ("boost", "boost_over_selffer", "gain_over_long", "self_boost"),
    ("freeze_cost", "reinit_cost", "restart"),
)
HEIGHT = 1.9
MARKERS = "os^vDPX"
# The markers of one size are spread over this share of the distance between sizes.
SPREAD = 0.25
MOST_LEVEL = 6


def _looks(layers: dict[int, str]) -> dict[int, style.Look]:
    """The look of each n: darker for deeper layers, with a different marker from its neighbours."""
    looks = {}
    for place, (n, colour) in enumerate(style.layer_palette(list(layers)).items()):
        marker, filled = MARKERS[place % len(MARKERS)], place // len(MARKERS) % 2 == 0
        offset = SPREAD * ((place + 0.5) / len(layers) - 0.5)
        label = panels.with_layer(n, layers[n])
        looks[n] = style.Look(label, "", colour, marker, filled, offset=offset)
    return looks


def _draw_place(grid: dict[str, Axes], rows: pd.DataFrame, looks: dict[int, style.Look]) -> None:
    """Draws a line for each effect and n against the position of the size (percentage points)."""
    for (effect, n), line in panels.without_not_learned(rows).groupby(["effect", "n"]):
        panels.draw_line(grid[effect], line.assign(n=line["at"]), looks[n])
    for (effect, n), lost in panels.with_not_learned(rows).groupby(["effect", "n"]):
        x = lost["at"] + looks[n].offset
        panels.draw_crosses(grid[effect], x, 100 * lost["mean"], looks[n])


@style.styled(at_least=style.WIDTH)
def data_size(effects_table: pd.DataFrame) -> Figure:
    """Effects (percentage points) against the number of images per class of the target half.

    Drawn from effects.csv, only the effects in ROWS, with a line for each n and intervals as bars.
    Sizes are at equal distances. There are separate panels for each source, kind of split and,
    except on random splits, target.
    """
    table = effects_table[effects_table["effect"].isin(sum(ROWS, ()))]
    if table.empty:
        return style.empty(NO_EFFECTS)
    sizes = list(table.sort_values("target_size", key=size_order)["target_size"].unique())
    if len(sizes) == 1:
        return style.empty("This study has only one size of the target half (key target_sizes).")
    table = table.assign(at=table["target_size"].map(sizes.index))
    layers = {n: name for n, name in panels.layer_names(table).items() if n}
    places, looks = panels.panels_of(table, by_size=False), _looks(layers)
    rows = [[effect for effect in row if effect in set(table["effect"])] for row in ROWS]
    rows = [row for row in rows if row]
    columns = max(map(len, rows))
    figure, parts = panels.place_rows(places, HEIGHT * len(rows))
    for part, panel in zip(parts, places, strict=True):
        grid = part.subplots(len(rows), columns, squeeze=False, sharex=True, sharey="row")
        drawn = {}
        for line, effects in zip(grid, rows, strict=True):
            for axes, effect in zip(line, effects, strict=False):
                panels.base_line(axes)
                axes.set_title(panels.with_sources(style.TITLES[effect], table))
                axes.set_xticks(range(len(sizes)), sizes, rotation=90 * (len(sizes) > MOST_LEVEL))
                drawn[effect] = axes
            for axes in line[len(effects) :]:
                axes.remove()
        _draw_place(drawn, panel.rows, looks)
        for axes in grid[-1][: len(rows[-1])]:
            axes.set_xlabel("images per class")
        part.supylabel("top-1 (percentage points)", fontsize="medium")
    style.legend(figure, [look.sample(look.label) for look in looks.values()], column=1.1)
    style.note(
        figure,
        notes.intervals_are(table["interval"]),
        "Sizes are drawn at equal distances.",
        "all: every image of a class." if ALL_IMAGES in sizes else "",
        notes.lost_in(table),
        notes.missing(table),
        notes.halves(places),
    )
    return figure
