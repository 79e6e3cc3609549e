"""Figure 2 below, to explore: treatments relative to their base, and the effects between them."""

import pandas as pd

from transferability.figures.areas import AREAS, edges, number_words
from transferability.figures.effects import BESIDE, average_words
from transferability.figures.interactive.behind import (
    area_layers,
    areas_of,
    noise_layers,
    published_layers,
    room_of,
)
from transferability.figures.interactive.chart import chart
from transferability.figures.interactive.marks import marks_of, plain
from transferability.figures.interactive.page import empty, page
from transferability.figures.panels import Panel, panels_of
from transferability.figures.reference import (
    published_lines,
    published_look,
    published_panels,
    published_words,
)
from transferability.figures.relative import LINES, LONG_BASE, noise_width
from transferability.figures.style import styled
from transferability.figures.words import target_words

TITLE = "top-1 relative to the base (points)"
DIFFERENCES = {"effect": "effect", "network": "difference", "value": "mean (points)"}


@styled
def effects(table: pd.DataFrame, reference: pd.DataFrame | None = None) -> str:
    """The page of `figures.effects`, with all that it shows: the treatments relative to their base,
    in percentage points, with the intervals of effects.csv, base2B, the areas between the lines,
    training noise as a band about zero, and the published lines of `reference`.

    An area is there while both of its lines are, and a published line while the study's own is.
    Those of 2014 are switched off together, too, and so are never cut off.
    """
    table = table[table["effect"].isin([*LINES, *BESIDE])]
    if not table["effect"].isin(list(LINES)).any():
        return empty("This study has no selffer or transfer networks beside their base.")
    panels, published = panels_of(table), published_panels(reference)
    marks = pd.concat([_differences(panel) for panel in panels], ignore_index=True)
    levels = marks[["panel"]].drop_duplicates().assign(value=0.0)
    looks = {
        plain(look.label): look
        for effect, look in {**LINES, "long_base": LONG_BASE}.items()
        if effect in set(table["effect"])
    }
    if any(published_lines(panel, published) for panel in panels):
        looks[plain(published_look().label)] = published_look()
    areas = areas_of(panels)
    behind = [
        *noise_layers(panels),
        *area_layers(areas),
        *published_layers(panels, published),
    ]
    in_areas = {area for area in AREAS if any(len(edges(panel.rows, area)) for panel in panels)}
    has_noise = any(noise_width(panel.rows) is not None for panel in panels)
    words = [
        "Dotted: baseB.",
        "Grey: training noise, ± |B0B − baseB|." if has_noise else "",
        number_words(in_areas),
        *average_words(panels),
        target_words(panels),
        published_words(panels, published, leave=False),
    ]
    drawn = chart(marks, looks, levels, DIFFERENCES, TITLE, behind, room_of(areas))
    return page(drawn, TITLE, words)


def _differences(panel: Panel) -> pd.DataFrame:
    looks = {**LINES, "long_base": LONG_BASE}
    rows = panel.rows[panel.rows["effect"].isin(list(looks))]
    names = [
        f"{plain(looks[effect].label.replace('$n$', str(n)))} − baseB"
        for effect, n in zip(rows["effect"], rows["n"], strict=True)
    ]
    own = [looks[effect] for effect in rows["effect"]]
    return marks_of(rows.assign(network=names), panel, own).assign(effect=rows["effect"].tolist())
