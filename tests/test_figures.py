import re
import warnings

import numpy as np
import pytest
from drawn_figures import (
    DRAWN,
    FOUR_SPLITS,
    STUDIES,
    bars,
    draw,
    evaluations_of,
    line,
    published_tables,
    tables,
    titles,
    without,
    words,
)
from made_networks import networks
from scipy import stats

from transferability import figures
from transferability.analysis.effects import estimate
from transferability.figures.style import INK


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("study", STUDIES)
def test_every_study_is_drawn_without_a_warning(study, name):
    table, effects = tables(study)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(name, table, effects)
        figure.draw_without_rendering()
    lacks = {
        ("random alone", "effects"): "no selffer or transfer networks",
        ("random alone", "boost"): "no fine-tuned transfer networks",
        ("frozen alone", "boost"): "no fine-tuned transfer networks",
    }.get((study, name))
    assert bool(figure.axes) == (lacks is None)
    if lacks:
        assert lacks in words(figure)
    for axes in figure.axes:
        below = axes.get_subplotspec().is_last_row() or name != "learning_curves"
        beside = axes.get_subplotspec().is_first_col() or name in ("dissimilar", "cost")
        assert not below or axes.get_xlabel()
        assert not beside or axes.get_ylabel() or name == "boost"


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_transfer_draws_the_means_of_the_table(seeds):
    table = networks(seeds=seeds, noise=0.01)
    axes = figures.transfer(table).axes[0]
    for label, kind, fine_tuned in (
        ("B$n$B", "selffer", False),
        ("A$n$B", "transfer", False),
        ("A$n$B+", "transfer", True),
    ):
        own = table[(table["kind"] == kind) & (table["fine_tuned"] == fine_tuned)]
        expected = 100 * own.groupby("n")["top1"].mean()
        np.testing.assert_allclose(line(axes, label), expected)


def test_one_replicate_has_wilson_intervals():
    table = networks()
    row = table[table["network"] == "A7B"].iloc[0]
    images = row["validation_images"]
    wilson = stats.binomtest(round(row["top1"] * images), images).proportion_ci(0.95, "wilson")
    figure = figures.transfer(table)
    assert any(
        np.allclose(bar, [100 * wilson.low, 100 * wilson.high]) for bar in bars(figure.axes[0])
    )
    assert "95 % Wilson intervals over 2,500 validation images" in words(figure)
    assert "1 replicate" in words(figure)


def test_several_replicates_have_t_intervals():
    table = networks(seeds=(0, 1, 2), noise=0.01)
    values = table.loc[table["network"] == "A7B", "top1"]
    interval = stats.ttest_1samp(100 * values, 0).confidence_interval(0.95)
    figure = figures.transfer(table)
    assert any(np.allclose(bar, interval) for bar in bars(figure.axes[0]))
    assert "95 % t intervals over splits, or over seeds" in words(figure)
    assert "3 replicates" in words(figure)


@pytest.mark.parametrize("name", DRAWN)
def test_a_study_of_bases_alone_says_what_it_lacks(name):
    table = networks()
    table = table[table["kind"] == "base"]
    figure = draw(name, table, estimate(table))
    assert not figure.axes
    assert re.search("has no|holds no", words(figure))


def test_dissimilar_draws_both_targets_and_random_splits_relative_to_their_bases():
    table, effects = tables("dissimilar")
    figure = figures.dissimilar(table, effects)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "dissimilar halves",
        "random features",
        "relative to their base",
    ]
    shown = effects[effects["effect"] == "transfer"].set_index(["split_kind", "target"])
    for key, label in (
        (("random", "A+B"), "A$n$B, random split"),
        (("dissimilar", "B"), "A$n$B, dissimilar split"),
        (("dissimilar", "A"), "B$n$A, dissimilar split"),
    ):
        np.testing.assert_allclose(line(figure.axes[2], label), 100 * shown.loc[[key], "mean"])


def test_dissimilar_draws_lines_side_by_side():
    axes = figures.dissimilar(*tables("dissimilar")).axes[-1]
    lines = [drawn.lines[0] for drawn in axes.containers]
    assert len(lines) == 6
    starts = sorted(line.get_xdata()[0] for line in lines)
    assert min(np.diff(starts)) > 0.1
    assert np.mean(starts) == pytest.approx(1)


def test_the_line_below_says_what_a_and_b_stand_for():
    stands = "B stands for the target half"
    for study in ("both targets", "dissimilar"):
        assert f"On random splits {stands}, A for the other." in words(
            figures.dissimilar(*tables(study))
        )
        for name in ("transfer", "effects"):
            assert f"{stands}, A for the other." in words(draw(name, *tables(study)))
    for name in ("transfer", "effects", "dissimilar"):
        assert stands not in words(draw(name, *tables("one replicate")))


def test_the_line_below_says_whose_the_two_markers_are():
    two = "Two markers: the networks of both targets, whose mean the line is."
    for name in ("transfer", "dissimilar"):
        assert two in words(draw(name, *tables("both targets")))
        assert two not in words(draw(name, *tables("one replicate")))


def test_learning_curves_average_replicates():
    table = networks(seeds=(0, 1), noise=0.01)
    figure = figures.learning_curves(table, evaluations_of(table))
    assert [axes.get_title(loc="left") for axes in figure.axes[:6]] == [
        "bases",
        "B$n$B",
        "B$n$B+",
        "A$n$B",
        "A$n$B+",
        "R$n$B",
    ]
    last = 100 * table[table["network"] == "A7B"]["top1"].mean()
    ends = [line.get_ydata()[-1] for line in figure.axes[3].get_lines()]
    assert ends[-1] == pytest.approx(last)
    # The base and seven n.
    assert len(ends) == 8


def test_learning_curves_of_counted_iterations_are_drawn_against_these():
    """Halves of different size are evaluated at other shares of an epoch, and still averaged."""
    table = networks(seeds=(0, 1), noise=0.01)
    told = evaluations_of(table).assign(iteration=lambda rows: 1000 * rows["epoch"])
    told["epoch"] *= np.where(told["seed"] == 1, 0.4, 0.5)
    figure = figures.learning_curves(table, told)
    assert {axes.get_xlabel() for axes in figure.axes} == {"", "iteration"}
    (base,) = [line for line in figure.axes[3].get_lines() if line.get_color() == INK]
    np.testing.assert_array_equal(base.get_xdata(), [1000, 2000, 3000, 4000, 5000])


def test_filters_without_a_colour_convolution_say_so():
    assert "three colours" in words(figures.filters({}))


def test_random_features_have_vertical_axes_of_their_own_and_epochs_are_whole():
    figure = figures.learning_curves(networks(), evaluations_of(networks()))
    bases, *others, random = figure.axes[:6]
    assert all(axes.get_ylim() == bases.get_ylim() for axes in others)
    assert random.get_ylim()[0] < bases.get_ylim()[0]
    for axes in figure.axes:
        np.testing.assert_array_equal(axes.get_xticks() % 1, 0)


def test_cost_draws_mean_seconds():
    table = networks(seeds=(0, 1))
    axes = figures.cost(table).axes[0]
    learning = ~table["kind"].isin(["base", "long_base"])
    for label, nothing_copied, fine_tuned in (
        ("B0B", True, False),
        ("frozen", False, False),
        ("fine-tuned", False, True),
    ):
        own = table[
            learning & ((table["n"] == 0) == nothing_copied) & (table["fine_tuned"] == fine_tuned)
        ]
        per_replicate = own.groupby(["n", "seed"])["seconds"].mean()
        expected = per_replicate.groupby("n").mean()
        np.testing.assert_allclose(line(axes, label), expected)
    assert axes.get_ylabel() == "training time (seconds)"
    speed = figures.cost(table).axes[1]
    assert speed.get_yscale() == "log"
    assert speed.yaxis.get_major_formatter()(20_000) == "20,000"
    assert figures.cost(table.assign(seconds=90 * table["seconds"])).axes[0].get_ylabel() == (
        "training time (minutes)"
    )


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


def test_filters_of_no_colour_image_are_refused():
    with pytest.raises(ValueError, match=r"baseA has weights of shape \(4, 1, 3, 3\)"):
        figures.filters({"baseA": np.zeros((4, 1, 3, 3))})


def test_a_table_of_left_out_networks_is_drawn_without_them():
    study = networks(**FOUR_SPLITS)
    table = without(study, lambda t: (t["network"] == "A3B") & (t["split"] == "random2"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in DRAWN:
            figure = draw(name, table, estimate(table))
            figure.draw_without_rendering()
            if name not in ("effects", "boost"):
                assert "1 of 304 networks listed has no score." in words(figure)
    figure = figures.transfer(table)
    expected = 100 * table[table["network"].isin(["A3B", "B3A"])]["top1"]
    # Halves are averaged inside a split first.
    halves = expected.groupby(table["split"]).mean()
    assert line(figure.axes[0], "A$n$B")[2] == pytest.approx(halves.mean())
    assert titles(figure) == ["random split: 4 replicates"]
    assert "A$n$B: target A+B, 4 replicates, 7 or 8 networks" in words(figure)


def test_a_line_that_lacks_replicates_says_so():
    study = networks(**FOUR_SPLITS)
    table = without(study, lambda t: t["fine_tuned"] & (t["split"] > "random0"))
    figure = figures.transfer(table)
    assert titles(figure) == ["random split: 1 to 4 replicates"]
    said = words(figure)
    assert "baseB: target A+B, 4 replicates" in said
    assert "A$n$B+: target A+B, 1 replicate," in said
    assert "lines differ" not in words(figures.transfer(study))


def test_the_published_networks_show_over_which_halves_each_line_is():
    table, effects = published_tables()
    figure = figures.transfer(table)
    assert titles(figure) == [
        "random split: 1 to 4 replicates",
        "natman split, target A: 1 replicate",
        "natman split, target B: 1 replicate",
    ]
    said = words(figure)
    for text in (
        "B$n$B: target A, 4 replicates, 4 networks",
        "B$n$B+: target A, 1 or 2 replicates, 1 or 2 networks",
        "A$n$B: target A+B, 4 replicates, 8 networks",
        "A$n$B+: target B, 1 or 2 replicates, 1 or 2 networks",
        "Wilson intervals over 22,450 to 27,550 validation images",
        "The natman split: A natural, B man-made.",
        "22 of 170 networks listed have no score.",
    ):
        assert text in said
    row = table[(table["split"] == "natman") & (table["network"] == "A7B")].iloc[0]
    wilson = stats.binomtest(round(row["top1"] * 27_550), 27_550).proportion_ci(0.95, "wilson")
    assert any(
        np.allclose(bar, [100 * wilson.low, 100 * wilson.high], atol=0.01)
        for bar in bars(figure.axes[2])
    )
    said = words(figures.dissimilar(table, effects))
    assert "R$n$, all classes (1 replicate)" in said
    assert "On random splits B stands for the target half, A for the other. The natman" in said
    assert "unpaired over validation images" in said
    assert "no training times" in words(figures.cost(table))


def test_random_features_below_the_last_panel_are_cut_off_and_said_to_be():
    table, effects = published_tables()
    figure = figures.dissimilar(table, effects)
    axes = figure.axes[-1]
    assert "Random features leave the last panel below." in words(figure)
    heights = line(axes, "R$n$, all classes")
    shown = heights[heights > axes.get_ylim()[0]]
    random = 100 * effects.loc[effects["effect"] == "random", "mean"]
    np.testing.assert_allclose(shown, random[:2])
    # The line leaves through the edge, where no marker is cut in half.
    assert heights[len(shown)] == pytest.approx(random.iloc[2])


def test_random_splits_stand_above_other_places_with_an_axis_of_their_own():
    for name in ("transfer", "effects"):
        figure = draw(name, *published_tables())
        figure.draw_without_rendering()
        random, *others = [axes.get_window_extent() for axes in figure.axes]
        assert all(random.y0 > other.y1 for other in others)
        assert random.height > 1.3 * others[0].height
        assert others[0].y0 == pytest.approx(others[1].y0)
        limits = [axes.get_ylim() for axes in figure.axes]
        assert limits[1] == limits[2] != limits[0]
    # With one place beside, both are as wide as the figure.
    figure = draw("effects", *tables("random and dissimilar"))
    figure.draw_without_rendering()
    widths = [axes.get_window_extent().width for axes in figure.axes]
    assert min(widths) > 0.6 * figure.bbox.width
