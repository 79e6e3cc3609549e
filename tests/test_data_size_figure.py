import itertools

import numpy as np
import pandas as pd
from drawn_figures import bars, crosses, tables, titles, words
from made_networks import networks
from matplotlib.axes import Axes
from project import TINY

from transferability import figures
from transferability.analysis.effects import estimate
from transferability.figures.style import TITLES
from transferability.study import config, targets

EFFECTS = ("transfer", "specificity", "coadaptation", "boost", "boost_over_selffer")
EFFECTS += ("gain_over_long", "self_boost")
SIZES = ("5", "50", "500", "all")


def of_sizes(sizes: tuple[str, ...] = SIZES, **study: object) -> pd.DataFrame:
    """Effects of networks on so many images a class."""
    return estimate(networks(**{"target_sizes": sizes, "noise": 0.004, "seeds": (0, 1), **study}))


def markers(axes: Axes, label: str) -> np.ndarray:
    """2 × sizes: where the markers of one n stand."""
    (drawn,) = (found.lines[0] for found in axes.containers if found.get_label() == label)
    return np.array(drawn.get_data(), dtype=float)


def test_each_effect_has_a_panel_with_its_means_and_intervals_at_every_size():
    table = of_sizes()
    figure = figures.data_size(table)
    assert titles(figure) == [TITLES[effect] for effect in EFFECTS]
    assert titles(figure)[-2:] == ["A$n$B+ − base2B", "B$n$B+ − baseB"]
    for axes, effect in zip(figure.axes, EFFECTS, strict=True):
        for n, layer in ((1, "conv1"), (7, "fc7")):
            rows = table[(table["effect"] == effect) & (table["n"] == n)]
            x, y = markers(axes, f"$n$ = {n}, {layer}")
            np.testing.assert_allclose(y, 100 * rows["mean"])
            # Those of a size stand side by side about it.
            np.testing.assert_array_equal(x.round(), range(4))
            for interval in 100 * rows[["low", "high"]].to_numpy(float):
                assert np.isclose(bars(axes), interval).all(axis=1).any()
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == list(SIZES)
    assert figure.subfigs[0].get_suptitle() == "random split, 2 replicates"
    assert "moderated t over seeds" in words(figure)


def test_labels_of_many_sizes_do_not_touch_one_another():
    sizes = ("1", "2", "5", "10", "25", "50", "100", "250", "500", "750", "all")
    figure = figures.data_size(of_sizes(sizes, layers=(0, 7)))
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[3].get_xticklabels()]
    assert len(boxes) == len(sizes)
    assert "all: every image" in words(figure)
    assert "every image" not in words(figures.data_size(of_sizes(sizes[:2], layers=(0, 7))))
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_places_have_panels_of_their_own_random_splits_first():
    table = of_sizes(splits=("dissimilar", "random0", "random1"), targets="AB", layers=(0, 1, 7))
    figure = figures.data_size(table)
    assert [part.get_suptitle() for part in figure.subfigs] == [
        "random split, 4 replicates",
        "dissimilar split, target A, 2 replicates",
        "dissimilar split, target B, 2 replicates",
    ]
    for place, target in zip(figure.subfigs[1:], "AB", strict=True):
        rows = table[(table["effect"] == "boost") & (table["n"] == 7) & (table["target"] == target)]
        np.testing.assert_allclose(markers(place.axes[3], "$n$ = 7, fc7")[1], 100 * rows["mean"])


def test_an_n_that_is_not_trained_at_every_size_is_drawn_where_it_was():
    table = of_sizes()
    table = table[~((table["n"] == 2) & table["target_size"].isin(["5", "50", "500"]))]
    (x,), _ = markers(figures.data_size(table).axes[0], "$n$ = 2, conv2")
    assert round(x) == SIZES.index("all")


def test_what_did_not_learn_sets_no_axis():
    table = networks(target_sizes=("5", "all"), layers=(0, 7), seeds=(0, 1), noise=0.004)
    failed = (table["network"] == "A7B@5") & (table["seed"] == 1)
    table["learned"] &= ~failed
    table.loc[failed, "top1"] = 0.02
    axes = figures.data_size(estimate(table)).axes[0]
    assert axes.get_ylim()[0] > -30
    assert len(crosses(axes)) == 1


def test_it_says_what_a_study_lacks():
    assert "no selffer or transfer" in words(figures.data_size(tables("random alone")[1]))
    assert "one size" in words(figures.data_size(tables("one replicate")[1]))


def test_it_is_asked_for_where_a_study_has_several_sizes():
    for sizes in (["all"], [20, "all"]):
        asked_for = targets.figures(config.complete({**TINY, "target_sizes": sizes}))
        assert ("data_size" in asked_for) == (len(sizes) > 1)
