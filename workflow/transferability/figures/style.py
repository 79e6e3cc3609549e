"""How every figure looks: what a study asks for, sizes, colours, markers, the note below; and how
it is saved."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from transferability.storage.files import atomic_write

MM_PER_INCH = 25.4
DOTS_PER_INCH = 200
# Millimetres, and the points of letters that can be read there: both columns of a paper, one of
# them, a slide of 16:9.
WIDTHS = {"page": (7.0 * MM_PER_INCH, 8.0), "column": (88.0, 8.0), "slide": (300.0, 14.0)}
# Without a date, the same figure gives the same bytes.
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}

# What differs between themes: ink, paper, a faint fill, faint letters, and those of the note.
THEMES = {
    "light": ("#000000", "#ffffff", "#d9d9d9", "#6b6b6b", "#404040"),
    "dark": ("#ffffff", "#16181d", "#2c3038", "#a3a8b3", "#c9cdd6"),
}
# Places in the colour cycle of the theme, which are looked up when a figure is drawn and saved.
INK, PAPER, LIGHT, GREY, SOFT = "C0", "C1", "C2", "C3", "C4"
INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
PAPERED = ("axes.facecolor", "figure.facecolor", "savefig.facecolor")
# Okabe and Ito's colours, told apart in all common forms of colour blindness.
BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PURPLE = "#009E73", "#CC79A7"

# All sizes in this package are for letters of so many points, and grow with them.
LETTERS = 8.0
# The width that figures of several columns need, and that of a column of the legend, in inches.
WIDTH, LEGEND_COLUMN = 7.0, 2.3
# The height of a line below a figure, and how many lines there is room for in any case.
LINE, LINES_BELOW = 0.12, 2
STYLE = {
    **sns.axes_style("ticks"),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "font.family": "sans-serif",
    # Matplotlib brings this font along, so a figure is the same on every machine.
    "font.sans-serif": ["DejaVu Sans"],
    "legend.frameon": False,
    "pdf.fonttype": 42,
    # Letters as outlines: a browser without the font would break the layout.
    "svg.fonttype": "path",
    "svg.hashsalt": "transferability",
}
# Seaborn's sizes of letters, lines and ticks, for letters of LETTERS points.
SIZES = sns.plotting_context("paper", font_scale=LETTERS / 9.6) | {
    "font.size": LETTERS,
    "lines.markeredgewidth": 1.0,
}


@dataclass(frozen=True)
class Options:
    """The study's section `figures`. `width` is one of WIDTHS or millimetres, `font_size` in points
    or None for that of the width; `labels` has other words for words of ours."""

    formats: tuple[str, ...] = ("svg", "pdf", "png")
    width: str | float = "page"
    font_size: float | None = None
    theme: str = "light"
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown width or theme."""
        if isinstance(self.width, str) and self.width not in WIDTHS:
            raise ValueError(f"width {self.width!r} is none of {', '.join(WIDTHS)} nor a number")
        if self.theme not in THEMES:
            raise ValueError(f"theme {self.theme!r} is none of {', '.join(THEMES)}")

    @classmethod
    def of(cls, section: Mapping[str, object]) -> "Options":
        """The options of a section; what it leaves out is as by default.

        Raises ValueError for an unknown key or value."""
        known = [option.name for option in fields(cls)]
        if unknown := [key for key in section if key not in known]:
            raise ValueError(f"no option of figures: {', '.join(unknown)}; use {', '.join(known)}")
        return cls(**section)

    @property
    def inches(self) -> float:
        """The width of a figure."""
        return (WIDTHS[self.width][0] if self.width in WIDTHS else self.width) / MM_PER_INCH

    @property
    def points(self) -> float:
        """The size of most letters."""
        return self.font_size or WIDTHS.get(self.width, WIDTHS["page"])[1]

    def in_words(self, text: str, dollar: str = "$") -> str:
        """A text of a figure in the study's words, with `dollar` for each of their dollars; ours
        may have their n in italics there."""
        if not self.labels:
            return text
        words = {ours.replace("n", "$n$", 1): theirs for ours, theirs in self.labels.items()}
        words |= self.labels
        # The longest first, since AnB+ begins with AnB.
        pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        return re.sub(
            rf"(?<!\w)(?:{pattern})(?![\w+])",
            lambda match: words[match[0]].replace("$", dollar),
            text,
        )


DEFAULT = Options()
_in_use: ContextVar[Options] = ContextVar("options", default=DEFAULT)
# The options of the figure that is being drawn or saved.
in_use = _in_use.get


@contextmanager
def used(options: Options) -> Iterator[None]:
    """Draw and save with these options."""
    token = _in_use.set(options)
    try:
        yield
    finally:
        _in_use.reset(token)


@contextmanager
def styled(at_least: float = 0.0) -> Iterator[None]:
    """The theme and the sizes in use, whatever the user's own settings are. A figure that needs
    `at_least` so many inches gets smaller letters where there is less room."""
    options = in_use()
    scale = options.points / LETTERS
    if at_least:
        scale = min(scale, options.inches / at_least)
    sizes = {name: scale * size for name, size in SIZES.items()}
    ink, paper, *_ = THEMES[options.theme]
    theme = {"axes.prop_cycle": mpl.cycler(color=THEMES[options.theme])}
    theme |= dict.fromkeys(INKED, ink) | dict.fromkeys(PAPERED, paper)
    with mpl.rc_context(STYLE | sizes | theme):
        yield


def scaled(size: float) -> float:
    """A size for letters of LETTERS, in points or inches, at the letters in use."""
    return size * mpl.rcParams["font.size"] / LETTERS


def new_figure(height: float) -> Figure:
    """A figure of the width in use, whose height grows with its letters."""
    return Figure(figsize=(in_use().inches, scaled(height)), layout="constrained")


def room() -> float:
    """The width in use, in inches at letters of LETTERS."""
    return in_use().inches / scaled(1)


class Look(NamedTuple):
    """How a treatment is drawn: its marker and dashes tell it apart without colour too."""

    label: str
    meaning: str
    colour: str
    marker: str
    filled: bool = True
    dashes: str | tuple[float, tuple[float, ...]] = "-"
    # Layers by which the marker stands beside its n, so that treatments do not cover one another.
    offset: float = 0.0

    @property
    def face(self) -> str:
        """The colour inside its markers."""
        return self.colour if self.filled else PAPER

    @property
    def style(self) -> dict[str, object]:
        """Matplotlib's properties of its line and markers."""
        marker = {"marker": self.marker, "markerfacecolor": self.face}
        return {"color": self.colour, "linestyle": self.dashes, **marker}

    def sample(self, label: str | None = None) -> Line2D:
        """A legend's sample."""
        return Line2D([], [], label=label or self.label, **self.style)


DASHED = (0, (4, 1.5))
LOOKS = {
    ("base", False): Look("baseB", "trained on B alone", INK, "D", dashes=":"),
    ("long_base", False): Look("base2B", "twice as long", INK, "D", False, "none", 0.12),
    ("selffer", False): Look("B$n$B", "selffer, frozen", BLUE, "o", offset=-0.12),
    ("selffer", True): Look("B$n$B+", "selffer, fine-tuned", SKY, "o", False, DASHED, -0.04),
    ("transfer", False): Look("A$n$B", "transfer, frozen", VERMILION, "^", offset=0.04),
    ("transfer", True): Look("A$n$B+", "transfer, fine-tuned", ORANGE, "^", False, DASHED, 0.12),
    ("random", False): Look("R$n$B", "random, frozen", GREEN, "s", dashes=(0, (1, 1))),
}


def layer_palette(layers: list[int]) -> dict[int, str]:
    """A colour for each n: the deeper, the darker."""
    # The palest colours are left to the paper.
    palette = sns.color_palette("viridis_r", len(layers) + 1).as_hex()[1:]
    return dict(zip(layers, palette, strict=True))


def legend(figure: Figure, handles: list, column: float = LEGEND_COLUMN, **settings) -> None:
    """The legend above all panels, in as many columns, of so many inches, as there is room for."""
    columns = min(len(handles), max(1, int(room() / column)))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, **settings)


def note(figure: Figure, *sentences: str) -> None:
    """The lines below a figure that say what its intervals are. The figure grows with them, so that
    they do not press its panels together."""
    # A sign stays on the line of its number.
    text = re.sub(r" (?=[%=−])|(?<=[=−]) ", "\u00a0", " ".join(filter(None, sentences)))
    lines = textwrap.wrap(text, round(19 * room()), break_on_hyphens=False)
    more = max(0, len(lines) - LINES_BELOW)
    figure.set_figheight(figure.get_figheight() + scaled(more * LINE))
    words = "\n".join(lines).replace("\u00a0", " ")
    figure.supxlabel(words, x=0.01, ha="left", fontsize=scaled(7), color=SOFT)


def empty(message: str) -> Figure:
    """A figure that says what the study lacks for it."""
    figure = new_figure(1.0)
    figure.text(0.5, 0.5, message, ha="center", va="center", color=GREY, wrap=True)
    return figure


def layer_axis(axes: Axes, layers: Iterable[int]) -> None:
    """The axis of n, the number of copied layers, from 0, with a tick for each that was trained."""
    ticks = sorted({0, *layers})
    axes.set_xticks(ticks)
    axes.set_xlim(-0.4, ticks[-1] + 0.4)
    axes.set_xlabel("$n$, layers copied")


def reach(table: pd.DataFrame) -> np.ndarray:
    """2 × rows: how far each interval reaches below and above its mean."""
    # Equal replicates give an interval of no width, whose ends rounding may turn about.
    return np.clip([table["mean"] - table["low"], table["high"] - table["mean"]], 0, None)


def draw_means(
    axes: Axes, rows: pd.DataFrame, look: Look, scale: float = 100.0, **settings: object
) -> None:
    """A line with markers and interval bars through the means of a treatment, against n."""
    rows = rows.sort_values("n")
    x, y = rows["n"] + look.offset, scale * rows["mean"]
    settings = {"label": look.label, "elinewidth": scaled(0.9), **look.style, **settings}
    axes.errorbar(x, y, scale * reach(rows), **settings)


def draw_single(axes: Axes, x: pd.Series, y: pd.Series, look: Look) -> None:
    """Small pale markers of single networks."""
    small = {"linestyle": "none", "markersize": scaled(2.5), "markeredgewidth": scaled(0.5)}
    axes.plot(x, y, alpha=0.45, **look.style | small)


def zero_line(axes: Axes, level: float = 0.0, colour: str = INK) -> None:
    """The dotted line of the base."""
    axes.axhline(level, color=colour, lw=scaled(0.8), ls=":")


@styled()
def save(figure: Figure, stem: Path | str) -> None:
    """Write `stem`.svg and the other formats in use, each atomically and the same bytes each time.
    Other formats are removed, since they would show what was drawn before."""
    stem, options = Path(stem), in_use()
    for text in figure.findobj(mpl.text.Text):
        # In the study's words a dollar begins no mathematics.
        text.set_text(options.in_words(text.get_text(), r"\$"))
    for suffix, metadata in METADATA.items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        # SVG is what the report shows.
        if suffix == "svg" or suffix in options.formats:
            with atomic_write(path) as file:
                figure.savefig(file, format=suffix, dpi=DOTS_PER_INCH, metadata=metadata)
        else:
            path.unlink(missing_ok=True)
