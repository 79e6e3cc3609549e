import numpy as np
import pandas as pd
import pytest
from drawn_figures import (
    FAILED,
    bars,
    crosses,
    line,
    lines,
    published_tables,
    tables,
    titles,
    words,
)
from made_networks import networks, of

from transferability import figures
from transferability.analysis.effects import estimate
from transferability.analysis.vocabulary import points
from transferability.cli.tables import read_table, write_table

LINES = {
    "coadaptation": "B$n$B",
    "self_boost": "B$n$B+",
    "transfer": "A$n$B",
    "boost": "A$n$B+",
}


@pytest.mark.parametrize("study", ["one replicate", "four splits"])
def test_each_effect_is_a_line_of_its_means_with_interval_bars(study):
    _, table = tables(study)
    (axes,) = figures.effects(table).axes
    for effect, label in LINES.items():
        rows = table[table["effect"] == effect]
        np.testing.assert_allclose(line(axes, label), 100 * rows["mean"])
        for interval in 100 * rows[["low", "high"]].to_numpy(float):
            assert np.isclose(bars(axes), interval).all(axis=1).any()
    kind = {"one replicate": "image intervals", "four splits": "moderated t over splits"}[study]
    assert kind in words(axes.figure)


def test_a_table_is_drawn_as_it_is_read_from_its_file(tmp_path):
    _, table = tables("one replicate")
    write_table(table, tmp_path / "effects.csv")
    # What is empty throughout comes back as numbers.
    (axes,) = figures.effects(read_table(tmp_path / "effects.csv")).axes
    assert not len(crosses(axes))
    assert len(line(axes, "A$n$B")) == 7


def test_with_one_replicate_a_retraining_is_a_number_and_no_yardstick():
    _, table = tables("one replicate")
    (mean,) = table.loc[table["effect"] == "retraining", "mean"]
    figure = figures.effects(table)
    assert titles(figure) == [
        f"random split, 1 replicate, one retraining, of baseB: {points(mean)} points"
    ]
    assert not lines(figure.axes[0], "B0B")
    assert titles(figures.effects(tables("nothing learned")[1])) == ["random split, 1 replicate"]
    both = figures.effects(estimate(networks(targets="AB", layers=(0, 7))))
    assert "mean of 2 retrainings, of baseB" in titles(both)[0]
    _, several = tables("four splits")
    (mean,) = several.loc[several["effect"] == "retraining", "mean"]
    figure = figures.effects(several)
    assert "retraining" not in titles(figure)[0]
    assert line(figure.axes[0], "B0B") == pytest.approx(100 * mean)


def test_lines_are_without_networks_that_did_not_learn():
    _, table = tables("did not learn")
    (axes,) = figures.effects(table).axes
    learned = table[(table["effect"] == "transfer") & (table["estimator"] == "paired_learned")]
    assert len(learned)
    for n, mean in zip(learned["n"], learned["mean"], strict=True):
        assert line(axes, "A$n$B")[[1, 4, 7].index(n)] == pytest.approx(100 * mean)
    low, high = axes.get_ylim()
    assert high - low < 30
    with_all = table[(table["estimator"] == "paired") & (table["not_learned"] != "")]
    drawn = with_all[with_all["effect"].isin([*LINES, "long_base", "retraining"])]
    assert len(crosses(axes)) == len(drawn)
    assert ((low <= crosses(axes)[:, 1]) & (crosses(axes)[:, 1] <= high)).all()
    assert all(name in words(axes.figure) for name in FAILED)
    assert "Crosses are means with networks that did not learn" in words(axes.figure)


def test_nothing_is_drawn_of_effects_in_which_no_network_learned():
    (axes,) = figures.effects(tables("nothing learned")[1]).axes
    assert np.isnan(line(axes, "A$n$B")).all()
    assert len(crosses(axes)) > 0


def test_it_draws_what_the_table_has_and_says_where_it_has_no_intervals():
    (axes,) = figures.effects(tables("no selffer")[1]).axes
    assert not lines(axes, "B$n$B")
    assert len(line(axes, "A$n$B")) == 7
    unknown = estimate(networks().drop(columns="validation_images"))
    assert "No intervals: one replicate" in words(figures.effects(unknown))


def test_each_place_has_a_panel_with_its_replicates():
    assert titles(figures.effects(published_tables()[1])) == [
        "random split, 4 replicates",
        "natman split, target A, 1 replicate",
        "natman split, target B, 1 replicate",
    ]


def published(reference: pd.DataFrame, kind: str, target: str, effect: str) -> np.ndarray:
    rows = of(reference, effect=effect, split_kind=kind, target=target)
    return 100 * rows["mean"].to_numpy()


def test_the_published_lines_stand_quietly_behind_those_of_the_same_kind_of_split():
    _, own = tables("dissimilar")
    _, reference = published_tables()
    figure, plain = figures.effects(own, reference), figures.effects(own)
    random, *others = [lines(axes, "2014") for axes in figure.axes]
    expected = {"coadaptation": "A", "self_boost": "A", "transfer": "A+B", "boost": "B"}
    assert len(random) == 4
    for effect, target in expected.items():
        values = published(reference, "random", target, effect)
        assert any(np.allclose(drawn.get_ydata(), values) for drawn in random)
    for panel in others:
        assert len(panel) == 2
        for drawn, target in zip(panel, "AB", strict=True):
            expected = published(reference, "natman", target, "transfer")
            np.testing.assert_allclose(drawn.get_ydata(), expected)
    for axes, without in zip(figure.axes, plain.axes, strict=True):
        # They set no axis.
        assert axes.get_ylim() == without.get_ylim()
        (above,) = lines(axes, "A$n$B")
        for drawn in lines(axes, "2014"):
            assert drawn.get_zorder() < above.get_zorder()
            assert drawn.get_linewidth() < above.get_linewidth()
    assert "2014: CaffeNet on ImageNet" in words(figure)
    assert "2014" not in words(plain)
