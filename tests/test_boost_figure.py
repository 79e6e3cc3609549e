import numpy as np
import pandas as pd
import pytest
from drawn_figures import published_tables, titles, words
from made_networks import FOUR_SPLITS, correctness, networks, of
from matplotlib.axes import Axes

from transferability import figures
from transferability.analysis.boost import boost
from transferability.analysis.vocabulary import measured
from transferability.figures.boost import ESTIMATORS


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return boost(published_tables()[0])


def texts(axes: Axes) -> list[str]:
    """The numbers beside the estimates, from top to bottom."""
    return [text.get_text() for text in sorted(axes.texts, key=lambda text: text.xy[1])]


def estimates(axes: Axes, label: str) -> list[float]:
    drawn = [found.lines[0] for found in axes.containers if found.get_label() == label]
    return [float(x) for found in drawn for x in found.get_xdata()]


def test_each_estimate_stands_at_its_gain_with_its_numbers_beside(published):
    figure = figures.boost(published)
    for axes, comparison in zip(figure.axes, ("base", "selffer"), strict=True):
        rows = of(published, comparison=comparison)
        for name, look in ESTIMATORS.items():
            expected = 100 * of(rows, estimator=name)["mean"]
            np.testing.assert_allclose(sorted(estimates(axes, look.label)), sorted(expected))
        assert len(texts(axes)) == len(rows)
    pooled = of(published, comparison="selffer", estimator="pooled", layers="1-7").iloc[0]
    assert f"{measured(pooled)} (B vs A)" in texts(figure.axes[1])
    assert "B vs A: the target halves" in words(figure)
    complete = words(figures.boost(boost(networks(splits=FOUR_SPLITS, targets="AB", noise=0.003))))
    assert " vs " not in complete
    assert "through base" not in complete


def test_a_far_wider_interval_leaves_the_panel_and_flattens_no_other(published):
    for axes in figures.boost(published).axes:
        low, high = axes.get_xlim()
        assert high - low < 5
        assert (100 * published["mean"]).between(low, high).all()
    near = published[published["estimator"].isin(["paired", "through_base", "linear_model"])]
    assert (100 * near["low"].dropna() > low).all()


def test_intervals_of_like_width_are_all_shown_whole():
    table = boost(networks(noise=0.003), correctness)
    figure = figures.boost(table)
    low, high = figure.axes[0].get_xlim()
    assert (100 * table["low"] > low).all()
    assert (100 * table["high"] < high).all()
    assert "image intervals" in words(figure)


def test_each_place_has_a_row_of_panels():
    study = {"splits": ("random0", "random1", "dissimilar"), "targets": "AB", "layers": (1, 4, 7)}
    figure = figures.boost(boost(networks(**study, target_sizes=("100", "all"), noise=0.003)))
    rows = [axes.get_ylabel().replace("\n", ", ") for axes in figure.axes[::2]]
    assert rows[:2] == [
        "random split, 100 images a class, 2 replicates, over $n$ =",
        "dissimilar split, target A, 100 images a class, 1 replicate, over $n$ =",
    ]
    assert len(rows) == 6
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["1, 4, 7", "4, 7", "7"]


def test_layers_whose_networks_are_the_same_stand_once():
    figure = figures.boost(boost(networks(layers=(1, 7), seeds=(0, 1), noise=0.003)))
    # Layers 3-7 and 5-7 are both layer 7.
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1, 7", "7"]
    assert len(estimates(figure.axes[0], "paired")) == 2


def test_texts_stand_beside_one_another(published):
    for table in (published, boost(networks(noise=0.003, layers=(1, 3, 5, 6, 7)), correctness)):
        figure = figures.boost(table)
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert max(box.x1 for box in boxes) <= figure.bbox.x1


def test_estimates_with_networks_that_did_not_learn_are_marked():
    table = networks(splits=FOUR_SPLITS)
    lost = (table["split"] == "random1") & (table["network"] == "B6B+")
    said = words(figures.boost(boost(table.assign(learned=~lost))))
    assert "× with what did not learn: random1/seed0/B6B+." in said
    # Two estimators of three ranges of layers, over the selffer alone.
    assert said.count("] ×") == 6
    assert "×" not in words(figures.boost(boost(table)))


def test_it_says_what_the_study_lacks():
    without = figures.boost(boost(networks(treatments=(("transfer", True),))))
    assert titles(without)[1] == "A$n$B+ − B$n$B+: not in this study"
    none = figures.boost(boost(networks(treatments=(("selffer", True),))))
    assert "This study has no fine-tuned transfer networks (A$n$B+)" in words(none)
