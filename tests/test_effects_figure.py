import warnings

import numpy as np
import pytest
from drawn_figures import (
    FOUR_SPLITS,
    bars,
    labelled,
    line,
    lines,
    published_tables,
    tables,
    titles,
    without,
    words,
)
from made_networks import networks
from matplotlib.text import Text

from transferability import figures
from transferability.analysis.effects import estimate


def test_effects_draws_the_table_in_points():
    effects = estimate(networks(seeds=(0, 1), noise=0.01))
    figure = figures.effects(effects)
    for effect, label in (
        ("coadaptation", "B$n$B"),
        ("self_boost", "B$n$B+"),
        ("transfer", "A$n$B"),
        ("boost", "A$n$B+"),
    ):
        own = effects[effects["effect"] == effect]
        np.testing.assert_allclose(line(figure.axes[0], label), 100 * own["mean"])
        low, high = 100 * own["low"].iloc[6], 100 * own["high"].iloc[6]
        assert any(np.allclose(bar, [low, high]) for bar in bars(figure.axes[0]))
    said = words(figure)
    for name in (
        "2  fragile co-adaptation",
        "3  fine-tuning recovers it",
        "4  representation specificity",
        "5  transfer + fine-tuning improves",
        "95 % t intervals over the seeds of one split",
    ):
        assert name in said


def test_effects_names_only_what_the_table_has():
    said = words(figures.effects(tables("no selffer")[1]))
    assert "transfer + fine-tuning improves" in said
    assert "co-adaptation" not in said
    assert "as if the two networks had been validated on different ones" in said
    unknown = estimate(networks().drop(columns="validation_images"))
    assert "No intervals, since there are none for means of one replicate" in words(
        figures.effects(unknown)
    )


def test_training_noise_is_drawn_about_zero():
    _, table = tables("one replicate")
    row = table[table["effect"] == "retraining"].iloc[0]
    # The interval itself is lopsided, and a band that repeated it would fail here.
    assert abs(row["low"] + row["high"]) > 0.001
    figure = figures.effects(table)
    (band,) = labelled(figure.axes[0], "training noise")
    width = 100 * max(-row["low"], row["high"])
    assert [band.get_y(), band.get_height()] == pytest.approx([-width, 2 * width])
    assert "± |B0B − baseB|, training noise" in words(figure)
    alone = table.assign(low=np.nan, high=np.nan, interval="none")
    (band,) = labelled(figures.effects(alone).axes[0], "training noise")
    assert band.get_height() == pytest.approx(200 * abs(row["mean"]))


def test_each_end_of_a_bracket_has_a_tick():
    _, table = tables("one replicate")
    axes = figures.effects(table).axes[0]
    last = table[table["n"] == 7].set_index("effect")["mean"] * 100
    for number, ends in (
        (2, (0, last["coadaptation"])),
        (3, (last["coadaptation"], last["self_boost"])),
        (4, (last["coadaptation"], last["transfer"])),
        (5, (0, last["boost"])),
    ):
        (bracket,) = labelled(axes, f"bracket {number}")
        assert bracket.get_marker() == "_"
        np.testing.assert_allclose(bracket.get_ydata(), ends)


def test_areas_between_lines_of_different_halves_are_no_effects_and_said_to_be_none():
    figure = figures.effects(published_tables()[1])
    assert titles(figure) == [
        "random split: 1 to 4 replicates",
        "natman split, target A: 1 replicate",
        "natman split, target B: 1 replicate",
    ]
    said = words(figure)
    assert (
        "B$n$B: target A, 4 replicates; B$n$B+: target A, 1 or 2 replicates; A$n$B: target A+B, "
        "4 replicates; A$n$B+: target B, 1 or 2 replicates."
    ) in said
    assert "Areas marked † lie between such lines and are no paired effects" in said
    # Recovery at some n has fewer replicates than coadaptation; boost has the base alone beside it.
    for name in (
        "2  fragile co-adaptation",
        "3†  fine-tuning recovers it",
        "4†  representation specificity",
        "5  transfer + fine-tuning improves",
    ):
        assert name in said


@pytest.mark.parametrize("study", ["one replicate", "eight replicates", "both targets"])
def test_a_complete_study_has_no_such_mark(study):
    assert "†" not in words(figures.effects(tables(study)[1]))


def test_a_left_out_network_marks_the_areas_beside_it_alone():
    table = without(
        networks(**FOUR_SPLITS),
        lambda t: (t["network"] == "A3B") & (t["split"] == "random2"),
    )
    said = words(figures.effects(estimate(table)))
    assert "4†  representation specificity" in said
    assert "3  fine-tuning recovers it" in said
    assert "A$n$B: target A+B, 4 replicates, 7 or 8 differences at an n (up to 1 missing)" in said


def test_lines_without_an_area_between_them_are_told_apart_too():
    table = networks(targets="AB", treatments=(("selffer", True), ("transfer", True)))
    table = without(
        table,
        lambda t: t["fine_tuned"] & ((t["kind"] == "selffer") == (t["target"] == "B")),
    )
    said = words(figures.effects(estimate(table)))
    assert "B$n$B+: target A, 1 replicate; A$n$B+: target B, 1 replicate" in said
    assert "Such lines have no paired effect between them" in said


def test_numbers_of_small_panels_stand_apart_and_are_explained():
    figure = figures.effects(tables("dissimilar")[1])
    figure.draw_without_rendering()
    for axes in figure.axes[1:]:
        # Without their leaders, which may cross.
        boxes = [Text.get_window_extent(text) for text in axes.texts]
        assert len(boxes) == 4
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    # The wide panel names them.
    assert "Numbers as in the paper" not in words(figure)
    assert "Numbers as in the paper: 2 fragile co-adaptation" in words(
        figures.effects(estimate(networks(splits=("dissimilar",), targets="AB")))
    )


def test_the_published_lines_stand_behind_those_of_the_same_kind_of_split():
    _, own = tables("dissimilar")
    _, reference = published_tables()
    figure, plain = figures.effects(own, reference), figures.effects(own)
    random, *others = [lines(axes, "published") for axes in figure.axes]

    def published(place: tuple[str, str], effect: str) -> np.ndarray:
        rows = reference[(reference["effect"] == effect) & (reference["split_kind"] == place[0])]
        return 100 * rows.loc[rows["target"] == place[1], "mean"].to_numpy()

    expected = [
        published(("random", "A"), "coadaptation"),
        published(("random", "A"), "self_boost"),
        published(("random", "A+B"), "transfer"),
        published(("random", "B"), "boost"),
    ]
    assert len(random) == len(expected)
    for drawn, values in zip(random, expected, strict=True):
        np.testing.assert_allclose(drawn.get_ydata(), values)
    for panel in others:
        assert [len(drawn.get_ydata()) for drawn in panel] == [7, 7]
        for drawn, target in zip(panel, "AB", strict=True):
            np.testing.assert_allclose(drawn.get_ydata(), published(("natman", target), "transfer"))
        assert panel[0].get_linestyle() != panel[1].get_linestyle()
    for with_reference, without_reference in zip(figure.axes, plain.axes, strict=True):
        for label in ("B$n$B", "A$n$B+", "bracket 4"):
            (own_line,) = lines(with_reference, label)
            np.testing.assert_allclose(own_line.get_ydata(), line(without_reference, label))
            for drawn in lines(with_reference, "published"):
                assert drawn.get_zorder() < own_line.get_zorder()
                assert drawn.get_marker() == "None"
                assert drawn.get_linewidth() < own_line.get_linewidth()
    said = words(figure)
    assert (
        "Thin pale lines, without intervals: published networks of 2014 (CaffeNet, ImageNet; "
        "Yosinski et al. 2014)"
    ) in said
    assert "natman, target A dotted" in said
    assert "2014" not in words(plain)


def test_the_published_lines_at_most_double_a_panel_and_are_cut_off_beyond():
    own = estimate(networks(splits=("dissimilar",), noise=0.001))
    # A study in which little is lost, beside which the published split lies far below.
    own = own.assign(**{column: own[column] / 10 for column in ("mean", "low", "high")})
    _, reference = published_tables()
    plain, figure = figures.effects(own), figures.effects(own, reference)
    range_of = [np.ptp(drawn.axes[0].get_ylim()) for drawn in (plain, figure)]
    assert range_of[1] == pytest.approx(2 * range_of[0])
    assert "Where they leave a panel they are cut off." in words(figure)
    wide = estimate(networks(splits=("random0",), noise=0.001))
    figure = figures.effects(wide, reference)
    assert figure.axes[0].get_ylim() == figures.effects(wide).axes[0].get_ylim()
    assert "cut off" not in words(figure)


def test_the_published_lines_count_other_layers_where_a_study_goes_deeper():
    _, own = tables("one replicate")
    _, reference = published_tables()
    assert "other layers than here" not in words(figures.effects(own, reference))
    deep = own.assign(n=2 * own["n"])
    assert "their n counts CaffeNet's layers, other layers than here" in words(
        figures.effects(deep, reference)
    )
    # A study of the first layers has no axis for the others.
    shallow = figures.effects(own[own["n"] <= 3], reference)
    assert all(max(drawn.get_xdata()) == 3 for drawn in lines(shallow.axes[0], "published"))


def test_a_reference_without_such_lines_is_not_named():
    _, reference = published_tables()
    figure = figures.effects(tables("one replicate")[1], reference[reference["effect"] == "random"])
    assert "2014" not in words(figure)
    assert not lines(figure.axes[0], "published")


def test_a_study_without_layers_copied_draws_no_bracket():
    _, own = tables("one replicate")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.effects(own[own["effect"].isin(["transfer", "retraining"])])
        figure.draw_without_rendering()
    assert not figure.axes[0].texts
    assert figure.axes[0].get_xlim()[1] < 8
