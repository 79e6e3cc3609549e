"""Options of figures in a study: formats, width, font size, theme, words; and their saving."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pypdf
import pytest
from drawn_figures import DRAWN, draw
from made_networks import networks
from PIL import Image

from transferability import figures
from transferability.figures import Options, used
from transferability.figures.style import THEMES

POINTS_PER_MM = 72 / 25.4


def saved(folder: Path, name: str = "transfer", study: str = "one replicate", **options) -> Path:
    """The stem of a figure's files, drawn with these options."""
    with used(Options(**options)):
        figures.save(draw(name, study), folder / name)
    return folder / name


def svg_width(stem: Path) -> float:
    """The width in millimetres."""
    text = stem.with_suffix(".svg").read_text(encoding="utf-8")
    return float(re.search(r'<svg [^>]*width="([\d.]+)pt"', text)[1]) / POINTS_PER_MM


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({}, 177.8),
        ({"width": "column"}, 88),
        ({"width": "slide"}, 300),
        ({"width": 120, "font_size": 6.5}, 120),
    ],
)
@pytest.mark.parametrize("name", ["transfer", "boost"])
def test_each_format_is_as_wide_as_the_study_asks(tmp_path, name, options, width):
    stem = saved(tmp_path, name, **options)
    assert svg_width(stem) == pytest.approx(width, abs=0.1)
    (page,) = pypdf.PdfReader(stem.with_suffix(".pdf")).pages
    assert float(page.mediabox.width) / POINTS_PER_MM == pytest.approx(width, abs=0.1)
    with Image.open(stem.with_suffix(".png")) as picture:
        assert picture.width * 25.4 / 200 == pytest.approx(width, abs=0.3)


def font_sizes(stem: Path) -> set[float]:
    """The font sizes in a PDF, in points of the page."""
    sizes = set()

    def note(text, of_page, of_text, font, size):
        if text.strip():
            sizes.add(round(size * abs(of_text[0] or of_text[1]) * of_page[0], 2))

    pypdf.PdfReader(stem.with_suffix(".pdf")).pages[0].extract_text(visitor_text=note)
    return sizes


def test_letters_have_the_size_in_the_study(tmp_path):
    assert max(font_sizes(saved(tmp_path))) == pytest.approx(8, rel=0.01)
    assert max(font_sizes(saved(tmp_path, font_size=12))) == pytest.approx(12, rel=0.01)
    assert max(font_sizes(saved(tmp_path, width="slide"))) == pytest.approx(14, rel=0.01)
    # Two legends next to each other do not fit in a column, and letters keep their size.
    assert max(font_sizes(saved(tmp_path, width="column"))) == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize(
    ("name", "theme"), [*((name, "dark") for name in DRAWN), ("transfer", "light")]
)
def test_each_figure_has_the_background_of_its_theme(tmp_path, name, theme):
    stem = saved(tmp_path, name, theme=theme, width="column", formats=("png",))
    with Image.open(stem.with_suffix(".png")) as picture:
        counted = picture.convert("RGB").getcolors(picture.width * picture.height)
    _, ground = max(counted)
    assert "#{:02x}{:02x}{:02x}".format(*ground) == THEMES[theme][1]


def test_files_of_former_formats_are_deleted(tmp_path):
    stem = saved(tmp_path)
    saved(tmp_path, formats=("png",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["transfer.png", "transfer.svg"]
    assert stem.with_suffix(".png").exists()


def test_words_of_the_study_replace_the_default_ones(tmp_path):
    theirs = {"AnB": "copied", "selffer, frozen": "frozen control", "selffer": "control"}
    stem = saved(tmp_path, labels=theirs, formats=("pdf",))
    text = pypdf.PdfReader(stem.with_suffix(".pdf")).pages[0].extract_text()
    assert "copied  transfer, frozen" in text.replace("\xa0", " ")
    assert "frozen control" in text
    assert "control, fine-tuned" in text
    assert "selffer" not in text


@pytest.mark.parametrize("word", ["cost $5 to $9 net", "US$ (net_$)", "a $x^2$ b", "50% {n} #1 _"])
def test_a_dollar_sign_in_words_is_not_mathematics(tmp_path, word):
    stem = saved(tmp_path, labels={"AnB": word}, formats=("pdf",))
    text = pypdf.PdfReader(stem.with_suffix(".pdf")).pages[0].extract_text()
    assert word in text.replace("\xa0", " ")


def test_whole_words_are_replaced_the_longest_first():
    wanted = Options(labels={"AnB": "x", "AnB+": "y"})
    assert wanted.in_words("A$n$B+ − A$n$B, AnB+ and AnBs") == "y − x, y and AnBs"


def test_the_published_figures_fit_a_column(tmp_path):
    with used(Options(width="column")):
        drawn = draw("effects", "published")
        drawn.draw_without_rendering()
        assert drawn.get_figwidth() == pytest.approx(88 / 25.4)
        (first, *_) = drawn.axes
        assert first.get_window_extent().width > 0.4 * drawn.bbox.width


def test_options_apply_to_one_figure_only():
    with used(Options(theme="dark")):
        pass
    assert figures.transfer(networks()).get_facecolor()[:3] == (1, 1, 1)


def test_saved_files_are_reproducible_and_complete(tmp_path):
    bases = {"baseA": np.random.default_rng(0).standard_normal((4, 3, 3, 3))}
    for attempt in ("first", "second"):
        # A user's own settings must have no effect.
        with mpl.rc_context({"font.size": 20, "svg.hashsalt": attempt, "pdf.fonttype": 3}):
            for name in ("boost", "effects"):
                figures.save(draw(name, "lines alike"), tmp_path / attempt / name)
            figures.save(figures.filters(bases), tmp_path / attempt / "filters")
    drawn = ("boost", "effects", "filters")
    names = [f"{name}.{kind}" for name in drawn for kind in ("pdf", "png", "svg")]
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == names
    for name in names:
        first = (tmp_path / "first" / name).read_bytes()
        assert first == (tmp_path / "second" / name).read_bytes()
        assert not re.search(rb"CreationDate|<dc:date>", first)


def test_a_failed_save_keeps_the_former_file(tmp_path, monkeypatch):
    figure = figures.filters({"baseA": np.zeros((4, 3, 3, 3))})
    (tmp_path / "filters.svg").write_text("former")

    def fail(path, **settings):
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, tmp_path / "filters")
    assert [path.name for path in tmp_path.iterdir()] == ["filters.svg"]
    assert (tmp_path / "filters.svg").read_text() == "former"
