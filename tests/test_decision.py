"""How many layers to freeze: n*, the best n, the possible loss of one training, and no verdict."""

import numpy as np
import pandas as pd
import pytest
from made_networks import FOUR_SPLITS, PARTIAL, of, of_sources

from transferability.analysis import effects
from transferability.analysis.decision import COLUMNS, decision

MARGIN = 0.01


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return of_sources(seeds=(0, 1, 2, 3, 4, 5), noise=0.002)


@pytest.fixture(scope="module")
def decided(table) -> pd.DataFrame:
    return decision(table, MARGIN)


def test_the_effect_decides_each_number_of_frozen_layers(table, decided):
    assert list(decided.columns) == COLUMNS
    assert list(decided["n"]) == [1, 2, 3, 4, 5, 6, 7]
    assert set(decided["source"]) == {"P"}
    assert list(decided["layer"][[0, 6]]) == ["conv1", "fc7"]
    costs = of(effects.estimate(table), effect="freeze_cost").reset_index()
    pd.testing.assert_frame_equal(costs[["mean", "lower"]], decided[["mean", "lower"]])
    assert set(decided["interval"]) == {"moderated t over seeds, for this checkpoint"}
    # The true costs are 0.6 points at n = 5, 5 at n = 6.
    assert set(decided["n_star"]) == {5}
    assert list(decided["passes"]) == 5 * [True] + 2 * [False]
    assert decided["images_per_second_gain"][4] == pytest.approx(2)
    assert list(decided["trainable_parameters"]) == [100_000 * (8 - n) for n in range(1, 8)]
    nothing = decision(of_sources(treatments=(("transfer", False),)), MARGIN)
    assert nothing.empty
    assert list(nothing.columns) == COLUMNS


@pytest.mark.parametrize(
    ("name", "how", "n_star", "replicates"),
    [
        # An n that fails ends the sequence.
        pytest.param("P7f2B", "worse", 1, 6, id="worse"),
        # Full fine-tuning that did not learn is not a reference; a frozen network is a cost.
        pytest.param("P7f0B", "failed", 5, 5, id="no yardstick"),
        pytest.param("P7f6B", "failed", 5, 6, id="a cost"),
    ],
)
def test_a_network_that_is_worse_or_did_not_learn(table, name, how, n_star, replicates):
    of_name = table["network"] == name
    failed = of_name & (table["seed"] == 5) & (how == "failed")
    top1 = table["top1"] - 0.05 * (of_name & (how == "worse"))
    changed = table.assign(learned=~failed, top1=top1.mask(failed, 0.02))
    rows = decision(changed, MARGIN).set_index("n")
    assert set(rows["n_star"]) == {n_star}
    assert set(rows["replicates"]) == {replicates}
    assert rows.loc[3, "passes"]
    if name != "P7f0B":
        cost = of(effects.estimate(changed), effect="freeze_cost", estimator="paired")
        pd.testing.assert_series_equal(rows["lower"], cost.set_index("n")["lower"])


def test_the_best_n_is_selected_and_reported_on_different_images(table):
    """If networks differ only by noise, the best on selection images is not really better."""
    lucky = table["network"] == "P7f4B"
    changed = table.assign(
        top1_selection=table["top1_selection"].mask(lucky, table["top1_selection"] + 0.03)
    )
    before, after = (decision(rows, MARGIN).set_index("n") for rows in (table, changed))
    assert set(after["n_best"]) == {4}
    columns = ["reporting_mean", "reporting_low", "reporting_high", "mean", "lower"]
    pd.testing.assert_frame_equal(before[columns], after[columns])
    of_4, of_0 = (of(table, network=f"P7f{n}B").set_index("seed") for n in (4, 0))
    reported = (of_4["top1_reporting"] - of_0["top1_reporting"]).mean()
    assert after.loc[4, "reporting_mean"] == pytest.approx(reported)
    worse = 0.1 * ((table["kind"] == "partial") & (table["n"] > 0))
    changed = table.assign(top1_selection=table["top1_selection"] - worse)
    assert set(decision(changed, MARGIN)["n_best"]) == {0}


def test_a_single_training_may_lose_more_than_the_mean(table, decided):
    frozen, full = (of(table, network=f"P7f{n}B").set_index("seed")["top1"] for n in (3, 0))
    costs = frozen - full
    low = costs.mean() - 2.015048 * costs.std() * np.sqrt(1 + 1 / 6)
    assert decided.set_index("n").loc[3, "one_training_low"] == pytest.approx(low, abs=1e-6)


def test_a_single_training_of_a_new_split_varies_as_splits_and_seeds_do():
    """The limit for 3 splits of 4 seeds, from the variance components of one-way random effects."""
    table = of_sources(seeds=range(4), noise=0.002)
    splits = pd.concat([table.assign(split=f"random{k}") for k in range(3)], ignore_index=True)
    shift = {"random0": -0.02, "random1": 0.0, "random2": 0.03}
    moved = splits["split"].map(shift) * (splits["network"] == "P7f3B")
    splits["top1"] += moved
    rows = decision(splits, MARGIN).set_index("n")
    frozen, full = (
        of(splits, network=f"P7f{n}B").set_index(["split", "seed"])["top1"] for n in (3, 0)
    )
    by_split = (frozen - full).groupby("split")
    between, within = by_split.mean().var(), by_split.var().mean()
    variance = (between - within / 4) + within + between / 3
    low = by_split.mean().mean() - 2.919986 * np.sqrt(variance)
    assert rows.loc[3, "one_training_low"] == pytest.approx(low, abs=1e-6)


def test_needed_seeds_are_given_if_something_is_not_shown():
    table = of_sources(seeds=(0, 1, 2))
    spread = 0.02 * (table["seed"] - 1) * (table["network"] == "P7f1B")
    rows = decision(table.assign(top1=table["top1"] + spread), MARGIN).set_index("n")
    assert set(rows["n_star"]) == {0}
    # With this many, the one-sided t interval for a std of 2 points is narrow enough.
    assert rows.loc[1, "seeds_needed"] == 11
    assert rows.loc[rows["passes"], "seeds_needed"].isna().all()
    # More seeds do not help if the loss itself is larger.
    assert rows.loc[[6, 7], "seeds_needed"].isna().all()


def test_one_replicate_gives_no_verdict():
    rows = decision(of_sources(seeds=(0,)), MARGIN)
    assert rows["mean"].iloc[-1] == pytest.approx(PARTIAL[-1] - PARTIAL[0])
    judged = ["lower", "passes", "n_star", "n_best", "one_training_low", "seeds_needed"]
    assert rows[[*judged, "reporting_low"]].isna().all(axis=None)


def test_several_sources_and_sizes_are_decided_separately():
    rows = decision(of_sources("PQ", target_sizes=("25", "all"), noise=0.001), MARGIN)
    keys = rows[["target_size", "source"]].drop_duplicates().to_numpy().tolist()
    assert keys == [["25", "P"], ["25", "Q"], ["all", "P"], ["all", "Q"]]
    # The costs of few images are made twice as large.
    assert rows.groupby("target_size")["n_star"].first().to_dict() == {"25": 4, "all": 5}


def test_halves_are_decided_like_sources():
    halves = pd.concat(
        of_sources("A", seeds=(0,), source_kind="half", noise=0.001).assign(split=split)
        for split in FOUR_SPLITS
    )
    rows = decision(halves, MARGIN)
    assert set(rows["source"]) == {""}
    assert set(rows["n_star"]) == {5}
    assert set(rows["interval"]) == {"moderated t over splits"}
