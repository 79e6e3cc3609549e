"""The figure that says how many layers to freeze; and how others show sources."""

import numpy as np
import pandas as pd
import pytest
from drawn_figures import crosses, line, titles, words
from made_networks import TOP1, of, of_sources

from transferability import figures
from transferability.analysis.decision import decision
from transferability.analysis.effects import estimate

PARTIAL = (("transfer", False), ("transfer", True), ("partial", False))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return of_sources("PQ", treatments=(*TOP1, ("shuffled", True), ("partial", False)), noise=0.002)


def test_partial_networks_stand_at_their_time_and_accuracy_on_reporting_images(table):
    decided = decision(table, 0.01)
    figure = figures.decision(table, decided)
    assert titles(figure) == [
        f"source {letter}, 4 replicates, n*: $n$ = 5, conv5" for letter in "PQ"
    ]
    of_p = of(table, kind="partial", source="P").groupby("n")
    axes = figure.axes[0]
    np.testing.assert_allclose(line(axes, "partial"), 100 * of_p["top1_reporting"].mean())
    drawn, _, (intervals,) = next(c.lines for c in axes.containers if c.get_label() == "partial")
    *_, interval = intervals.get_segments()
    np.testing.assert_allclose(drawn.get_xdata().astype(float), of_p["seconds"].mean())
    full = 100 * of_p["top1_reporting"].mean()[0]
    low, high = (decided[f"reporting_{end}"][6] for end in ("low", "high"))
    np.testing.assert_allclose(interval[:, 1], [full + 100 * low, full + 100 * high])
    assert {"0", "3", "7"} <= {text.get_text() for text in axes.texts}
    assert "moderated t over seeds, for this checkpoint" in words(figure)
    assert "verdict: one-sided, all validation images" in words(figure)


def test_the_margin_is_a_band_below_full_fine_tuning(table):
    figure = figures.decision(table, decision(table, 0.01))
    band = figure.axes[0].patches[0].get_extents().transformed(figure.axes[0].transData.inverted())
    full = 100 * of(table, network="P7f0B")["top1_reporting"].mean()
    assert [band.y0, band.y1] == pytest.approx([full - 1, full])


def test_what_is_not_shown_and_what_is_not_judged_are_told():
    one = of_sources(seeds=(0,), treatments=PARTIAL)
    assert titles(figures.decision(one, decision(one, 0.01))) == [
        "source P, 1 replicate, no verdict"
    ]
    several = of_sources(treatments=PARTIAL, controls=False)
    worse = several["kind"].eq("partial") & several["n"].gt(0)
    several["top1"] -= 0.05 * worse
    figure = figures.decision(several, decision(several, 0.01))
    assert "no $n$ is shown" in titles(figure)[0]
    assert "n*" not in words(figure)


def test_what_did_not_learn_is_crossed_out(table):
    failed = table["network"].eq("P7f3B") & table["seed"].eq(1)
    lost = table.assign(learned=~failed)
    figure = figures.decision(lost, decision(lost, 0.01))
    assert len(crosses(figure.axes[0])) == 1
    assert "whole/seed1/P7f3B" in words(figure)
    legends = [
        [text.get_text() for text in drawn.legends[0].get_texts()]
        for drawn in (figure, figures.decision(table, decision(table, 0.01)))
    ]
    assert ["did not learn" in legend for legend in legends] == [True, False]


def test_a_source_whose_full_fine_tuning_never_learned_has_no_verdict(table):
    lost = table.assign(learned=table["network"].ne("Q7f0B"))
    decided = decision(lost, 0.01)
    assert set(decided["source"]) == {"P"}
    figure = figures.decision(lost, decided)
    assert titles(figure)[1].endswith("no verdict")
    assert [len(axes.patches) for axes in figure.axes[:2]] == [1, 0]
    assert len(crosses(figure.axes[1])) == 4


def test_networks_that_are_only_partial_ones_too_are_drawn_once():
    table = of_sources("PQ", treatments=PARTIAL)
    lone = table[table["kind"].ne("transfer") | table["n"].eq(7)]
    assert {"P7B", "P7B+"} <= {*lone["network"]}
    assert "P/Q$n$B" in words(figures.transfer(table))
    assert "P/Q$n$B" not in words(figures.transfer(lone))
    assert "partial" in words(figures.transfer(lone))


def test_curves_have_the_names_of_their_sources(table):
    effects = estimate(table)
    for figure in (figures.effects(effects), figures.transfer(table)):
        assert [title.split(",")[0] for title in titles(figure)] == ["source P", "source Q"]
        assert "P/Q$n$B+" in words(figure)
        assert "A$n$B" not in words(figure)
    of_q = of(effects, effect="transfer", source="Q")["mean"]
    drawn = line(figures.effects(effects).axes[1], "P/Q$n$B")
    np.testing.assert_allclose(drawn, 100 * of_q)


def test_what_freezing_costs_is_drawn_against_the_images_a_class():
    sizes = of_sources(
        target_sizes=("25", "all"), treatments=PARTIAL[2:], controls=False, noise=0.001
    )
    figure = figures.data_size(estimate(sizes))
    assert titles(figure) == ["cost of freezing:, partial $n$ − partial 0"]
    assert "source P" in figure.subfigs[0].get_suptitle()
