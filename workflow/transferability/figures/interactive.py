"""The main figures as pages to explore: a pointer names the network, a click on the legend switches
a treatment off and on. A page holds its own scripts, and asks no other address for anything."""

import html
import json
from collections.abc import Callable, Iterable

import altair as alt
import pandas as pd
import vl_convert
from matplotlib.colors import to_hex

from transferability.figures.effects import BESIDE, effect_lines
from transferability.figures.options import in_use
from transferability.figures.panels import Panel, means, panels_of, trained, wilson
from transferability.figures.relative import LINES, LONG_BASE
from transferability.figures.style import GREY, INK, LIGHT, LOOKS, PAPER, Look, face, styled
from transferability.figures.transfer import SHOWN
from transferability.figures.words import (
    network_lines,
    score_words,
    target_words,
    uneven_words,
)
from transferability.intervals import NO_INTERVAL

# Pixels.
HEIGHT, LEGEND_COLUMNS = 420, 2
SHAPES = {"D": "diamond", "o": "circle", "^": "triangle-up"}
DASHES = {"-": [1, 0], ":": [1, 2], "none": [1, 0]}
# Of letters, in pixels at 8 points in print: a screen is read from further away.
PIXELS_PER_POINT = 1.6
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1em; background: {paper}; color: {ink}; font-family: sans-serif }}
#figure {{ width: 100% }}
#vg-tooltip-element {{ max-width: 75vw }}
#vg-tooltip-element table tr td.value {{ max-width: 45vw; white-space: normal }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
FIGURE = """<div id="figure"></div>
<p>{words}</p>
<script>{scripts}</script>
<script>
const spec = {spec};
vegaEmbed("#figure", spec, {{actions: false, renderer: "svg"}});
</script>"""
NETWORKS = {"network": "network", "value": "top-1 (%)"}
DIFFERENCES = {"effect": "effect", "network": "difference", "value": "mean (points)"}


@styled
def transfer(networks: pd.DataFrame) -> str:
    """The page of `figures.transfer`: its means, each with the networks that it is of.

    With one replicate a mark is a network, with its Wilson interval; with several it is a mean over
    replicates with its t interval. Percent of top-1. Source and errors as there.
    """
    table = trained(networks, {kind for kind, _ in SHOWN})
    if table.empty:
        return _empty("This study has no selffer or transfer networks with a score.")
    panels = panels_of(table)
    marks = pd.concat([_networks(panel) for panel in panels], ignore_index=True)
    bases = marks[marks["treatment"] == _plain(LOOKS["base", False].label)]
    levels = bases.groupby("panel", sort=False)["value"].mean().reset_index()
    looks = {_plain(LOOKS[treatment].label): LOOKS[treatment] for treatment in SHOWN}
    words = ["Dotted: baseB.", *_uneven(panels, network_lines), score_words(networks)]
    return _page(
        marks, looks, levels, None, NETWORKS, "top-1 accuracy (%)", [*words, target_words(panels)]
    )


@styled
def effects(table: pd.DataFrame) -> str:
    """The page of `figures.effects`: the treatments relative to their base, in percentage points,
    with the intervals of effects.csv, base2B, and training noise as a band about zero."""
    drawn = table[table["effect"].isin([*LINES, *BESIDE])]
    if not drawn["effect"].isin(list(LINES)).any():
        return _empty("This study has no selffer or transfer networks beside their base.")
    panels = panels_of(drawn)
    marks = pd.concat([_differences(panel) for panel in panels], ignore_index=True)
    noise = pd.concat([_noise(panel) for panel in panels], ignore_index=True)
    levels = marks[["panel"]].drop_duplicates().assign(value=0.0)
    looks = {_plain(look.label): look for look in [LONG_BASE, *LINES.values()]}
    title = "top-1 relative to the base (points)"
    words = [
        "Dotted: baseB.",
        "Grey: training noise, ± |B0B − baseB|." if len(noise) else "",
        *_uneven(panels, effect_lines),
    ]
    return _page(marks, looks, levels, noise, DIFFERENCES, title, [*words, target_words(panels)])


def _networks(panel: Panel) -> pd.DataFrame:
    by = ["kind", "fine_tuned", "n"]
    rows = panel.rows
    if panel.replicates == 1:
        images = rows.get("validation_images", pd.Series(float("nan"), rows.index))
        below, above = wilson(rows["top1"], images)
        marks = rows[[*by, "network"]].assign(
            mean=rows["top1"],
            low=rows["top1"] - below,
            high=rows["top1"] + above,
            interval=[
                NO_INTERVAL if pd.isna(count) else f"Wilson over {count:,.0f} validation images"
                for count in images
            ],
            replicates=1,
        )
    else:
        names = rows.groupby(by)["network"].agg(lambda found: ", ".join(sorted(set(found))))
        marks = means(rows, "top1").merge(names.reset_index(), on=by)
    looks = [LOOKS[key] for key in zip(marks["kind"], marks["fine_tuned"], strict=True)]
    return _marks(marks, panel, looks)


def _differences(panel: Panel) -> pd.DataFrame:
    looks = {**LINES, "long_base": LONG_BASE}
    rows = panel.rows[panel.rows["effect"].isin(list(looks))]
    names = [
        f"{_plain(looks[effect].label).replace('n', str(n))} − baseB"
        for effect, n in zip(rows["effect"], rows["n"], strict=True)
    ]
    own = [looks[effect] for effect in rows["effect"]]
    return _marks(rows.assign(network=names), panel, own).assign(effect=rows["effect"].tolist())


def _noise(panel: Panel) -> pd.DataFrame:
    retraining = panel.rows.loc[panel.rows["effect"] == "retraining", ["mean", "low", "high"]]
    width = 100 * retraining.abs().max(axis=None)
    return pd.DataFrame({"panel": panel.place, "low": [-width], "high": [width]}).dropna()


def _uneven(panels: list[Panel], lines: Callable) -> list[str]:
    """Sentences on what lines average, where they differ in it."""
    uneven = [words for panel in panels if (words := uneven_words(panel, lines(panel)))]
    return [*uneven, "Distances between such lines are no paired effects."] if uneven else []


def _marks(rows: pd.DataFrame, panel: Panel, looks: list[Look]) -> pd.DataFrame:
    """What is drawn of a panel, a row for each mark, in percent."""
    words = in_use().in_words
    spans = [
        NO_INTERVAL if pd.isna(low) else f"[{100 * low:.1f}, {100 * high:.1f}]"
        for low, high in zip(rows["low"], rows["high"], strict=True)
    ]
    return pd.DataFrame(
        {
            "panel": panel.place,
            "treatment": [_plain(look.label) for look in looks],
            "network": [words(name) for name in rows["network"]],
            "n": rows["n"].to_numpy(),
            "at": [n + look.offset for n, look in zip(rows["n"], looks, strict=True)],
            "value": 100 * rows["mean"].to_numpy(),
            "low": 100 * rows["low"].to_numpy(),
            "high": 100 * rows["high"].to_numpy(),
            "span": spans,
            "interval": rows["interval"].to_numpy(),
            "replicates": rows["replicates"].to_numpy(),
        }
    )


def _plain(label: str) -> str:
    """A label without the italics that only matplotlib sets, in the study's words."""
    return in_use().in_words(label.replace("$n$", "n"))


def _page(
    marks: pd.DataFrame,
    looks: dict[str, Look],
    levels: pd.DataFrame,
    noise: pd.DataFrame | None,
    named: dict[str, str],
    title: str,
    words: list[str],
) -> str:
    """The page of one figure; `named` are the columns that a pointer tells, with their
    titles, and `words` stand below."""
    places = list(dict.fromkeys(marks["panel"]))
    panel = alt.param("panel", value=places[0])
    if len(places) > 1:
        panel.param.bind = alt.binding_select(options=places, name="Where: ")
    here = alt.datum.panel == panel
    x = alt.X(
        "at:Q",
        title="n, layers copied",
        axis=alt.Axis(values=sorted({0, *marks["n"]}), format="d", grid=False),
        scale=alt.Scale(nice=False, domain=[-0.4, int(marks["n"].max()) + 0.4]),
    )
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    shown = [name for name in looks if name in set(marks["treatment"])]
    on = alt.selection_point(
        name="on",
        fields=["treatment"],
        bind="legend",
        toggle="true",
        clear=False,
        empty=False,
        value=[{"treatment": name} for name in shown],
    )
    scales = _scales({name: looks[name] for name in shown})
    tooltip = [
        alt.Tooltip(
            f"{column}:{'Q' if column == 'value' else 'N'}",
            title=words,
            **({"format": ".1f"} if column == "value" else {}),
        )
        for column, words in named.items()
    ]
    tooltip += [
        alt.Tooltip("span:N", title="95 % interval"),
        alt.Tooltip("interval:N", title="kind"),
        alt.Tooltip("replicates:Q"),
        alt.Tooltip("n:Q"),
    ]
    data = (
        alt.Chart(marks)
        .transform_filter(here)
        .transform_filter(on)
        .encode(x=x, color=scales["color"])
    )
    level = alt.Chart(levels).transform_filter(here)
    layers = [
        level.mark_rule(color=to_hex(INK), strokeDash=[2, 2]).encode(y=y),
        data.mark_line().encode(y=alt.Y("mean(value):Q"), strokeDash=scales["strokeDash"]),
        data.mark_rule().encode(y="low:Q", y2="high:Q"),
        data.mark_point(size=70, opacity=1)
        .encode(y=y, shape=scales["shape"], fill=scales["fill"], tooltip=tooltip)
        .add_params(on, panel),
    ]
    if noise is not None and len(noise):
        band = alt.Chart(noise).transform_filter(here)
        layers.insert(0, band.mark_rect(color=to_hex(LIGHT)).encode(y="low:Q", y2="high:Q"))
    chart = alt.layer(*layers).properties(width="container", height=HEIGHT)
    return _html(chart.configure(**_configuration()), title, words)


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
        "strokeDash": of(
            alt.StrokeDash,
            [DASHES.get(look.dashes, [6, 3]) for look in looks.values()],
        ),
    }


def _configuration() -> dict[str, object]:
    size, ink = round(PIXELS_PER_POINT * in_use().points), to_hex(INK)
    letters = {"labelFontSize": size, "titleFontSize": size, "labelColor": ink, "titleColor": ink}
    return {
        "background": to_hex(PAPER),
        "font": "sans-serif",
        "axis": {**letters, "domainColor": to_hex(GREY), "gridColor": to_hex(LIGHT)},
        "legend": {**letters, "titleFontWeight": "normal", "symbolSize": 90, "labelLimit": 0},
        "view": {"stroke": None},
    }


def _html(chart: alt.LayerChart, title: str, words: list[str]) -> str:
    # A text must not end the script that it stands in.
    spec = json.dumps(chart.to_dict(), ensure_ascii=False).replace("</", "<\\/")
    below = html.escape(_plain(" ".join(filter(None, words))))
    scripts = vl_convert.javascript_bundle()
    return _document(title, FIGURE.format(scripts=scripts, spec=spec, words=below))


def _empty(message: str) -> str:
    return _document(message, f"<p>{message}</p>")


def _document(title: str, body: str) -> str:
    return PAGE.format(title=title, body=body, paper=to_hex(PAPER), ink=to_hex(INK))
