"""The main figures as pages to explore: a pointer names a network or an effect, a click on the
legend brings out one treatment. A page holds its own scripts, and asks no other address for
anything."""

import html
import json
from collections.abc import Collection, Iterable, Sequence

import altair as alt
import pandas as pd
from matplotlib.colors import to_hex

from transferability.analysis.effects import of_treatment
from transferability.analysis.vocabulary import bracket
from transferability.figures import notes, panels, style
from transferability.figures.effects import DRAWN, LINES, NO_EFFECTS, published_behind
from transferability.figures.transfer import NO_NETWORKS, SHOWN, shown_of

HEIGHT = 420
SHAPES = {"D": "diamond", "o": "circle", "^": "triangle-up", "v": "triangle-down"}
SHAPES |= {"s": "square", "P": "cross"}
DASHES = {"-": [1, 0], ":": [1, 2], "none": [1, 0], style.DASHED: [6, 3]}
CROSS = "M-1,-1L1,1M-1,1L1,-1"
# Of letters, in pixels at 8 points in print: a screen is read from further away.
PIXELS_PER_POINT = 1.6
ON_AXES = ["treatment", "at", "dash"]


@style.styled()
def transfer(networks: pd.DataFrame) -> str:
    """The page of `figures.transfer`: each network, and the lines through the means, in % of top-1.
    Errors as there."""
    table = shown_of(networks, SHOWN)
    if table.empty:
        return _empty(NO_NETWORKS)
    marks, lines, looks = [], [], panels.looks_of(table, SHOWN)
    for panel in panels.panels_of(table):
        for treatment, look in looks.items():
            rows = of_treatment(panel.rows, treatment)
            networks_of = rows.assign(mean=rows["top1"], name=notes.names_of(rows))
            marks.append(_placed(networks_of, panel.place, look))
            lines.append(
                _placed(panels.means(rows[rows["learned"]], "top1", ["n"]), panel.place, look)
            )
    lines = pd.concat(lines)
    base = lines[lines["treatment"] == _plain(style.LOOKS["base", False].label)]
    tooltip = {"name": "network", "value": "top-1 (%)", "n": "n", "layer": "layer"}
    words = [notes.not_learned(notes.names_of(table[~table["learned"]])), notes.missing(networks)]
    chart = _chart(pd.concat(marks), lines, base, looks.values(), tooltip)
    return _page(chart, "top-1 accuracy (%)", words)


@style.styled()
def effects(effects_table: pd.DataFrame, reference: pd.DataFrame | None = None) -> str:
    """The page of `figures.effects`: the treatments relative to their base, in percentage points,
    with their intervals, and the published lines of `reference` behind them."""
    table = effects_table[effects_table["effect"].isin([*LINES, "long_base"])]
    if not table["effect"].isin(list(LINES)).any():
        return _empty(NO_EFFECTS)
    present = [effect for effect in DRAWN if effect in set(table["effect"])]
    marks, behind, drawn = (
        [],
        [],
        {effect: panels.named(DRAWN[effect], table) for effect in present},
    )
    for panel in panels.panels_of(table):
        for effect, look in drawn.items():
            rows = panel.rows[panel.rows["effect"] == effect]
            kept = panels.without_not_learned(rows).dropna(subset="mean").assign(learned=True)
            rows = pd.concat([kept, panels.with_not_learned(rows).assign(learned=False)])
            marks.append(_placed(rows.assign(name=effect), panel.place, look))
        for effect, rows in published_behind(panel, reference):
            behind.append(_placed(rows, panel.place, LINES[effect]._replace(offset=0)))
    marks = pd.concat(marks)
    marks["points"] = [bracket(*ends) for ends in marks[["low", "high"]].to_numpy(float)]
    marks[["low", "high"]] *= 100
    base = marks[["panel"]].drop_duplicates().assign(value=0.0)
    tooltip = {"name": "effect", "value": "mean (points)", "points": "interval", "interval": "kind"}
    tooltip |= {"replicates": "replicates", "n": "n", "layer": "layer"}
    kinds = table.loc[table["effect"].isin(list(LINES)), "interval"]
    words = [notes.intervals_are(kinds)]
    words += [notes.lost_in(table)]
    words += [notes.missing(table), notes.of_2014(reference)]
    chart = _chart(marks, marks[marks["learned"]], base, drawn.values(), tooltip, behind)
    return _page(chart, "top-1 relative to baseB (percentage points)", words)


def _placed(rows: pd.DataFrame, place: str, look: style.Look) -> pd.DataFrame:
    """The rows with their panel, treatment, place on the axis of n, and mean in percent."""
    name, value = _plain(look.label), (100 * rows["mean"]).round(2)
    at, dash = rows["n"] + look.offset, [DASHES[look.dashes]] * len(rows)
    return rows.assign(panel=place, treatment=name, at=at, value=value, dash=dash)


def _chart(
    marks: pd.DataFrame,
    lines: pd.DataFrame,
    base: pd.DataFrame,
    looks: Collection[style.Look],
    tooltip: dict[str, str],
    behind: Sequence[pd.DataFrame] = (),
) -> alt.LayerChart:
    """One panel at a time: `marks` with the columns that a pointer shows of them, `lines` through
    them, the level of their `base`, and quiet lines `behind`."""
    places = list(dict.fromkeys(marks["panel"]))
    panel = alt.param("panel", value=places[0])
    if len(places) > 1:
        panel.param.bind = alt.binding_select(options=places, name="Where: ")
    chosen = alt.selection_point("chosen", fields=["treatment"], bind="legend", toggle="true")
    names = [_plain(look.label) for look in looks]
    colour, face, shape = (
        channel("treatment:N", title="click to bring out").scale(domain=names, range=values)
        for channel, values in (
            (alt.Color, [to_hex(look.colour) for look in looks]),
            (alt.Fill, [to_hex(look.colour if look.filled else style.PAPER) for look in looks]),
            (alt.Shape, [SHAPES[look.marker] for look in looks]),
        )
    )
    # By no scale, since the legend would draw the outlines of markers with it.
    dash = alt.StrokeDash("dash:N", scale=None)
    layers = panels.layer_names(marks)
    labels = json.dumps({n: [str(n), name] for n, name in layers.items()}, ensure_ascii=False)
    ticks = alt.Axis(values=list(layers), labelExpr=f"({labels})[datum.value]", grid=False)
    span = alt.Scale(nice=False, domain=[-0.4, max(layers) + 0.4])
    x = alt.X("at:Q", title="n, layers copied; name of the last", axis=ticks, scale=span)
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False))
    opacity = alt.when(chosen).then(alt.value(1)).otherwise(alt.value(0.1))

    def here(rows: pd.DataFrame, columns: Iterable[str]) -> alt.Chart:
        chart = alt.Chart(rows[list(dict.fromkeys(["panel", "value", *columns]))])
        return chart.transform_filter("datum.panel == panel").encode(y=y)

    def layer(rows: pd.DataFrame, columns: Iterable[str] = ()) -> alt.Chart:
        chart = here(rows, [*ON_AXES, *columns])
        return chart.encode(x=x, color=colour, opacity=opacity)

    # What did not learn sets no axis: beyond it, a cross stands at its edge.
    others = [rows[["panel", "value"]] for rows in (base, *behind)]
    learned = pd.concat([marks[marks["learned"]], *others]).set_index("panel")
    heights = learned.reindex(columns=["value", "low", "high"]).stack().groupby("panel")
    ends = [marks["panel"].map(end) for end in (heights.min(), heights.max())]
    lost = marks.assign(height=marks["value"].clip(*ends))[~marks["learned"]]
    height = alt.Y("height:Q", title=None)
    shown = [alt.Tooltip(column, title=title) for column, title in tooltip.items()]
    level = {"color": to_hex(style.INK), "strokeDash": [2, 2]}
    marks = marks[marks["learned"]]
    quiet = {"strokeDash": dash, "opacity": alt.value(0.4)}
    drawn = [layer(rows).mark_line(strokeWidth=1).encode(**quiet) for rows in behind]
    if "low" in marks:
        bars = layer(marks, ["low", "high"]).mark_rule()
        drawn.append(bars.encode(y=alt.Y("low:Q", title=None), y2="high:Q"))
    drawn += [
        layer(lines).mark_line().encode(strokeDash=dash),
        here(base, []).mark_rule(**level),
        layer(lost, ["height", *tooltip]).mark_point(shape=CROSS, size=70).encode(y=height),
        layer(marks, tooltip).mark_point(size=70).encode(fill=face, shape=shape),
    ]
    drawn[-2:] = [chart.encode(tooltip=shown) for chart in drawn[-2:]]
    # The first layer has the colours, whose legend is to be clicked.
    drawn[0] = drawn[0].add_params(chosen, panel)
    return alt.layer(*drawn, width="container", height=HEIGHT)


def _page(chart: alt.LayerChart, title: str, words: Iterable[str]) -> str:
    """Altair's own page of a chart, with sentences below it, which a browser wraps."""
    below = html.escape(_plain(" ".join(filter(None, words))))
    size, ink = round(PIXELS_PER_POINT * style.in_use().points), to_hex(style.INK)
    letters = {"labelFontSize": size, "titleFontSize": size, "labelColor": ink, "titleColor": ink}
    chart = chart.properties(title=alt.Title(title, anchor="start"))
    chart = chart.configure(
        background=to_hex(style.PAPER),
        axis={**letters, "domainColor": to_hex(style.GREY), "gridColor": to_hex(style.LIGHT)},
        legend={**letters, "symbolSize": 90, "labelLimit": 0, "orient": "top"},
        title={"color": ink, "fontSize": size + 2},
        view={"stroke": None},
    )
    page = chart.to_html(inline=True, embed_options={"actions": False, "renderer": "svg"})
    body = f"background: {to_hex(style.PAPER)}; color: {ink}; font: {size}px sans-serif"
    # The choice of a panel stands below the chart, not beside it.
    looks = f"<style>body {{{body}}} #vis.vega-embed {{flex-direction: column}}</style>"
    chart_ends = page.rindex("</body>")
    return f"{page[:chart_ends]}<p>{below}</p>{looks}\n{page[chart_ends:]}"


def _empty(message: str) -> str:
    return f"<!DOCTYPE html>\n<html lang='en'><meta charset='utf-8'><p>{message}</p></html>\n"


def _plain(label: str) -> str:
    """A label without the italics that only matplotlib sets, in the study's words."""
    return style.in_use().in_words(label.replace("$n$", "n"))
