"""How every figure looks: sizes, colours, markers, the line below; and how it is saved."""

import functools
import re
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from transferability.figures import options, scaling

# Inches: the width for which figures of several columns are laid out.
WIDTH = 7.0
# The height of a line below a figure, and how many lines there is room for in any case.
LINE, LINES_BELOW = 0.12, 2
# The width of a column of the legend.
LEGEND_COLUMN = 2.3
# Places in the colour cycle of the theme, which are looked up when a figure is drawn and saved.
INK, PAPER, LIGHT, GREY, SOFT = "C0", "C1", "C2", "C3", "C4"
# Okabe and Ito's colours, told apart in all common forms of colour blindness.
BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PURPLE = "#009E73", "#CC79A7"

RC = {
    **sns.axes_style("ticks"),
    "font.family": "sans-serif",
    # Matplotlib brings this font along, so a figure is the same on every machine.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    # Letters as outlines: a browser without the font would break the layout.
    "svg.fonttype": "path",
    "svg.hashsalt": "transferability",
}


def theme_settings() -> dict:
    """Matplotlib's settings for the theme in use."""
    theme = options.in_use().theme
    settings = {"axes.prop_cycle": mpl.cycler(color=options.THEMES[theme])}
    if theme == "light":
        return settings
    ink, paper, *_ = options.THEMES[theme]
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    papered = ("axes.facecolor", "figure.facecolor", "savefig.facecolor")
    return settings | dict.fromkeys(inked, ink) | dict.fromkeys(papered, paper)


def styled(draw: Callable) -> Callable:
    """A figure drawn or saved under this decorator has the theme in use, and does not depend on
    the user's own settings."""

    @functools.wraps(draw)
    def draw_styled(*arguments, **named):
        with mpl.rc_context(RC | theme_settings()):
            return draw(*arguments, **named)

    return draw_styled


class Look(NamedTuple):
    """How a treatment is drawn: its marker and dashes tell it apart without colour too."""

    label: str
    meaning: str
    colour: str
    marker: str
    filled: bool
    dashes: str | tuple[float, tuple[float, ...]]
    # Layers by which the marker stands beside its n, so that treatments do not cover one another.
    offset: float


DASHED = (0, (4, 1.5))
LOOKS = {
    ("base", False): Look("baseB", "trained on B alone", INK, "D", True, ":", 0.0),
    ("long_base", False): Look("base2B", "twice as long", INK, "D", False, "none", 0.12),
    ("selffer", False): Look("B$n$B", "selffer, frozen", BLUE, "o", True, "-", -0.12),
    ("selffer", True): Look("B$n$B+", "selffer, fine-tuned", SKY, "o", False, DASHED, -0.04),
    ("transfer", False): Look("A$n$B", "transfer, frozen", VERMILION, "^", True, "-", 0.04),
    ("transfer", True): Look("A$n$B+", "transfer, fine-tuned", ORANGE, "^", False, DASHED, 0.12),
    ("random", False): Look("R$n$B", "random, frozen", GREEN, "s", True, (0, (1, 1)), 0.0),
}


def face(look: Look) -> str:
    """The colour inside the look's markers."""
    return look.colour if look.filled else PAPER


def sample(look: Look, label: str) -> Line2D:
    """A legend's sample of a look."""
    return Line2D(
        [],
        [],
        color=look.colour,
        marker=look.marker,
        markerfacecolor=face(look),
        linestyle=look.dashes,
        label=label,
    )


def legend(figure: Figure, handles: list) -> None:
    """The legend above all panels, in as many columns as there is room for."""
    columns = max(1, int(figure.get_figwidth() / LEGEND_COLUMN))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)


def counted(numbers: Iterable[int], noun: str) -> str:
    """How many of something there are, or from how many to how many: `1 to 4 replicates`."""
    low, high = min(numbers), max(numbers)
    span = f"{low:,}" if low == high else f"{low:,} {'or' if high == low + 1 else 'to'} {high:,}"
    return f"{span} {noun}{'' if high == 1 else 's'}"


def note(figure: Figure, *sentences: str) -> None:
    """The lines below a figure that say what its intervals are. The figure grows with them, so that
    they do not press its panels together."""
    text = " ".join(sentence for sentence in sentences if sentence)
    width_in_characters = round(19 * figure.get_figwidth())
    # A sign stays on the line of its number.
    kept = re.sub(r" (?=[%=−])|(?<=[=−]) ", "\u00a0", text)
    lines = textwrap.wrap(kept, width_in_characters, break_on_hyphens=False)
    more = max(0, len(lines) - LINES_BELOW)
    figure.set_figheight(figure.get_figheight() + more * LINE)
    figure.supxlabel(
        "\n".join(lines).replace("\u00a0", " "),
        x=0.01,
        ha="left",
        fontsize=7,
        color=SOFT,
    )


def empty(message: str) -> Figure:
    """A figure that says what the study lacks for it."""
    figure = Figure(figsize=(options.layout_width(), 1.0))
    figure.text(0.5, 0.5, message, ha="center", va="center", color=GREY)
    return figure


def layer_axis(axes: Axes, layers: list[int]) -> None:
    """The axis of n, the number of copied layers, with a tick for each that was trained."""
    axes.set_xticks(sorted(layers))
    axes.set_xlim(min(layers) - 0.4, max(layers) + 0.4)
    axes.set_xlabel("$n$, layers copied")


@styled
def save(figure: Figure, stem: Path | str) -> None:
    """Write `stem`.svg and the other formats in use, at their width, each whole or not at all, and
    without a date: the same figure gives the same bytes. Other formats are removed, since they
    would show what was drawn before."""
    stem, wanted = Path(stem), options.in_use()
    for text in figure.findobj(mpl.text.Text):
        text.set_text(wanted.in_words(text.get_text()))
    # SVG is what the report shows.
    for suffix in ("svg", "pdf", "png"):
        path = stem.with_name(f"{stem.name}.{suffix}")
        if suffix == "svg" or suffix in wanted.formats:
            scaling.save(figure, path, wanted.inches / figure.get_figwidth())
        else:
            path.unlink(missing_ok=True)
