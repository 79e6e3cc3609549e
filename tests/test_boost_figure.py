import re

import numpy as np
import pandas as pd
import pytest
from drawn_figures import FOUR_SPLITS, labelled, published_tables, words
from made_networks import correctness, networks, of
from matplotlib.axes import Axes

from transferability import figures
from transferability.analysis.boost import boost


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return boost(published_tables()[0])


def texts(axes: Axes) -> list[str]:
    """What stands beside the estimates, from top to bottom and from left to right."""
    ordered = sorted(axes.texts, key=lambda text: (text.xy[1], text.xyann[0] + 1000 * text.xy[0]))
    return [text.get_text() for text in ordered]


def estimates(axes: Axes, label: str) -> list[float]:
    return [
        float(x)
        for drawn in axes.containers
        if drawn.get_label() == label
        for x in drawn.lines[0].get_xdata()
    ]


def test_each_estimate_stands_at_its_gain_with_its_numbers_beside(published):
    (axes,) = figures.boost(published).axes
    said = texts(axes)
    for name, label in (
        ("paired", "paired"),
        ("pooled", "pooled"),
        ("through_base", "through base"),
        ("linear_model", "linear model"),
    ):
        rows = of(published, estimator=name)
        np.testing.assert_allclose(sorted(estimates(axes, label)), sorted(100 * rows["mean"]))
        assert said.count(label) == len(rows)
    first = of(published, comparison="selffer", estimator="pooled", layers="1-7").iloc[0]
    mean, low, high = (
        f"{100 * first[column]:.1f}".replace("-", "−") for column in ("mean", "low", "high")
    )
    at = said.index(f"{mean} [{low}, {high}]")
    counts = f"{first['networks']} / {first['controls']} / {first['missing']}"
    assert said[at + 1 : at + 5] == ["B vs A", counts, str(first["replicates"]), "t, splits"]


def test_a_comparison_without_pairs_says_so_and_whose_halves_differ(published):
    said = words(figures.boost(published))
    assert "over the fine-tuned selffer: A$n$B+ − B$n$B+; no pairs" in said
    assert "over the base: A$n$B+ − baseB; no pairs" not in said
    assert "B vs A and B vs A+B: target halves of A$n$B+ vs controls; pooled" in said
    assert "pooled: mean of all A$n$B+ less mean of all controls, as in the paper" in said
    assert "t of the linear model" in said
    assert "none for means of one replicate without predictions" in said
    complete = words(figures.boost(boost(networks(**FOUR_SPLITS))))
    for lack in ("no pairs", " vs ", "no score", "through base", "Arrows", "none for"):
        assert lack not in complete


def test_a_far_wider_interval_ends_in_an_arrow_and_flattens_no_other(published):
    figure = figures.boost(published)
    (axes,) = figure.axes
    limits = axes.get_xlim()
    beyond = (100 * published["low"] < limits[0]).sum() + (
        100 * published["high"] > limits[1]
    ).sum()
    arrows = labelled(axes, "arrow")
    ends = [x for arrow in arrows for x in arrow.get_xdata()]
    assert len(ends) == beyond > 0
    assert set(ends) <= set(limits)
    assert np.ptp(limits) < 5
    near = published[published["estimator"].isin(["paired", "through_base", "linear_model"])]
    assert (100 * near["low"].dropna() > limits[0]).all()
    assert (100 * published["mean"]).between(*limits).all()
    assert "Arrows: an interval goes on; its numbers stand beside it." in words(figure)


def test_intervals_of_like_width_are_all_shown_whole():
    table = boost(networks(noise=0.003), correctness)
    (axes,) = figures.boost(table).axes
    assert not labelled(axes, "arrow")
    limits = axes.get_xlim()
    assert (100 * table["low"] > limits[0]).all()
    assert (100 * table["high"] < limits[1]).all()
    assert texts(axes).count("bootstrap") == len(table)


def test_each_place_has_a_panel_and_one_target_size_one_scale():
    table = boost(
        networks(
            splits=("random0", "random1", "dissimilar"),
            targets="AB",
            layers=(1, 4, 7),
            target_sizes=("100", "all"),
            noise=0.003,
        )
    )
    figure = figures.boost(table)
    said = [" ".join(texts(axes)) for axes in figure.axes]
    for place, text in zip(
        (
            "random split, 100 images a class",
            "dissimilar split, target A, 100 images a class",
            "dissimilar split, target B, 100 images a class",
            "random split",
            "dissimilar split, target A",
            "dissimilar split, target B",
        ),
        said,
        strict=True,
    ):
        assert place in text
        for layers in ("$n$ = 1, 4, 7", "$n$ = 4, 7", "$n$ = 7"):
            assert text.count(layers) == 2
    limits = [axes.get_xlim() for axes in figure.axes]
    assert limits[0] == limits[1] == limits[2] != limits[3]
    assert limits[3] == limits[4] == limits[5]


def test_layers_whose_networks_are_the_same_stand_once():
    (axes,) = figures.boost(boost(networks(layers=(1, 7), seeds=(0, 1), noise=0.003))).axes
    said = texts(axes)
    # Layers 3-7 and 5-7 are both layer 7.
    assert said.count("$n$ = 7") == said.count("$n$ = 1, 7") == 2
    assert len(estimates(axes, "paired")) == 4


def test_texts_stand_beside_one_another(published):
    for table in (published, boost(networks(noise=0.003, layers=(1, 3, 5, 6, 7)), correctness)):
        figure = figures.boost(table)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert max(box.x1 for box in boxes) <= figure.bbox.x1
        plot = axes.get_window_extent()
        names = [text for text in axes.texts if text.get_text() in ("paired", "linear model")]
        assert names
        assert all(text.get_window_extent().x1 < plot.x0 for text in names)


@pytest.mark.parametrize(
    ("treatments", "lack"),
    [
        ([("transfer", True)], "This study has no fine-tuned selffers (B$n$B+) to compare with."),
        ([("selffer", True)], "This study has no fine-tuned transfer networks (A$n$B+)"),
    ],
)
def test_it_says_what_the_study_lacks(treatments, lack):
    assert lack in words(figures.boost(boost(networks(treatments=tuple(treatments)))))


def test_a_gain_without_interval_is_a_number_alone():
    (axes,) = figures.boost(boost(networks())).axes
    numbers = [text for text in texts(axes) if re.fullmatch(r"−?\d+\.\d", text)]
    assert len(numbers) == 12
    assert "none" in texts(axes)
