"""What a study asks of its figures: formats, width, size of letters, theme, words."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields

MM_PER_INCH = 25.4
# Figures are laid out with letters of this size, in points, and scaled as a whole to another.
LAID_OUT_AT = 8.0
# Millimetres, and the points of letters that can be read there: both columns of a paper, one of
# them, a slide of 16:9.
WIDTHS = {"page": (7.0 * MM_PER_INCH, 8.0), "column": (88.0, 8.0), "slide": (300.0, 14.0)}

# What differs between themes: ink, paper, a faint fill, faint letters, and those of the line below.
THEMES = {
    "light": ("#000000", "#ffffff", "#d9d9d9", "#6b6b6b", "#404040"),
    "dark": ("#ffffff", "#16181d", "#2c3038", "#a3a8b3", "#c9cdd6"),
}


@dataclass(frozen=True)
class Options:
    """The study's section `figures`. `width` is one of WIDTHS or millimetres, `font_size` in points
    or None for that of the width; `labels` has other words for some of ours."""

    formats: tuple[str, ...] = ("svg", "pdf", "png")
    width: str | float = "page"
    font_size: float | None = None
    theme: str = "light"
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for a width or a theme that there is none of."""
        if isinstance(self.width, str) and self.width not in WIDTHS:
            raise ValueError(f"width {self.width!r} is none of {', '.join(WIDTHS)} nor a number")
        if self.theme not in THEMES:
            raise ValueError(f"theme {self.theme!r} is none of {', '.join(THEMES)}")

    @classmethod
    def of(cls, section: Mapping[str, object]) -> "Options":
        """The options of a section; what it leaves out is as by default.

        Raises ValueError for a key or a value that there is none of."""
        known = [option.name for option in fields(cls)]
        if unknown := [key for key in section if key not in known]:
            raise ValueError(f"no option of figures: {', '.join(unknown)}; use {', '.join(known)}")
        return cls(**section)

    @property
    def inches(self) -> float:
        """The width of a figure as it is saved."""
        return (WIDTHS[self.width][0] if self.width in WIDTHS else self.width) / MM_PER_INCH

    @property
    def points(self) -> float:
        """The size of letters as they are saved."""
        return self.font_size or WIDTHS.get(self.width, WIDTHS["page"])[1]

    def in_words(self, text: str) -> str:
        """A text of a figure with the study's words; ours, plainly written, may have an n in
        italics there."""
        if not self.labels:
            return text
        words = {ours.replace("n", "$n$", 1): theirs for ours, theirs in self.labels.items()}
        words |= self.labels
        # The longest first, since AnB+ begins with AnB.
        pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        return re.sub(rf"(?<!\w)(?:{pattern})(?![\w+])", lambda found: words[found[0]], text)


DEFAULT = Options()
_in_use: ContextVar[Options] = ContextVar("options", default=DEFAULT)


def in_use() -> Options:
    """The options of the figure that is being drawn or saved."""
    return _in_use.get()


@contextmanager
def used(options: Options) -> Iterator[None]:
    """Draw and save with these options."""
    token = _in_use.set(options)
    try:
        yield
    finally:
        _in_use.reset(token)


def layout_width(at_least: float = 0.0) -> float:
    """The width in inches at which a figure is laid out, in letters of LAID_OUT_AT points; a figure
    that needs more room than there is gets `at_least`, and smaller letters."""
    return max(at_least, in_use().inches * LAID_OUT_AT / in_use().points)
