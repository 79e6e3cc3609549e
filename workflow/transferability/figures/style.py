"""How all figures look: size, fonts, theme, and the colour and marker of each treatment; and how
they are saved."""

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
# Millimetres, and the points of letters that can be read there: both columns of a paper, one of
# them, a slide of 16:9.
WIDTHS = {"page": (7.0 * MM_PER_INCH, 8.0), "column": (88.0, 8.0), "slide": (300.0, 14.0)}
# Without a date, the same figure gives the same bytes.
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}

# What differs between themes: ink, paper, thin lines, and faint letters.
THEMES = {
    "light": ("#000000", "#ffffff", "#d9d9d9", "#555555"),
    "dark": ("#ffffff", "#16181d", "#3a3f4a", "#b5bac4"),
}
# Places in the colour cycle of the theme, which are looked up when a figure is drawn and saved.
INK, PAPER, LIGHT, GREY = "C0", "C1", "C2", "C3"
INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
PAPERED = ("axes.facecolor", "figure.facecolor", "savefig.facecolor")
# Okabe and Ito's colours, told apart in all common forms of colour blindness.
BLUE, SKY, VERMILION, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PURPLE = "#009E73", "#CC79A7"

# All sizes in this package are for letters of so many points, and grow with them.
LETTERS = 8.0
# The width in inches that figures of several columns need.
WIDTH = 7.0
# Inches of a line of letters.
LINE = 0.14
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
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "lines.markeredgewidth": 1.0,
}


@dataclass(frozen=True)
class Options:
    """The study's section `figures`. `width` is one of WIDTHS or millimetres, `font_size` in points
    or None for that of the width; `labels` replaces words of the figures; `explored` is a figure on
    a page, whose parts name their treatment."""

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


def tag(label: str, words: str = "") -> dict[str, str]:
    """The gid of an artist on a page: its treatment, and the words that hovering shows."""
    return {"gid": f"of:{label}|{in_use().in_words(words)}"} if in_use().explored else {}


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
    def style(self) -> dict[str, object]:
        """Matplotlib's properties of its line and markers."""
        face = self.colour if self.filled else PAPER
        marker = {"marker": self.marker, "markerfacecolor": face}
        return {"color": self.colour, "linestyle": self.dashes, **marker, **tag(self.label)}

    def sample(self, label: str | None = None) -> Line2D:
        """A legend's sample."""
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
    """A colour for each n: the deeper, the further from the colour of the paper."""
    name = "viridis" if in_use().theme == "dark" else "viridis_r"
    # The first colour is left to the paper.
    palette = sns.color_palette(name, len(layers) + 1).as_hex()[1:]
    return dict(zip(layers, palette, strict=True))


def legend(figure: Figure, handles: list[Line2D], column: float = 2.3, lost: bool = False) -> None:
    """The legend above all panels, in as many columns, of so many inches, as there is room for;
    with the cross of networks that did not learn, if any are `lost`."""
    handles = [*handles, *[Line2D([], [], color=GREY, **NOT_LEARNED)] * lost]
    columns = min(len(handles), max(1, int(room() / column)))
    drawn = figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    # A legend makes new artists from the handles.
    for handle, *entry in zip(handles, drawn.legend_handles, drawn.get_texts(), strict=True):
        for artist in entry:
            artist.set_gid(handle.get_gid())


def note(figure: Figure, *sentences: str) -> None:
    """The lines below a figure. The figure grows with them."""
    # A sign stays on the line of its number.
    text = re.sub(r" (?=[%=−])|(?<=[=−]) ", "\u00a0", " ".join(filter(None, sentences)))
    lines = textwrap.wrap(text, round(19 * room()), break_on_hyphens=False)
    figure.set_figheight(figure.get_figheight() + scaled(len(lines) * LINE))
    words = "\n".join(lines).replace("\u00a0", " ")
    figure.supxlabel(words, x=0.01, ha="left", fontsize=scaled(7), color=GREY)


def empty(message: str) -> Figure:
    """A figure that says what the study lacks for it."""
    figure = new_figure(1.0)
    figure.text(0.5, 0.5, message, ha="center", va="center", color=GREY, wrap=True)
    return figure


def set_words(figure: Figure) -> None:
    """Replace words of the figure's texts by those of `figures.labels`."""
    options = in_use()
    for text in figure.findobj(mpl.text.Text):
        # A dollar in `figures.labels` is a dollar.
        words = options.in_words(text.get_text(), r"\$")
        # Text in a page is set by the browser, which knows no mathematics.
        text.set_text(words.replace("$n$", "n") if options.explored else words)


@styled()
def save(figure: Figure, stem: Path | str) -> None:
    """Write `stem`.svg and the other formats in use, each atomically and the same bytes each time.
    Other formats are removed, since they would show what was drawn before."""
    stem, options = Path(stem), in_use()
    set_words(figure)
    for suffix, metadata in METADATA.items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        # SVG is what the report shows.
        if suffix == "svg" or suffix in options.formats:
            with atomic_write(path) as file:
                figure.savefig(file, format=suffix, dpi=DOTS_PER_INCH, metadata=metadata)
        else:
            path.unlink(missing_ok=True)
