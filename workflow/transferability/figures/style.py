"""The style of all figures (size, fonts, theme, colour and marker of each treatment), and how they
are saved."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from transferability.analysis import treatments
from transferability.storage.files import atomic_write

MM_PER_INCH = 25.4
DOTS_PER_INCH = 200
# Width in millimetres, and size in points of letters that can be read there: both columns of a
# paper, one column, a slide of 16:9.
WIDTHS = {"page": (7.0 * MM_PER_INCH, 8.0), "column": (88.0, 8.0), "slide": (300.0, 14.0)}
# No date, so that the same figure gives the same bytes.
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}

# The colours of a theme: ink, paper, thin lines, and faint letters.
THEMES = {
    "light": ("#000000", "#ffffff", "#d9d9d9", "#555555"),
    "dark": ("#ffffff", "#16181d", "#3a3f4a", "#b5bac4"),
}
# Positions in the colour cycle of the theme; colours are read when a figure is drawn and saved.
INK, PAPER, LIGHT, GREY = "C0", "C1", "C2", "C3"
INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
PAPERED = ("axes.facecolor", "figure.facecolor", "savefig.facecolor")
# Okabe and Ito's colours, which differ in all common forms of colour blindness.
BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PURPLE = "#009E73", "#CC79A7"

# All sizes in this package are for letters of this many points, and grow with the letters.
LETTERS = 8.0
# The width in inches that figures with several columns need.
WIDTH = 7.0
# The height of a line of text, in inches.
LINE = 0.14
STYLE = {
    **sns.axes_style("ticks"),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "font.family": "sans-serif",
    # Matplotlib includes this font, so a figure is the same on every machine.
    "font.sans-serif": ["DejaVu Sans"],
    "legend.frameon": False,
    "pdf.fonttype": 42,
    # Letters are outlines: a browser without the font would break the layout.
    "svg.fonttype": "path",
    "svg.hashsalt": "transferability",
}
# Seaborn's sizes of letters, lines and ticks, for letters of LETTERS points.
SIZES = sns.plotting_context("paper", font_scale=LETTERS / 9.6) | {
    "font.size": LETTERS,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "lines.markeredgewidth": 1.0,
}


@dataclass(frozen=True)
class Options:
    """The study's section `figures`. `width` is one of WIDTHS or in millimetres; `font_size` is in
    points, or None for the size of the width; `labels` replaces words of the figures; `explored`
    marks a figure on a page, whose parts contain their treatment."""

    formats: tuple[str, ...] = ("svg", "pdf", "png")
    width: str | float = "page"
    font_size: float | None = None
    theme: str = "light"
    labels: Mapping[str, str] = field(default_factory=dict)
    explored: bool = False

    @property
    def inches(self) -> float:
        """The width of a figure."""
        return (WIDTHS[self.width][0] if self.width in WIDTHS else self.width) / MM_PER_INCH

    @property
    def points(self) -> float:
        """The size of most letters."""
        return self.font_size or WIDTHS.get(self.width, WIDTHS["page"])[1]

    def in_words(self, text: str, dollar: str = "$") -> str:
        """A text of a figure with words replaced by `labels`, whose dollars become `dollar`. In the
        text, the n of a word may be in italics."""
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
    """Inside this block, figures are drawn and saved with these options."""
    token = _in_use.set(options)
    try:
        yield
    finally:
        _in_use.reset(token)


@contextmanager
def styled(at_least: float = 0.0) -> Iterator[None]:
    """Sets the theme and the sizes in use, independent of the user's matplotlib settings. If a
    figure needs `at_least` inches and has fewer, its letters are smaller."""
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
    """A size in points or inches, given for letters of LETTERS points, for the letters in use."""
    return size * mpl.rcParams["font.size"] / LETTERS


def new_figure(height: float) -> Figure:
    """A figure with the width in use; its height grows with its letters."""
    return Figure(figsize=(in_use().inches, scaled(height)), layout="constrained")


def room() -> float:
    """The width in use, in inches, if letters had LETTERS points."""
    return in_use().inches / scaled(1)


def tag(label: str, words: str = "") -> dict[str, str]:
    """The gid of an artist on a page: its treatment, and the words shown under the pointer."""
    return {"gid": f"of:{label}|{in_use().in_words(words)}"} if in_use().explored else {}


class Look(NamedTuple):
    """The look of a treatment: marker and dashes also distinguish it without colour."""

    label: str
    meaning: str
    colour: str
    marker: str
    filled: bool = True
    dashes: str | tuple[float, tuple[float, ...]] = "-"
    # The marker's distance from its n, in layers, so that treatments do not cover each other.
    offset: float = 0.0

    @property
    def style(self) -> dict[str, object]:
        """Matplotlib's properties for the line and markers."""
        face = self.colour if self.filled else PAPER
        marker = {"marker": self.marker, "markerfacecolor": face}
        return {"color": self.colour, "linestyle": self.dashes, **marker, **tag(self.label)}

    def sample(self, label: str | None = None) -> Line2D:
        """The sample for a legend."""
        return Line2D([], [], label=label or f"{self.label}  {self.meaning}", **self.style)


DASHED, DOTTED = (0, (4, 1.5)), (0, (1, 1))
LOOKS = {
    treatments.BASE: Look("baseB", "trained on B alone", INK, "D", dashes=":"),
    treatments.LONG_BASE: Look("base2B", "twice as long", INK, "D", False, "none", 0.15),
    treatments.SELFFER: Look("B$n$B", "selffer, frozen", BLUE, "o", offset=-0.12),
    treatments.SELFFER_PLUS: Look("B$n$B+", "selffer, fine-tuned", SKY, "o", False, DASHED, -0.04),
    treatments.TRANSFER: Look("A$n$B", "transfer, frozen", VERMILION, "^", offset=0.04),
    treatments.TRANSFER_PLUS: Look(
        "A$n$B+", "transfer, fine-tuned", ORANGE, "^", False, DASHED, 0.12
    ),
    treatments.REESTIMATED: Look("A$n$B~", "its batch-norm statistics of B", VERMILION, "v"),
    treatments.SHUFFLED: Look("sA$n$B", "shuffled, frozen", GREY, "P"),
    treatments.SHUFFLED_PLUS: Look("sA$n$B+", "shuffled, fine-tuned", GREY, "P", False, DASHED),
    treatments.PARTIAL: Look("partial", "$n$ of all copied layers frozen", PURPLE, "s"),
    treatments.SELFFER_PARTIAL: Look("partial selffer", "the same of baseB", PURPLE, "s", False),
    treatments.RANDOM: Look("R$n$B", "random, frozen", GREEN, "s", dashes=DOTTED),
}
TITLES = {
    e.name: f"{LOOKS[e.treated].label} − {LOOKS[e.control].label}" for e in treatments.EFFECTS
}
TITLES["freeze_cost"] = "cost of freezing:\npartial $n$ − partial 0"
NOT_LEARNED = {"marker": "x", "linestyle": "none", "label": "did not learn"}


def layer_palette(layers: list[int]) -> dict[int, str]:
    """A colour for each n: the contrast to the paper grows with depth."""
    name = "viridis" if in_use().theme == "dark" else "viridis_r"
    # The first colour is too close to that of the paper.
    palette = sns.color_palette(name, len(layers) + 1).as_hex()[1:]
    return dict(zip(layers, palette, strict=True))


def legend(figure: Figure, handles: list[Line2D], column: float = 2.3, lost: bool = False) -> None:
    """Draws the legend above all panels, with as many columns of width `column` (inches) as there
    is space for, and with the cross of networks that did not learn if `lost`."""
    handles = [*handles, *[Line2D([], [], color=GREY, **NOT_LEARNED)] * lost]
    columns = min(len(handles), max(1, int(room() / column)))
    drawn = figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    # A legend makes new artists from the handles.
    for handle, *entry in zip(handles, drawn.legend_handles, drawn.get_texts(), strict=True):
        for artist in entry:
            artist.set_gid(handle.get_gid())


def note(figure: Figure, *sentences: str) -> None:
    """Writes sentences below a figure, whose height grows with them."""
    # A sign must be on the same line as its number.
    text = re.sub(r" (?=[%=−])|(?<=[=−]) ", "\u00a0", " ".join(filter(None, sentences)))
    lines = textwrap.wrap(text, round(19 * room()), break_on_hyphens=False)
    figure.set_figheight(figure.get_figheight() + scaled(len(lines) * LINE))
    words = "\n".join(lines).replace("\u00a0", " ")
    figure.supxlabel(words, x=0.01, ha="left", fontsize=scaled(7), color=GREY)


def empty(message: str) -> Figure:
    """A figure with a message about what the study lacks for it."""
    figure = new_figure(1.0)
    figure.text(0.5, 0.5, message, ha="center", va="center", color=GREY, wrap=True)
    return figure


def set_words(figure: Figure) -> None:
    """Replaces words in the figure's texts by those of `figures.labels`."""
    options = in_use()
    for text in figure.findobj(mpl.text.Text):
        # A dollar in `figures.labels` is an ordinary character.
        words = options.in_words(text.get_text(), r"\$")
        # In a page the browser sets the text, without mathematics.
        text.set_text(words.replace("$n$", "n") if options.explored else words)


@styled()
def save(figure: Figure, stem: Path | str) -> None:
    """Writes `stem`.svg and the other formats in use, each atomically and with reproducible bytes.
    Files of other formats are removed, because they would show an older figure."""
    stem, options = Path(stem), in_use()
    set_words(figure)
    for suffix, metadata in METADATA.items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        # The report shows SVG.
        if suffix == "svg" or suffix in options.formats:
            with atomic_write(path) as file:
                figure.savefig(file, format=suffix, dpi=DOTS_PER_INCH, metadata=metadata)
        else:
            path.unlink(missing_ok=True)
