"""Figures of made-up studies agree with tests/golden/figures, which
`uv run python tests/made_reports.py` writes again; and properties in no golden file."""

import itertools
import re
import warnings

import numpy as np
import pytest
from drawn_figures import (
    CASES,
    DRAWN,
    STUDIES,
    bars,
    draw,
    drawn,
    evaluations_of,
    line,
    lines,
    tables,
    words,
)
from made_networks import networks
from made_reports import GOLDEN
from matplotlib.text import Text
from project import TINY

from transferability import figures
from transferability.analysis.effects import of_treatment
from transferability.analysis.treatments import SELFFER, TRANSFER, TRANSFER_PLUS
from transferability.cli.tables import read_table, write_table
from transferability.study import config, targets

LINES = {
    "coadaptation": "B$n$B",
    "self_boost": "B$n$B+",
    "transfer": "A$n$B",
    "boost": "A$n$B+",
}
LACKING = {
    **{("bases alone", name): "has no|holds no" for name in DRAWN},
    ("random alone", "effects"): "no selffer or transfer networks",
    ("random alone", "dissimilar"): "no transfer networks",
    ("random alone", "boost"): "no fine-tuned transfer networks",
    ("no selffer", "random_features"): "no networks with random features",
}
CASE_PAIRS = {(name, study) for name, studies in CASES.items() for study in studies}
PAIRS = sorted({*itertools.product(DRAWN, STUDIES), *CASE_PAIRS, ("data_size", "many sizes")})
FIRST = ("dissimilar", "did not learn", "random alone", "no selffer", "bases alone", "lines alike")


@pytest.mark.parametrize("name", CASES)
def test_a_figure_agrees_with_its_golden_file(name):
    assert drawn(name) == (GOLDEN / "figures" / f"{name}.txt").read_text(encoding="utf-8")


@pytest.fixture
def texts(monkeypatch) -> list[Text]:
    """The texts that are drawn from now on."""
    found: list[Text] = []
    draw_text = Text.draw

    def recording(text, renderer):
        found.append(text)
        draw_text(text, renderer)

    monkeypatch.setattr(Text, "draw", recording)
    return found


@pytest.mark.parametrize(
    ("name", "study"),
    [
        pytest.param(
            *pair, marks=[] if pair[1] in FIRST or pair[0] not in DRAWN else pytest.mark.full
        )
        for pair in PAIRS
    ],
)
def test_figures_have_no_warnings_and_no_overlapping_text(name, study, texts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Figures of the published table, which has no sources.
        warnings.filterwarnings("ignore", ".* not supported as a fill value")
        figure = draw(name, study)
        figure.draw_without_rendering()
    if lacks := LACKING.get((study, name)):
        assert not figure.axes
        assert re.search(lacks, words(figure))
    for axes in figure.axes:
        # Labels and crosses outside the panels must not make these smaller.
        assert axes.get_window_extent().height > 0.1 * figure.dpi
    # Vertical names make a panel smaller, so labels at the ends of its lines may touch.
    upright = study in ("long names", "sources")
    shown = figure.axes[0].get_xticklabels() if upright else texts
    boxes = {
        text: text.get_window_extent().padded(-1)
        for text in shown
        if text.get_visible() and text.get_text().strip()
    }
    pairs = itertools.combinations(boxes, 2)
    assert not [(a, b) for a, b in pairs if boxes[a].overlaps(boxes[b])]
    assert all(box.x1 <= figure.bbox.x1 for box in boxes.values())


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_transfer_draws_networks_and_their_means(seeds):
    table = networks(seeds=seeds, noise=0.01)
    (axes,) = figures.transfer(table).axes
    points = np.concatenate([drawn.get_ydata() for drawn in axes.get_lines()])
    treated = {"B$n$B": SELFFER, "A$n$B": TRANSFER, "A$n$B+": TRANSFER_PLUS}
    for label, treatment in treated.items():
        rows = of_treatment(table, treatment)
        np.testing.assert_allclose(line(axes, label), 100 * rows.groupby("n")["top1"].mean())
        assert all(np.isclose(points, value).any() for value in 100 * rows["top1"])
    assert f"{len(seeds)} replicate" in axes.get_title(loc="left")


@pytest.mark.parametrize("study", ["one replicate", "four splits"])
def test_each_effect_is_a_line_of_its_means_with_interval_bars(study):
    _, table = tables(study)
    (axes,) = figures.effects(table).axes
    for effect, label in LINES.items():
        rows = table[table["effect"] == effect]
        np.testing.assert_allclose(line(axes, label), 100 * rows["mean"])
        for interval in 100 * rows[["low", "high"]].to_numpy(float):
            assert np.isclose(bars(axes), interval).all(axis=1).any()


def test_a_table_is_drawn_as_it_is_read_from_its_file(tmp_path):
    _, table = tables("one replicate")
    write_table(table, tmp_path / "effects.csv")
    # An empty column is read as numbers.
    (axes,) = figures.effects(read_table(tmp_path / "effects.csv")).axes
    assert not lines(axes, "did not learn")
    assert len(line(axes, "A$n$B")) == 7


def test_published_lines_are_behind_and_do_not_change_the_axes():
    figure, plain = draw("effects", "dissimilar, 2014"), draw("effects", "dissimilar")
    for axes, without in zip(figure.axes, plain.axes, strict=True):
        assert axes.get_ylim() == without.get_ylim()
        (above,) = lines(axes, "A$n$B")
        assert lines(axes, "2014")
        for behind in lines(axes, "2014"):
            assert behind.get_zorder() < above.get_zorder()
            assert behind.get_linewidth() < above.get_linewidth()
    assert "2014" not in words(plain)


def test_learning_curves_of_halves_of_different_size_are_averaged_over_iterations():
    table = networks(seeds=(0, 1), noise=0.01)
    curves = evaluations_of(table).assign(iteration=lambda rows: 1000 * rows["epoch"])
    # These are evaluated at other fractions of an epoch.
    curves["epoch"] *= np.where(curves["seed"] == 1, 0.4, 0.5)
    figure = figures.learning_curves(table, curves)
    assert {axes.get_xlabel() for axes in figure.axes} == {"", "iteration"}
    base = figure.axes[3].get_lines()[0]
    np.testing.assert_array_equal(base.get_xdata(), [1000, 2000, 3000, 4000, 5000])


@pytest.mark.parametrize(("count", "size"), [(16, 3), (96, 11), (5, 5)])
def test_filters_shows_each_filter_at_its_own_range(count, size):
    weights = np.random.default_rng(0).standard_normal((count, 3, size, size))
    weights[1] = 7.0
    figure = figures.filters({"baseA": weights, "baseB": 100 * weights})
    assert [axes.get_title() for axes in figure.axes] == ["baseA", "baseB"]
    first, second = (np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes)
    np.testing.assert_allclose(first, second)
    zoom = -(-12 // size)
    filter_0 = first[: size * zoom : zoom, : size * zoom : zoom].transpose(2, 0, 1)
    low, high = weights[0].min(), weights[0].max()
    np.testing.assert_allclose(filter_0, (weights[0] - low) / (high - low))
    assert "three input channels" in words(figures.filters({}))


@pytest.mark.parametrize("name", sorted({*DRAWN} - {"boost", "random_features"}))
def test_an_omitted_network_is_counted(name):
    assert re.search(
        r"(\b1 (network|difference) is|\d (networks|differences) are) missing",
        words(draw(name, "left out")),
    )


def test_effects_over_data_sizes_need_several_sizes():
    for sizes in (["all"], [20, "all"]):
        asked_for = targets.figures(config.complete({**TINY, "target_sizes": sizes}))
        assert ("data_size" in asked_for) == (len(sizes) > 1)
