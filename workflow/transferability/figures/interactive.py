"""The main figures as pages to explore: a pointer names the network, a click on the legend switches
a treatment off and on. A page holds its own scripts, and asks no other address for anything."""

import html
import json
from collections.abc import Iterable, Sequence

import altair as alt
import pandas as pd
import vl_convert
from matplotlib.colors import to_hex

from transferability.analysis.effects import of_treatment
from transferability.analysis.intervals import NO_INTERVAL
from transferability.analysis.vocabulary import bracket, points
from transferability.figures import notes, style
from transferability.figures.effects import (
    AREAS,
    BESIDE,
    LABELS,
    LINES,
    LONG_BASE,
    NO_EFFECTS,
    SHADE,
    area_edges,
    average_words,
    pale,
    published_lines,
    published_panels,
    published_words,
)
from transferability.figures.panels import (
    Panel,
    means,
    noise_width,
    panels_of,
    trained,
    with_wilson,
)
from transferability.figures.transfer import NO_NETWORKS, SHOWN

DRAWN = {**LINES, "long_base": LONG_BASE}
# Pixels.
HEIGHT, LEGEND_COLUMNS, THIN = 420, 2, 1.4
SHAPES = {"D": "diamond", "o": "circle", "^": "triangle-up", "": "stroke"}
DASHES = {"-": [1, 0], ":": [1, 2], "none": [1, 0]}
# Of letters, in pixels at 8 points in print: a screen is read from further away.
PIXELS_PER_POINT = 1.6
# Layers to either side of the first and the last n.
MARGIN = 0.4
# The rows of the panel that is chosen.
HERE = "datum.panel == panel"
# By no scale, or the legend would draw the outlines of markers with the dashes of their lines.
DASHED = alt.StrokeDash("dash:N", scale=None)
COLOUR = alt.Color("colour:N", scale=None)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: {theme} }}
body {{ margin: 1em; background: {paper}; color: {ink}; font-family: sans-serif }}
#figure {{ width: 100% }}
#vg-tooltip-element {{ max-width: 75vw }}
#vg-tooltip-element table tr td.value {{ max-width: 45vw; white-space: normal }}
</style>
</head>
<body>
<div id="figure"></div>
<p>{words}</p>
{scripts}
</body>
</html>
"""
SCRIPTS = """<script>{bundle}</script>
<script>
const spec = {spec};
vegaEmbed("#figure", spec, {{actions: false, renderer: "svg", tooltip: {{theme: "{theme}"}}}});
</script>"""


@style.styled()
def transfer(networks: pd.DataFrame) -> str:
    """The page of `figures.transfer`: its means, each with the networks that it is of.

    With one replicate a mark is a network, with its Wilson interval; with several it is a mean over
    replicates with its t interval. Percent of top-1. Source and errors as there.
    """
    table = trained(networks, {kind for kind, _ in SHOWN})
    if table.empty:
        return _page(NO_NETWORKS)
    panels = panels_of(table)
    marks = pd.concat([_networks(panel) for panel in panels], ignore_index=True)
    bases = marks[marks["treatment"] == _plain(style.LOOKS["base", False].label)]
    levels = bases.groupby("panel", sort=False)["value"].mean().reset_index()
    looks = [style.LOOKS[shown] for shown in SHOWN if len(of_treatment(table, shown))]
    title, tooltip = "top-1 accuracy (%)", {"network": "network", "text": "top-1 (%)"}
    chart = _chart(marks, looks, levels, tooltip, title)
    uneven = notes.uneven_networks(panels, SHOWN)
    words = ["Dotted: baseB.", uneven, notes.without_score(networks), notes.halves(panels)]
    return _page(title, words, chart)


@style.styled()
def effects(table: pd.DataFrame, reference: pd.DataFrame | None = None) -> str:
    """The page of `figures.effects`, with all that it shows: the treatments relative to their base,
    in percentage points, with the intervals of effects.csv, base2B, the areas between the lines,
    training noise as a band about zero, and the published lines of `reference`.

    An area is there while both of its lines are, and a published line while the study's own is.
    Those of 2014 are switched off together, too, and so are never cut off.
    """
    table = table[table["effect"].isin([*LINES, *BESIDE])]
    if not table["effect"].isin(list(LINES)).any():
        return _page(NO_EFFECTS)
    panels, published = panels_of(table), published_panels(reference)
    marks = pd.concat([_differences(panel) for panel in panels], ignore_index=True)
    levels = marks[["panel"]].drop_duplicates().assign(value=0.0)
    legend = [look for effect, look in DRAWN.items() if effect in set(table["effect"])]
    if any(published_lines(panel, published) for panel in panels):
        legend.append(pale(LINES["transfer"])._replace(marker=""))
    areas, noise = _areas(panels), _noise(panels)
    behind = [*noise, *areas.values(), *_published(panels, published)]
    shaded = [
        f"{AREAS[effect].name} ({LABELS[effect]} − {LABELS[AREAS[effect].control]})"
        for effect in areas
    ]
    words = [
        "Dotted: baseB.",
        "Grey: training noise, ± |B0B − baseB|." if noise else "",
        f"Shaded, in the colour of the first: {'; '.join(shaded)}." if shaded else "",
        average_words(panels),
        notes.halves(panels),
        published_words(panels, published),
    ]
    title = "top-1 relative to the base (points)"
    tooltip = {"effect": "effect", "network": "difference", "text": "mean (points)"}
    return _page(title, words, _chart(marks, legend, levels, tooltip, title, behind))


def _networks(panel: Panel) -> pd.DataFrame:
    by = ["kind", "fine_tuned", "n"]
    rows = panel.rows
    if panel.replicates[1] == 1:
        images = rows.get("validation_images", pd.Series(float("nan"), rows.index))
        intervals = [
            f"Wilson over {n:,.0f} validation images" if n > 0 else NO_INTERVAL for n in images
        ]
        marks = with_wilson(rows).assign(replicates=1, interval=intervals)
    else:
        names = rows.groupby(by)["network"].agg(lambda names: ", ".join(sorted(set(names))))
        marks = means(rows, "top1").merge(names.reset_index(), on=by)
    looks = [style.LOOKS[key] for key in zip(marks["kind"], marks["fine_tuned"], strict=True)]
    return _marks(marks, panel, looks)


def _differences(panel: Panel) -> pd.DataFrame:
    rows = panel.rows[panel.rows["effect"].isin(list(DRAWN))].reset_index(drop=True)
    looks = [DRAWN[effect] for effect in rows["effect"]]
    labels = [look.label.replace("$n$", str(n)) for look, n in zip(looks, rows["n"], strict=True)]
    marks = _marks(rows.assign(network=labels), panel, looks)
    return marks.assign(effect=rows["effect"], network=marks["network"] + " − baseB")


def _marks(rows: pd.DataFrame, panel: Panel, looks: list[style.Look]) -> pd.DataFrame:
    """The marks of a panel, in percent, from rows with mean, low, high, interval, replicates, n and
    network, the name that a pointer tells; a look for each."""
    values = 100 * rows[["mean", "low", "high"]].reset_index(drop=True)
    return values.rename(columns={"mean": "value"}).assign(
        panel=panel.place,
        treatment=[_plain(look.label) for look in looks],
        network=[style.in_use().in_words(name) for name in rows["network"]],
        n=rows["n"].to_numpy(),
        at=[n + look.offset for n, look in zip(rows["n"], looks, strict=True)],
        text=[points(mean) for mean in rows["mean"]],
        span=[bracket(*ends) or NO_INTERVAL for ends in rows[["low", "high"]].to_numpy()],
        interval=rows["interval"].to_numpy(),
        replicates=rows["replicates"].to_numpy(),
        dash=[_dash(look) for look in looks],
    )


def _noise(panels: list[Panel]) -> list[alt.Chart]:
    """Training noise as a band about zero."""
    widths = {panel.place: noise_width(panel.rows).max() for panel in panels}
    bands = [{"panel": place, "low": -w, "high": w} for place, w in widths.items() if w == w]
    if not bands:
        return []
    band = alt.Chart(pd.DataFrame(bands)).transform_filter(HERE)
    return [band.mark_rect(color=to_hex(style.LIGHT)).encode(y="low:Q", y2="high:Q")]


def _areas(panels: list[Panel]) -> dict[str, alt.Chart]:
    """The layer of each effect's area; one each, since the legend takes on what areas encode."""
    layers = {}
    for effect, area in AREAS.items():
        # An area over the base depends on one line alone.
        lower = effect if area.control == "base" else area.control
        names = {"treatment": _plain(LABELS[effect]), "against": _plain(LABELS[lower])}
        edges = [
            area_edges(panel.rows, effect).reset_index().assign(panel=panel.place, area=effect)
            for panel in panels
        ]
        rows = pd.concat([rows for rows in edges if len(rows)] or edges, ignore_index=True)
        if len(rows):
            mark = {"fill": LINES[effect].colour, "fillOpacity": SHADE, "line": False}
            chart = _while_both_are_on(rows.assign(**names)).mark_area(**mark)
            layers[effect] = chart.encode(x="n:Q", y="lower:Q", y2="upper:Q")
    return layers


def _published(panels: list[Panel], published: list[Panel]) -> list[alt.Chart]:
    """The published lines of each panel, thin and pale."""
    lines = [
        rows[["n", "effect"]].assign(
            panel=panel.place,
            line=place,
            value=100 * rows["mean"],
            colour=to_hex(look.colour),
            dash=[_dash(look)] * len(rows),
            treatment=_plain(LABELS[rows["effect"].iloc[0]]),
            against=_plain(look.label),
        )
        for panel in panels
        for place, (look, rows) in enumerate(published_lines(panel, published))
    ]
    if not lines:
        return []
    line = _while_both_are_on(pd.concat(lines, ignore_index=True)).mark_line(strokeWidth=THIN)
    return [line.encode(x="n:Q", y="value:Q", detail="line:N", color=COLOUR, strokeDash=DASHED)]


def _while_both_are_on(rows: pd.DataFrame) -> alt.Chart:
    """Rows that are drawn where both treatments that they name are switched on."""
    chart = alt.Chart(rows).transform_filter(HERE)
    # By the value of the selection, which itself would look at one column alone.
    for line in ("treatment", "against"):
        chart = chart.transform_filter(f"on.treatment && indexof(on.treatment, datum.{line}) >= 0")
    return chart


def _chart(
    marks: pd.DataFrame,
    looks: list[style.Look],
    levels: pd.DataFrame,
    tooltip: dict[str, str],
    title: str,
    behind: Sequence[alt.Chart] = (),
) -> alt.LayerChart:
    """The chart of the rows of `_marks`: one panel at a time, one legend that switches.

    `looks` are the legend's, `levels` the dotted lines, `tooltip` the columns that a pointer shows
    first, with their titles, `title` that of the vertical axis, `behind` layers below the lines.
    """
    places = list(dict.fromkeys(marks["panel"]))
    panel = alt.param("panel", value=places[0])
    if len(places) > 1:
        panel.param.bind = alt.binding_select(options=places, name="Where: ")
    ticks = alt.Axis(values=sorted({0, *marks["n"]}), format="d", grid=False)
    span = alt.Scale(nice=False, domain=[-MARGIN, int(marks["n"].max()) + MARGIN])
    x = alt.X("at:Q", title="n, layers copied", axis=ticks, scale=span)
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    names = [_plain(look.label) for look in looks]
    switch = {"bind": "legend", "toggle": "true", "clear": False, "empty": False}
    all_on = [{"treatment": name} for name in names]
    on = alt.selection_point(name="on", fields=["treatment"], value=all_on, **switch)
    legend = alt.Legend(title="click to switch off and on", orient="top", columns=LEGEND_COLUMNS)
    tooltip |= {"span": "95 % interval", "interval": "kind", "replicates": "replicates", "n": "n"}
    shown = [alt.Tooltip(f"{column}:N", title=words) for column, words in tooltip.items()]
    # One legend shows all three.
    colour, shape, fill = (
        channel("treatment:N", scale=alt.Scale(domain=names, range=values), legend=legend)
        for channel, values in (
            (alt.Color, [to_hex(look.colour) for look in looks]),
            (alt.Shape, [SHAPES[look.marker] for look in looks]),
            (alt.Fill, [to_hex(look.face) for look in looks]),
        )
    )
    data = alt.Chart(marks).transform_filter(HERE).transform_filter(on).encode(x=x, color=colour)
    level = alt.Chart(levels).transform_filter(HERE)
    markers = data.mark_point(size=70, opacity=1)
    layers = [
        *behind,
        level.mark_rule(color=to_hex(style.INK), strokeDash=[2, 2]).encode(y=y),
        data.mark_line().encode(y=alt.Y("mean(value):Q"), strokeDash=DASHED),
        data.mark_rule().encode(y="low:Q", y2="high:Q"),
        markers.encode(y=y, shape=shape, fill=fill, tooltip=shown).add_params(on, panel),
    ]
    size, ink = round(PIXELS_PER_POINT * style.in_use().points), to_hex(style.INK)
    letters = {"labelFontSize": size, "titleFontSize": size, "labelColor": ink, "titleColor": ink}
    return alt.layer(*layers, width="container", height=HEIGHT).configure(
        background=to_hex(style.PAPER),
        font="sans-serif",
        axis={**letters, "domainColor": to_hex(style.GREY), "gridColor": to_hex(style.LIGHT)},
        legend={**letters, "titleFontWeight": "normal", "symbolSize": 90, "labelLimit": 0},
        view={"stroke": None},
    )


def _page(title: str, words: Iterable[str] = (), chart: alt.LayerChart | None = None) -> str:
    """The page of a chart, with sentences below it; without one, of what the study lacks."""
    theme, scripts = style.in_use().theme, ""
    if chart is not None:
        # A text must not end the script that it stands in.
        spec = json.dumps(chart.to_dict(), ensure_ascii=False).replace("</", "<\\/")
        scripts = SCRIPTS.format(bundle=vl_convert.javascript_bundle(), spec=spec, theme=theme)
    below = html.escape(_plain(" ".join(filter(None, words)) or title))
    colours = {"paper": to_hex(style.PAPER), "ink": to_hex(style.INK)}
    return PAGE.format(title=title, words=below, scripts=scripts, theme=theme, **colours)


def _plain(label: str) -> str:
    """A label without the italics that only matplotlib sets, in the study's words."""
    return style.in_use().in_words(label.replace("$n$", "n"))


def _dash(look: style.Look) -> list[float]:
    """Vega's pixels on and off for matplotlib's dashes."""
    known = isinstance(look.dashes, str)
    return DASHES[look.dashes] if known else [1.5 * length for length in look.dashes[1]]
