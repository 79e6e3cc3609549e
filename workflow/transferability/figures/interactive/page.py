"""The page of a figure to explore. It holds its own scripts, and asks no other address for
anything."""

import html
import json

import altair as alt
import vl_convert
from matplotlib.colors import to_hex

from transferability.figures.interactive.marks import plain
from transferability.figures.options import in_use
from transferability.figures.style import INK, PAPER

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
{body}
</body>
</html>
"""
FIGURE = """<div id="figure"></div>
<p>{words}</p>
<script>{scripts}</script>
<script>
const spec = {spec};
vegaEmbed("#figure", spec, {{actions: false, renderer: "svg", tooltip: {{theme: "{theme}"}}}});
</script>"""


def page(chart: alt.LayerChart, title: str, words: list[str]) -> str:
    """The page of a chart; `words` are the sentences below it."""
    # A text must not end the script that it stands in.
    spec = json.dumps(chart.to_dict(), ensure_ascii=False).replace("</", "<\\/")
    below = html.escape(plain(" ".join(filter(None, words))))
    scripts = vl_convert.javascript_bundle()
    theme = in_use().theme
    return _document(title, FIGURE.format(scripts=scripts, spec=spec, words=below, theme=theme))


def empty(message: str) -> str:
    """A page that says what the study lacks for its figure."""
    return _document(message, f"<p>{message}</p>")


def _document(title: str, body: str) -> str:
    paper, ink = to_hex(PAPER), to_hex(INK)
    return PAGE.format(title=title, body=body, paper=paper, ink=ink, theme=in_use().theme)
