import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from drawn_figures import FOUR_SPLITS, STUDIES, bars, labelled, tables, titles, without, words
from made_networks import correctness, networks
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from project import Project

from transferability import figures
from transferability.analysis.effects import estimate
from transferability.figures import style

EFFECTS = {
    "transfer": "A$n$B − baseB",
    "specificity": "A$n$B − B$n$B",
    "coadaptation": "B$n$B − baseB",
    "boost": "A$n$B+ − baseB",
    "boost_over_selffer": "A$n$B+ − B$n$B+",
    "self_boost": "B$n$B+ − baseB",
}
SIZES = ("5", "50", "500", "all")


def of_sizes(sizes: tuple[str, ...] = SIZES, **study: object) -> pd.DataFrame:
    """Effects of networks on so many images a class."""
    return estimate(networks(**{"target_sizes": sizes, "noise": 0.004, "seeds": (0, 1), **study}))


def markers(axes: Axes, n: int) -> np.ndarray:
    """2 × sizes: where the markers of one n stand."""
    (line,) = (c.lines[0] for c in axes.containers if c.get_label() == f"$n$ = {n}")
    return np.array(line.get_data(), dtype=float)


def drawn(figure: Figure) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


def test_each_effect_has_a_panel_with_its_means_and_intervals_at_every_size():
    table = of_sizes()
    figure = figures.data_size(table)
    assert titles(figure) == [
        f"{effect.replace('_', ' ')}, {formula}" for effect, formula in EFFECTS.items()
    ]
    for axes, effect in zip(figure.axes, EFFECTS, strict=True):
        for n in range(1, 8):
            rows = table[(table["effect"] == effect) & (table["n"] == n)]
            assert list(rows["target_size"]) == list(SIZES)
            np.testing.assert_allclose(markers(axes, n)[1], 100 * rows["mean"])
            for low_high in 100 * rows[["low", "high"]].to_numpy(float):
                assert any(np.allclose(bar, low_high) for bar in bars(axes))
    said = words(figure)
    assert "Bars: 95 % intervals, t over the seeds of one split" in said
    assert "random split, 2 replicates" in said


def test_sizes_stand_at_their_numbers_on_a_log_axis_and_all_apart_from_them():
    figure = figures.data_size(of_sizes())
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    *numbers, last = axes.get_xticks()
    assert numbers == pytest.approx([5, 50, 500])
    assert last > 500
    # Where `all` stands says nothing of how many there are.
    without_500 = figures.data_size(of_sizes(("5", "50", "all"))).axes[0]
    assert without_500.get_xticks()[-1] / 50 == pytest.approx(last / 500)
    assert [text.get_text() for text in axes.texts] == ["//"]
    # The markers of a size stand side by side about it.
    assert markers(axes, 4)[0] == pytest.approx(axes.get_xticks())
    assert (markers(axes, 1)[0] < markers(axes, 7)[0]).all()
    assert "all: every image of a class" in words(figure)


def test_a_study_without_all_has_no_broken_axis():
    figure = figures.data_size(of_sizes(("5", "50")))
    assert not figure.axes[0].texts
    assert "all: every image" not in words(figure)


def test_labels_of_sizes_do_not_touch_one_another():
    sizes = ("1", "2", "5", "10", "25", "50", "100", "250", "500", "750", "all")
    figure = figures.data_size(of_sizes(sizes))
    drawn(figure)
    axes = figure.axes[3]
    assert len(axes.get_xticks()) == len(sizes)
    shown = [label for label in axes.get_xticklabels() if label.get_text()]
    assert {"1", "all"} <= {label.get_text() for label in shown}
    boxes = [label.get_window_extent() for label in shown]
    assert len(boxes) >= 5
    assert not any(left.x1 >= right.x0 for left, right in pairwise(boxes))


def test_training_noise_is_a_band_about_zero_at_each_size():
    table = of_sizes()
    noise = table[table["effect"] == "retraining"]
    width = 100 * noise[["mean", "low", "high"]].abs().max(axis=1)
    for axes in figures.data_size(table).axes:
        (band,) = labelled(axes, "training noise")
        high, edges, low = band.get_data()
        np.testing.assert_allclose(high, width)
        np.testing.assert_allclose(low, -width)
        for size, left, right in zip(axes.get_xticks(), edges, edges[1:], strict=False):
            assert left < size < right
    lacks = table[(table["effect"] != "retraining") | (table["target_size"] != "50")]
    (band,) = labelled(figures.data_size(lacks).axes[0], "training noise")
    assert np.isnan(band.get_data().values).tolist() == [False, True, False, False]
    none = figures.data_size(table[table["effect"] != "retraining"])
    assert "training noise" not in words(none)


def test_every_n_has_a_marker_of_its_own():
    axes = figures.data_size(of_sizes()).axes[0]
    lines = [container.lines[0] for container in axes.containers]
    assert len({line.get_marker() for line in lines}) == len(lines) == 7
    deep = of_sizes()
    deeper = deep[deep["n"] > 0].assign(n=lambda t: t["n"] + 7)
    axes = figures.data_size(pd.concat([deep, deeper])).axes[0]
    looks = {
        (line.get_marker(), line.get_markerfacecolor() == style.PAPER)
        for line in (container.lines[0] for container in axes.containers)
    }
    assert len(looks) == 14


def test_lines_up_to_all_are_dotted_since_they_have_no_slope_to_read():
    axes = figures.data_size(of_sizes(layers=(0, 3))).axes[0]
    solid, dotted = [
        line for line in axes.get_lines() if line.get_linestyle() != "None" and line.get_lw() != 0.8
    ]
    assert len(solid.get_xdata()) == 3
    assert solid.get_linestyle() == "-"
    np.testing.assert_allclose(dotted.get_xdata()[0], solid.get_xdata()[-1])
    assert dotted.is_dashed()


def test_places_have_panels_of_their_own_random_splits_first():
    table = of_sizes(splits=("dissimilar", "random0", "random1"), targets="AB", layers=(0, 1, 7))
    figure = figures.data_size(table)
    drawn(figure)
    names = [part.get_suptitle() for part in figure.subfigs]
    assert names == [
        "random split, 4 replicates",
        "dissimilar split, target A, 2 replicates",
        "dissimilar split, target B, 2 replicates",
    ]
    random, *others = figure.subfigs
    assert random.axes[0].get_window_extent().height > others[0].axes[0].get_window_extent().height
    for place, target in zip(others, "AB", strict=True):
        rows = table[(table["effect"] == "boost") & (table["n"] == 7) & (table["target"] == target)]
        np.testing.assert_allclose(markers(place.axes[3], 7)[1], 100 * rows["mean"])
        assert place.axes[0].get_ylim() == others[0].axes[0].get_ylim()
    assert "B stands for the target half, A for the other" in words(figure)


def test_a_place_that_has_one_size_is_drawn_beside_the_others():
    table = of_sizes(splits=("random0", "random1", "dissimilar"), layers=(0, 1, 7))
    table = table[(table["split_kind"] == "random") | (table["target_size"] == "all")]
    figure = figures.data_size(table)
    drawn(figure)
    (x,), _ = markers(figure.axes[6], 7)
    assert x == pytest.approx(figure.axes[0].get_xticks()[-1], rel=0.5)


def test_one_replicate_has_intervals_over_images_and_says_so():
    table = networks(target_sizes=SIZES, layers=(0, 1, 7))
    figure = figures.data_size(estimate(table, correctness))
    assert "95 % intervals, paired bootstrap over validation images" in words(figure)
    assert "random split, 1 replicate" in words(figure)
    unknown = estimate(table.drop(columns="validation_images"))
    assert "No intervals" in words(figures.data_size(unknown))


def test_effects_that_rest_on_other_networks_say_so():
    study = networks(target_sizes=("50", "all"), **FOUR_SPLITS)
    table = without(
        study,
        lambda t: (
            (t["kind"] == "transfer") & (t["target_size"] == "50") & (t["split"] == "random3")
        ),
    )
    said = words(figures.data_size(estimate(table)))
    assert "A$n$B − baseB: target A+B, 3 or 4 replicates" in said
    assert "B$n$B − baseB: target A+B, 4 replicates" in said
    assert "differ in what they average" not in words(figures.data_size(estimate(study)))


def test_sizes_that_rest_on_other_halves_say_so_once():
    study = networks(target_sizes=("10", "50", "all"), layers=(0, 1, 7), **FOUR_SPLITS)
    table = without(study, lambda t: (t["target"] == "A") & (t["target_size"] != "all"))
    said = words(figures.data_size(estimate(table)))
    assert (
        "On the random split, lines differ in what they average: "
        "at 10: target B, 4 replicates, 4 differences; "
        "at 50: target B, 4 replicates, 4 differences; "
        "at all: target A+B, 4 replicates, 8 differences."
    ) in said
    assert said.count("differ in what they average") == 1


def test_an_n_that_is_not_trained_at_every_size_is_drawn_where_it_was():
    table = of_sizes()
    table = table[~((table["n"] == 2) & table["target_size"].isin(["5", "50", "500"]))]
    figure = figures.data_size(table)
    drawn(figure)
    (x,), _ = markers(figure.axes[0], 2)
    assert x == pytest.approx(figure.axes[0].get_xticks()[-1], rel=0.5)


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_is_drawn_without_a_warning(study):
    _, effects = tables(study)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.data_size(effects)
        drawn(figure)
    lacks = "no selffer or transfer networks" if study == "random alone" else "one size"
    assert bool(figure.axes) == (study == "two sizes")
    assert figure.axes or lacks in words(figure)


@pytest.mark.parametrize(("sizes", "is_drawn"), [(["all"], False), ([20, "all"], True)])
def test_it_is_asked_for_where_a_study_has_several_sizes(tmp_path, sizes, is_drawn):
    project = Project.copied(tmp_path / "project")
    project.write_study(target_sizes=sizes)
    assert ("plot_data_size" in project.jobs()) == is_drawn
