import re
import warnings
from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from made_networks import correctness, networks
from matplotlib.figure import Figure
from scipy import stats

from transferability import figures
from transferability.effects import estimate

STUDIES = {
    "one replicate": {"noise": 0.002},
    "eight replicates": {
        "splits": ("random0", "random1", "random2", "random3"),
        "seeds": (0, 1),
        "noise": 0.004,
    },
    "both targets": {"targets": "AB", "layers": (0, 2, 7), "noise": 0.003},
    "dissimilar": {
        "splits": ("random0", "random1", "dissimilar"),
        "targets": "AB",
        "layers": (0, 1, 4, 7),
        "noise": 0.003,
    },
    "dissimilar alone": {"splits": ("dissimilar",), "layers": (1, 7)},
    "one n": {"layers": (3,), "splits": ("random0", "random1"), "noise": 0.002},
    "frozen alone": {"treatments": (("selffer", False), ("transfer", False))},
    "no selffer": {"treatments": (("transfer", False), ("transfer", True))},
    "random alone": {"treatments": (("random", False),)},
    "two sizes": {"target_sizes": ("100", "all"), "layers": (0, 1, 4, 7), "noise": 0.002},
}
DRAWN = ("transfer", "effects", "dissimilar", "learning_curves", "cost")


def evaluations_of(table: pd.DataFrame) -> pd.DataFrame:
    epochs = pd.DataFrame({"epoch": np.arange(1, 6)})
    told = table[["split", "seed", "network", "top1"]].merge(epochs, how="cross")
    return told.assign(top1=told["top1"] * told["epoch"] / 5, train_loss=1 / told["epoch"])


def draw(name: str, table: pd.DataFrame, effects: pd.DataFrame) -> Figure:
    if name == "effects":
        return figures.effects(effects)
    if name == "dissimilar":
        return figures.dissimilar(table, effects)
    if name == "learning_curves":
        return figures.learning_curves(table, evaluations_of(table))
    return getattr(figures, name)(table)


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text)).replace("\n", " ")


def line(axes: mpl.axes.Axes, label: str) -> np.ndarray:
    found = [line for line in axes.get_lines() if line.get_label() == label]
    assert len(found) == 1
    return found[0].get_ydata()


@cache
def tables(study: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A made study's table of networks and its effects, bootstrapped over images in one study."""
    table = networks(**STUDIES[study])
    return table, estimate(table, correctness if study == "one replicate" else None)


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("study", STUDIES)
def test_every_study_is_drawn_without_a_warning(study, name):
    table, effects = tables(study)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(name, table, effects)
        figure.draw_without_rendering()
    lacks = study == "random alone" and name == "effects"
    assert bool(figure.axes) != lacks
    if lacks:
        assert "no selffer or transfer networks" in words(figure)
    for axes in figure.axes:
        below = axes.get_subplotspec().is_last_row() or name != "learning_curves"
        beside = axes.get_subplotspec().is_first_col() or name in ("dissimilar", "cost")
        assert not below or axes.get_xlabel()
        assert not beside or axes.get_ylabel()


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


def bars(axes: mpl.axes.Axes) -> list[np.ndarray]:
    return [
        segment[:, 1]
        for container in axes.containers
        for segment in container.lines[2][0].get_segments()
    ]


def test_one_replicate_has_wilson_intervals():
    table = networks()
    row = table[table["network"] == "A7B"].iloc[0]
    images = row["validation_images"]
    wilson = stats.binomtest(round(row["top1"] * images), images).proportion_ci(0.95, "wilson")
    figure = figures.transfer(table)
    assert any(
        np.allclose(bar, [100 * wilson.low, 100 * wilson.high]) for bar in bars(figure.axes[0])
    )
    assert "95 % Wilson intervals over their 2,500 validation images" in words(figure)
    assert "1 replicate" in words(figure)


def test_several_replicates_have_t_intervals():
    table = networks(seeds=(0, 1, 2), noise=0.01)
    values = table.loc[table["network"] == "A7B", "top1"]
    interval = stats.ttest_1samp(100 * values, 0).confidence_interval(0.95)
    figure = figures.transfer(table)
    assert any(np.allclose(bar, interval) for bar in bars(figure.axes[0]))
    assert "95 % t intervals over splits, or over seeds" in words(figure)
    assert "3 replicates" in words(figure)


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
    assert "no intervals" in said


def labelled(axes: mpl.axes.Axes, label: str) -> list[mpl.artist.Artist]:
    return axes.findobj(lambda artist: artist.get_label() == label)


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


def test_dissimilar_draws_bars_side_by_side_where_bands_would_cover_one_another():
    def last(study: str) -> mpl.axes.Axes:
        return figures.dissimilar(*tables(study)).axes[-1]

    bands = mpl.collections.FillBetweenPolyCollection
    # Transfer and random features on random splits: two lines.
    assert len(last("eight replicates").findobj(bands)) == 2
    crowded = last("dissimilar")
    assert not crowded.findobj(bands)
    lines = [line for line in crowded.get_lines() if "split" in str(line.get_label())]
    assert len(lines) == 6
    starts = sorted(line.get_xdata()[0] for line in lines)
    assert min(np.diff(starts)) > 0.1
    assert np.mean(starts) == pytest.approx(1)


def test_the_line_below_says_what_a_and_b_stand_for():
    both, mixed = tables("both targets"), tables("dissimilar")
    stands = "B stands for the target half"
    assert f"On random splits {stands}; dissimilar splits have their own A and B." in words(
        figures.dissimilar(*mixed)
    )
    assert f"On random splits {stands}." in words(figures.dissimilar(*both))
    for figure in (figures.transfer(mixed[0]), figures.effects(mixed[1])):
        assert f"In the legend {stands} and A for the other, in panels of target A" in words(figure)
    for figure in (figures.transfer(both[0]), figures.effects(both[1])):
        assert f"{stands}, A for the other." in words(figure)
    for name in ("transfer", "effects", "dissimilar"):
        assert stands not in words(draw(name, *tables("one replicate")))


def test_the_line_below_says_whose_the_two_markers_are():
    two = "they are the networks of both targets, and lines run through their means"
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
