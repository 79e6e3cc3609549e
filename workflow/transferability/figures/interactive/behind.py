"""What stands behind the lines of effects: noise, the areas between them, the published lines."""

import altair as alt
import pandas as pd
from matplotlib.colors import to_hex

from transferability.figures.areas import AREAS, BASELINE, UNPAIRED_MARK, Area, edges, is_paired
from transferability.figures.interactive.chart import DASHED, HERE, MARGIN
from transferability.figures.interactive.marks import dash, plain
from transferability.figures.panels import Panel
from transferability.figures.reference import published_lines, published_look
from transferability.figures.relative import LINES, noise_width
from transferability.figures.style import INK, LIGHT

# Of the length of the axis of n: how far apart the brackets stand.
APART = 0.06
# In the width of an area: so many stripes, slanting by a tenth of it.
STRIPES, SLANT = 60, 0.1
# Pixels; the study's own lines have 2.
THIN = 1.4


def noise_layers(panels: list[Panel]) -> list[alt.Chart]:
    """Training noise as a band about zero."""
    widths = {panel.place: noise_width(panel.rows) for panel in panels}
    bands = [
        {"panel": place, "low": -width, "high": width}
        for place, width in widths.items()
        if width is not None
    ]
    if not bands:
        return []
    band = alt.Chart(pd.DataFrame(bands)).transform_filter(HERE)
    return [band.mark_rect(color=to_hex(LIGHT)).encode(y="low:Q", y2="high:Q")]


def areas_of(panels: list[Panel]) -> pd.DataFrame:
    """A row for each area of a panel at each n: both heights, in percentage points, the treatments
    of both lines, and the area's number; none where no area is."""
    rows = [
        edges(panel.rows, area)
        .set_axis(["lower", "upper"], axis=1)
        .reset_index()
        .assign(
            panel=panel.place,
            area=area.number,
            number=area.number + ("" if is_paired(panel.rows, area) else UNPAIRED_MARK),
            treatment=plain(LINES[area.upper].label),
            against=plain(LINES[area.upper if area.lower == BASELINE else area.lower].label),
        )
        for panel in panels
        for area in AREAS
        if len(edges(panel.rows, area))
    ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def room_of(areas: pd.DataFrame) -> float:
    """The layers to the right of the last n that brackets need."""
    return (len(AREAS) + 1) * _step(areas) if len(areas) else MARGIN


def _step(areas: pd.DataFrame) -> float:
    return APART * (areas["n"].max() + 2 * MARGIN)


def area_layers(areas: pd.DataFrame) -> list[alt.Chart]:
    """The areas, and to the right of each a bracket with its number."""
    layers = []
    for place, area in enumerate(AREAS, start=1):
        rows = areas[areas["area"] == area.number] if len(areas) else areas
        if rows.empty:
            continue
        at = areas["n"].max() + place * _step(areas)
        ends = rows.groupby("panel", sort=False).last().reset_index()
        ends = ends.assign(at=at, top=ends[["lower", "upper"]].max(axis=1))
        bracket = _while_both_are_on(ends).encode(x="at:Q")
        colour = area.colour
        layers += [
            _while_both_are_on(rows)
            .mark_area(fill=_fill(area), line=False)
            .encode(x="n:Q", y="lower:Q", y2="upper:Q"),
            bracket.mark_rule(color=colour, strokeWidth=2).encode(y="lower:Q", y2="upper:Q"),
            # The ticks at both ends show a bracket that is too short to be seen.
            *(
                bracket.mark_tick(color=colour, orient="horizontal", size=8, thickness=2).encode(
                    y=f"{end}:Q"
                )
                for end in ("lower", "upper")
            ),
            bracket.mark_text(color=to_hex(INK), dy=-10).encode(y="top:Q", text="number:N"),
        ]
    return layers


def published_layers(panels: list[Panel], published: list[Panel]) -> list[alt.Chart]:
    """The published lines of each panel, thin and pale."""
    label = plain(published_look().label)
    lines = [
        pd.DataFrame(
            {
                "panel": panel.place,
                "line": place,
                "n": rows["n"],
                "value": 100 * rows["mean"],
                "colour": to_hex(look.colour),
                "dash": [dash(look)] * len(rows),
                "treatment": plain(look.label),
                "against": label,
            }
        )
        for panel in panels
        for place, (look, rows) in enumerate(published_lines(panel, published))
    ]
    if not lines:
        return []
    line = _while_both_are_on(pd.concat(lines, ignore_index=True)).mark_line(strokeWidth=THIN)
    return [
        line.encode(
            x="n:Q",
            y="value:Q",
            detail="line:N",
            color=alt.Color("colour:N", scale=None),
            strokeDash=DASHED,
        )
    ]


def _while_both_are_on(rows: pd.DataFrame) -> alt.Chart:
    """Rows that are drawn where both treatments that they name are switched on."""
    chart = alt.Chart(rows).transform_filter(HERE)
    # By the value of the selection, which itself would look at one column alone.
    for line in ("treatment", "against"):
        chart = chart.transform_filter(f"on.treatment && indexof(on.treatment, datum.{line}) >= 0")
    return chart


def _fill(area: Area) -> str | alt.Gradient:
    """The area's colour, or stripes of it where the area is hatched."""
    if not area.hatch:
        return f"{area.colour}21"
    stops = []
    for stripe in range(STRIPES):
        for colour, start, end in ((f"{area.colour}00", 0, 0.6), (f"{area.colour}73", 0.6, 1)):
            stops += [
                alt.GradientStop(color=colour, offset=(stripe + offset) / STRIPES)
                for offset in (start, end)
            ]
    return alt.Gradient(gradient="linear", stops=stops, x1=0, y1=0, x2=1 + SLANT, y2=SLANT)
