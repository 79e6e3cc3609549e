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
        "B$n$B − baseB: fragile co-adaptation",
        "B$n$B+ − baseB; less B$n$B: fine-tuning recovers it",
        "A$n$B − baseB; less B$n$B: representation specificity",
        "A$n$B+ − baseB: transfer + fine-tuning improves",
        "95 % intervals, t over the seeds of one split",
    ):
        assert name in said


def test_effects_names_only_what_the_table_has():
    said = words(figures.effects(tables("no selffer")[1]))
    assert "transfer + fine-tuning improves" in said
    assert "co-adaptation" not in said
    assert "unpaired over validation images" in said
    unknown = estimate(networks().drop(columns="validation_images"))
    assert "No intervals: one replicate" in words(figures.effects(unknown))


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


def test_each_effect_of_the_paper_is_an_area_between_two_lines():
    _, table = tables("one replicate")
    axes = figures.effects(table).axes[0]
    means = 100 * table[table["n"] > 0].pivot(index="n", columns="effect", values="mean")
    for effect, control in (
        ("coadaptation", 0 * means["coadaptation"]),
        ("self_boost", means["coadaptation"]),
        ("transfer", means["coadaptation"]),
        ("boost", 0 * means["boost"]),
    ):
        (area,) = labelled(axes, f"area {effect}")
        corners = {(x, round(y, 6)) for x, y in area.get_paths()[0].vertices}
        for edge in (means[effect], control):
            assert {(n, round(y, 6)) for n, y in edge.items()} <= corners


def test_areas_between_lines_of_different_halves_are_no_effects_and_said_to_be_none():
    figure = figures.effects(published_tables()[1])
    assert titles(figure) == [
        "random split: 1 to 4 replicates",
        "natman split, target A: 1 replicate",
        "natman split, target B: 1 replicate",
    ]
    said = words(figure)
    for line_words in (
        "B$n$B: target A, 4 replicates",
        "B$n$B+: target A, 1 or 2 replicates",
        "A$n$B: target A+B, 4 replicates",
        "A$n$B+: target B, 1 or 2 replicates",
        "Areas between such lines are no paired effects",
    ):
        assert line_words in said


@pytest.mark.parametrize("study", ["one replicate", "eight replicates", "both targets"])
def test_a_complete_study_has_even_lines(study):
    assert "lines differ" not in words(figures.effects(tables(study)[1]))


def test_a_left_out_network_is_counted():
    table = without(
        networks(**FOUR_SPLITS),
        lambda t: (t["network"] == "A3B") & (t["split"] == "random2"),
    )
    said = words(figures.effects(estimate(table)))
    assert "A$n$B: target A+B, 4 replicates, 7 or 8 differences" in said


def test_lines_without_an_area_between_them_are_told_apart_too():
    table = networks(targets="AB", treatments=(("selffer", True), ("transfer", True)))
    table = without(
        table,
        lambda t: t["fine_tuned"] & ((t["kind"] == "selffer") == (t["target"] == "B")),
    )
    said = words(figures.effects(estimate(table)))
    assert "B$n$B+: target A, 1 replicate" in said
    assert "A$n$B+: target B, 1 replicate" in said


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
        np.testing.assert_allclose(np.asarray(drawn.get_ydata(), dtype=float), values)
    for panel in others:
        assert [len(drawn.get_ydata()) for drawn in panel] == [7, 7]
        for drawn, target in zip(panel, "AB", strict=True):
            np.testing.assert_allclose(drawn.get_ydata(), published(("natman", target), "transfer"))
        assert panel[0].get_linestyle() != panel[1].get_linestyle()
    for with_reference, without_reference in zip(figure.axes, plain.axes, strict=True):
        for label in ("B$n$B", "A$n$B+"):
            (own_line,) = lines(with_reference, label)
            own_heights = np.asarray(own_line.get_ydata(), dtype=float)
            np.testing.assert_allclose(own_heights, line(without_reference, label))
            for drawn in lines(with_reference, "published"):
                assert drawn.get_zorder() < own_line.get_zorder()
                assert drawn.get_marker() == ""
                assert drawn.get_linewidth() < own_line.get_linewidth()
    said = words(figure)
    assert "Thin and pale: published networks of 2014 (CaffeNet, ImageNet; Yosinski" in said
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
    assert "cut off where they leave a panel" in words(figure)
    wide = estimate(networks(splits=("random0",), noise=0.001))
    figure = figures.effects(wide, reference)
    assert figure.axes[0].get_ylim() == figures.effects(wide).axes[0].get_ylim()
    assert "cut off" not in words(figure)


def test_the_published_lines_count_other_layers_where_a_study_goes_deeper():
    _, own = tables("one replicate")
    _, reference = published_tables()
    assert "other layers than here" not in words(figures.effects(own, reference))
    deep = own.assign(n=2 * own["n"])
    assert "n counts other layers than here" in words(figures.effects(deep, reference))
    # A study of the first layers has no axis for the others.
    shallow = figures.effects(own[own["n"] <= 3], reference)
    assert all(max(drawn.get_xdata()) == 3 for drawn in lines(shallow.axes[0], "published"))


def test_a_reference_without_such_lines_is_not_named():
    _, reference = published_tables()
    figure = figures.effects(tables("one replicate")[1], reference[reference["effect"] == "random"])
    assert "2014" not in words(figure)
    assert not lines(figure.axes[0], "published")


def test_a_study_without_selffers_shades_no_specificity():
    _, own = tables("one replicate")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = figures.effects(own[own["effect"].isin(["transfer", "retraining"])])
        figure.draw_without_rendering()
    assert "specificity" not in words(figure)
