import itertools
import re
import warnings

import numpy as np
import pytest
from drawn_figures import (
    DRAWN,
    FAILED,
    STUDIES,
    crosses,
    draw,
    evaluations_of,
    line,
    lines,
    published_tables,
    tables,
    titles,
    without,
    words,
)
from made_networks import FOUR_SPLITS, networks

from transferability import figures
from transferability.analysis.effects import estimate, of_treatment
from transferability.analysis.treatments import SELFFER, TRANSFER, TRANSFER_PLUS
from transferability.figures.notes import names_of
from transferability.figures.style import INK

LACKING = {
    ("random alone", "effects"): "no selffer or transfer networks",
    ("random alone", "dissimilar"): "no transfer networks",
    ("random alone", "boost"): "no fine-tuned transfer networks",
    ("no selffer", "random_features"): "no networks with random features",
}


FIRST = ("dissimilar", "did not learn", "random alone", "no selffer")


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize(
    "study",
    [pytest.param(name, marks=[] if name in FIRST else pytest.mark.full) for name in STUDIES],
)
def test_every_study_is_drawn_without_a_warning(study, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(name, *tables(study))
        figure.draw_without_rendering()
    if lacks := LACKING.get((study, name)):
        assert not figure.axes
        assert lacks in words(figure)
    for axes in figure.axes:
        # Labels and crosses beyond the panels must not press these together.
        assert axes.get_window_extent().height > 0.1 * figure.dpi


def test_a_study_of_bases_alone_says_what_it_lacks():
    table = networks()
    table = table[table["kind"] == "base"]
    for name in DRAWN:
        figure = draw(name, table, estimate(table))
        assert not figure.axes
        assert re.search("has no|holds no", words(figure))
    assert "three colours" in words(figures.filters({}))


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
    assert f"{len(seeds)} replicate" in titles(axes.figure)[0]


@pytest.mark.parametrize("name", ["transfer", "effects", "random_features", "cost"])
def test_layers_stand_by_name_beside_n(name):
    table, effects = tables("one replicate")
    axes = draw(name, table, effects).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[0] == "0\n"
    assert labels[5] == "5\nconv5"
    named = {"layer": lambda rows: np.where(rows["n"] > 0, "stage4.block1.convolution2", "")}
    axes = draw(name, table.assign(**named), effects.assign(**named)).axes[0]
    axes.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_what_did_not_learn_is_a_cross_at_the_edge_that_sets_no_axis_and_no_mean():
    table, _ = tables("did not learn")
    (axes,) = figures.transfer(table).axes
    low, _ = axes.get_ylim()
    assert low > 50
    x, y = crosses(axes).T
    # Beside their n, as all of their treatment.
    assert sorted(x.round()) == [0, 0, 4, 7]
    np.testing.assert_allclose(y, low)
    learned = table[table["learned"] & (table["network"] == "A4B")]["top1"]
    assert line(axes, "A$n$B")[1] == pytest.approx(100 * learned.mean())
    assert all(name in words(axes.figure) for name in FAILED)
    assert "Crosses did not learn" not in words(figures.transfer(networks()))


def test_a_line_is_broken_where_no_network_learned():
    table, _ = published_tables()
    (axes,) = figures.random_features(table).axes
    heights = line(axes, "R$n$B")
    assert np.isnan(heights).tolist() == [False, False, True, False, False, False, False]
    assert crosses(axes).tolist() == [[3, pytest.approx(0.1, abs=0.05)]]


def test_chance_is_a_thin_line_that_sets_no_axis():
    table = networks()
    (axes,) = figures.transfer(table).axes
    assert axes.get_ylim()[0] > 50
    assert "Chance: 2 %." in words(axes.figure)
    (axes,) = figures.random_features(table).axes
    assert any(np.allclose(drawn.get_ydata(), 2) for drawn in axes.get_lines())


def test_labels_at_the_ends_of_lines_do_not_overlap():
    alike = networks()
    alike["top1"] = 0.9 + 0.001 * alike["fine_tuned"]
    figure = figures.effects(estimate(alike))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 4
    boxes.sort(key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 1 for below, above in itertools.pairwise(boxes))


def test_dissimilar_draws_both_targets_and_random_splits_relative_to_their_bases():
    _, effects = tables("dissimilar")
    (axes,) = figures.dissimilar(effects).axes
    drawn = [
        np.asarray(found.get_ydata(), float)
        for label in ("A$n$B", "B$n$A")
        for found in lines(axes, label)
    ]
    shown = effects[effects["effect"] == "transfer"].set_index(["split_kind", "target"])
    for key in (("random", "A+B"), ("dissimilar", "B"), ("dissimilar", "A")):
        expected = 100 * shown.loc[[key], "mean"]
        assert any(np.allclose(heights, expected) for heights in drawn)
    assert "dissimilar split, target A, 1 replicate" in words(axes.figure)
    starts = sorted(found.lines[0].get_xdata()[0] for found in axes.containers)
    assert min(np.diff(starts)) > 0.05


def test_learning_curves_average_replicates():
    table = networks(seeds=(0, 1), noise=0.01)
    figure = figures.learning_curves(table, evaluations_of(table))
    columns = ["bases", "B$n$B", "B$n$B+", "A$n$B", "A$n$B+", "R$n$B"]
    assert titles(figure)[:6] == columns
    last = 100 * table[table["network"] == "A7B"]["top1"].mean()
    ends = [drawn.get_ydata()[-1] for drawn in figure.axes[3].get_lines()]
    assert ends[-1] == pytest.approx(last)
    # The base and seven n.
    assert len(ends) == 8
    # Random features would press the others together.
    bases, *others, random = figure.axes[:6]
    assert all(axes.get_ylim() == bases.get_ylim() for axes in others)
    assert random.get_ylim()[0] < bases.get_ylim()[0]
    for axes in figure.axes:
        np.testing.assert_array_equal(axes.get_xticks() % 1, 0)
    # Halves of different size are evaluated at other shares of an epoch, and still averaged.
    curves = evaluations_of(table).assign(iteration=lambda rows: 1000 * rows["epoch"])
    curves["epoch"] *= np.where(curves["seed"] == 1, 0.4, 0.5)
    figure = figures.learning_curves(table, curves)
    assert {axes.get_xlabel() for axes in figure.axes} == {"", "iteration"}
    base = figure.axes[3].get_lines()[0]
    assert base.get_color() == INK
    np.testing.assert_array_equal(base.get_xdata(), [1000, 2000, 3000, 4000, 5000])


def test_learning_curves_show_what_did_not_learn_and_set_axes_without_it():
    table, _ = tables("did not learn")
    curves = evaluations_of(table)
    curves["train_loss"] += 50 * names_of(curves).isin(FAILED)
    figure = figures.learning_curves(table, curves)
    losses = [axes for axes in figure.axes if axes.get_subplotspec().rowspan.start == 1]
    assert all(axes.get_ylim()[1] < 2 for axes in losses)
    dotted = [found for axes in losses for found in axes.get_lines() if max(found.get_ydata()) > 50]
    # The base stands in each column.
    assert len(dotted) == 6 + len(FAILED) - 1


def test_rows_of_learning_curves_are_named_without_overlap():
    table = networks(**STUDIES["dissimilar"] | {"target_sizes": ("100", "all")})
    figure = figures.learning_curves(table, evaluations_of(table))
    figure.draw_without_rendering()
    names = [part.get_suptitle() for part in figure.subfigs]
    assert names[1] == "dissimilar split, target A, 100 images a class, 1 replicate"
    boxes = [part.axes[0].get_tightbbox() for part in figure.subfigs]
    assert all(above.y0 > below.y1 for above, below in itertools.pairwise(boxes))


def test_cost_draws_mean_seconds():
    table = networks(seeds=(0, 1))
    (axes,) = figures.cost(table).axes
    treated = table[~table["kind"].isin(["base", "long_base"])]
    # B0B freezes nothing.
    learn = treated["fine_tuned"] | (treated["n"] == 0)
    for label, rows in (("frozen", treated[~learn]), ("fine-tuned", treated[learn])):
        np.testing.assert_allclose(line(axes, label), rows.groupby("n")["seconds"].mean())
    assert axes.get_ylabel() == "training time (seconds)"
    (axes,) = figures.cost(table.assign(seconds=90 * table["seconds"])).axes
    assert axes.get_ylabel() == "training time (minutes)"


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


def test_a_network_that_is_left_out_is_counted_and_in_no_mean():
    study = networks(splits=FOUR_SPLITS, targets="AB", noise=0.003)
    table = without(study, lambda t: (t["network"] == "A3B") & (t["split"] == "random2"))
    for name in DRAWN:
        figure = draw(name, table, estimate(table))
        if name not in ("boost", "random_features"):
            assert re.search(r"\d (networks|differences) are missing", words(figure)), name
    expected = 100 * table[table["network"].isin(["A3B", "B3A"])]["top1"]
    # Halves are averaged inside a split first.
    halves = expected.groupby(table["split"]).mean()
    (axes,) = figures.transfer(table).axes
    assert line(axes, "A$n$B")[2] == pytest.approx(halves.mean())
