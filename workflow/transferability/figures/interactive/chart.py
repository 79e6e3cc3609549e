"""Treatments against n as a Vega-Lite chart: one panel at a time, one legend that switches."""

from collections.abc import Iterable, Sequence

import altair as alt
import pandas as pd
from matplotlib.colors import to_hex

from transferability.figures.options import in_use
from transferability.figures.style import GREY, INK, LIGHT, PAPER, Look, face

# Pixels.
HEIGHT, LEGEND_COLUMNS = 420, 2
SHAPES = {"D": "diamond", "o": "circle", "^": "triangle-up", "": "stroke"}
# Of letters, in pixels at 8 points in print: a screen is read from further away.
PIXELS_PER_POINT = 1.6
# Layers to either side of the first and the last n.
MARGIN = 0.4
# The rows of the panel that is chosen.
HERE = "datum.panel == panel"
# By no scale, or the legend would draw the outlines of markers with the dashes of their lines.
DASHED = alt.StrokeDash("dash:N", scale=None)


def chart(
    marks: pd.DataFrame,
    looks: dict[str, Look],
    levels: pd.DataFrame,
    named: dict[str, str],
    title: str,
    behind: Sequence[alt.Chart] = (),
    room: float = MARGIN,
) -> alt.LayerChart:
    """The chart of the rows of `marks_of`, one look for each treatment, in the legend's order.

    `levels` are the dotted lines, `named` the columns that a pointer tells first, with their
    titles, `title` that of the vertical axis. `behind` are layers below the lines, and `room` the
    layers to the right of the last n that they need.
    """
    places = list(dict.fromkeys(marks["panel"]))
    panel = alt.param("panel", value=places[0])
    if len(places) > 1:
        panel.param.bind = alt.binding_select(options=places, name="Where: ")
    x = alt.X(
        "at:Q",
        title="n, layers copied",
        axis=alt.Axis(values=sorted({0, *marks["n"]}), format="d", grid=False),
        scale=alt.Scale(nice=False, domain=[-MARGIN, int(marks["n"].max()) + room]),
    )
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    on = alt.selection_point(
        name="on",
        fields=["treatment"],
        bind="legend",
        toggle="true",
        clear=False,
        empty=False,
        value=[{"treatment": name} for name in looks],
    )
    scales = _scales(looks)
    data = (
        alt.Chart(marks)
        .transform_filter(HERE)
        .transform_filter(on)
        .encode(x=x, color=scales["color"])
    )
    level = alt.Chart(levels).transform_filter(HERE)
    layers = [
        *behind,
        level.mark_rule(color=to_hex(INK), strokeDash=[2, 2]).encode(y=y),
        data.mark_line().encode(y=alt.Y("mean(value):Q"), strokeDash=DASHED),
        data.mark_rule().encode(y="low:Q", y2="high:Q"),
        data.mark_point(size=70, opacity=1)
        .encode(y=y, shape=scales["shape"], fill=scales["fill"], tooltip=_told(named))
        .add_params(on, panel),
    ]
    drawn = alt.layer(*layers).properties(width="container", height=HEIGHT)
    return drawn.configure(**_configuration())


def _told(named: dict[str, str]) -> list[alt.Tooltip]:
    """What a pointer tells of a mark."""
    told = [
        alt.Tooltip("value:Q", title=words, format=".1f")
        if column == "value"
        else alt.Tooltip(f"{column}:N", title=words)
        for column, words in named.items()
    ]
    return [
        *told,
        alt.Tooltip("span:N", title="95 % interval"),
        alt.Tooltip("interval:N", title="kind"),
        alt.Tooltip("replicates:Q"),
        alt.Tooltip("n:Q"),
    ]


def _scales(looks: dict[str, Look]) -> dict[str, object]:
    """How each treatment is told from the others, one legend for all."""
    legend = alt.Legend(title="click to switch off and on", orient="top", columns=LEGEND_COLUMNS)

    def of(channel: type, values: Iterable) -> object:
        scale = alt.Scale(domain=list(looks), range=list(values))
        return channel("treatment:N", scale=scale, legend=legend)

    return {
        "color": of(alt.Color, [to_hex(look.colour) for look in looks.values()]),
        "fill": of(alt.Fill, [to_hex(face(look)) for look in looks.values()]),
        "shape": of(alt.Shape, [SHAPES[look.marker] for look in looks.values()]),
    }


def _configuration() -> dict[str, object]:
    size, ink = round(PIXELS_PER_POINT * in_use().points), to_hex(INK)
    letters = {"labelFontSize": size, "titleFontSize": size, "labelColor": ink, "titleColor": ink}
    return {
        "background": to_hex(PAPER),
        "font": "sans-serif",
        "axis": {**letters, "domainColor": to_hex(GREY), "gridColor": to_hex(LIGHT)},
        "legend": {**letters, "titleFontWeight": "normal", "symbolSize": 90, "labelLimit": 0},
        "text": {"fontSize": size, "fontWeight": "bold"},
        "view": {"stroke": None},
    }
