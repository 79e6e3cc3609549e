"""The main figures as interactive pages: the printed figure as SVG, and a script. It shows the
numbers of the mark under the pointer and, after a click in the legend, fades other treatments. A
page loads nothing from other addresses."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from string import Template

import matplotlib as mpl
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from transferability.figures import style

# Text on a screen is larger than in print.
PIXELS_PER_POINT = 2
# The widths of the figure in wide and in narrow windows (below PHONE pixels).
WIDTHS, PHONE = ("page", "column"), 600
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
PAGE = Path(__file__).parent / "templates" / "interactive.html"


@style.styled()
def page(draw: Callable[..., Figure], *tables: pd.DataFrame) -> str:
    """The page of a figure that `draw` makes from tables, at two widths, with the options in use.
    Raises the errors of `draw`."""
    drawn = []
    for width in WIDTHS:
        with style.used(replace(style.in_use(), width=width, explored=True)):
            drawn.append(_svg(draw(*tables), width))
            size = round(PIXELS_PER_POINT * style.in_use().points)
    colours = zip(("ink", "paper", "grey"), (style.INK, style.PAPER, style.GREY), strict=True)
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        {name: to_hex(colour) for name, colour in colours},
        title=draw.__name__,
        figures="\n".join(drawn),
        size=size,
        phone=PHONE,
    )


def _svg(figure: Figure, width: str) -> str:
    """The figure as an element of a page. Its groups have classes instead of ids, because the
    figure of the other width has the same ids; treatments and words are attributes."""
    style.set_words(figure)
    # Text is not converted to outlines, so that it can be searched and read aloud.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": width}), io.StringIO() as file:
        figure.savefig(file, format="svg", metadata=NO_METADATA)
        svg = file.getvalue()
    svg = re.sub(r'<g id="([a-z0-9.]+)_\d+"', r'<g class="\1"', svg[svg.index("<svg") :])
    svg = re.sub(r"""<g id=(["'])of:([^|]*)\|\1""", r"<g data-of=\1\2\1", svg)
    words = r"""<g id=(["'])of:([^|]*)\|(.*?)\1"""
    svg = re.sub(words, r"<g data-of=\1\2\1 role='img' aria-label=\1\3\1", svg, flags=re.DOTALL)
    pixels = round(PIXELS_PER_POINT * 72 * figure.get_figwidth())
    return svg.replace("<svg ", f'<svg class="{width}" style="max-width: {pixels}px" ', 1)
