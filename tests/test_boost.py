"""Table 1: the gain of transfer with fine-tuning, from each estimator."""

import numpy as np
import pandas as pd
import pytest
from made_networks import BASE, FOUR_SPLITS, TOP1, correctness, networks, of
from scipy import stats

from transferability.analysis.boost import boost


def kind(table: pd.DataFrame, kind: str) -> pd.Series:
    return (table["kind"] == kind) & table["fine_tuned"]


def apart(noise: float = 0.01, splits: tuple[str, ...] = FOUR_SPLITS) -> pd.DataFrame:
    """A table as published in 2014: AnB+ on B halves only, BnB+ on A halves only."""
    table = networks(splits=splits, targets="AB", noise=noise)
    lost = (kind(table, "transfer") & (table["target"] == "A")) | (
        kind(table, "selffer") & (table["target"] == "B")
    )
    return table.assign(top1=table["top1"].mask(lost))


def test_pooled_and_paired_agree_on_a_complete_table():
    made = networks(splits=FOUR_SPLITS, seeds=(0, 1), targets="AB", noise=0.01)
    table = boost(made)
    assert list(dict.fromkeys(table["layers"])) == ["1-7", "3-7", "5-7"]
    # No comparison across gaps is needed.
    assert set(table["estimator"]) == {"paired", "pooled"}
    paired, pooled = of(table, estimator="paired"), of(table, estimator="pooled")
    values = ["mean", "low", "high"]
    np.testing.assert_allclose(paired[values], pooled[values], atol=1e-12)
    assert set(table["interval"]) == {"t over splits"}
    assert list(pooled["networks"]) == [112, 112, 80, 80, 48, 48]
    assert ((pooled["low"] < pooled["mean"]) & (pooled["mean"] < pooled["high"])).all()
    # A base alone in its cell is a source, not a control.
    alone = networks()
    alone.loc[alone["network"] == "baseA", "top1"] = 0.1
    rows = of(boost(alone), layers="5-7", estimator="pooled").set_index("comparison")["mean"]
    gain = np.mean(TOP1["transfer", True][4:])
    assert rows["base"] == pytest.approx(gain - BASE)
    assert rows["selffer"] == pytest.approx(gain - np.mean(TOP1["selffer", True][4:]))


@pytest.mark.parametrize(
    ("made", "column", "values"),
    [
        ({"layers": (1, 2, 3)}, "layers", {"1-3", "3-3"}),
        ({"layers": (2,)}, "layers", {"1-2"}),
        ({"splits": ("dissimilar",), "targets": "AB"}, "target", {"A", "B"}),
        ({"treatments": ()}, "layers", set()),
    ],
)
def test_rows_exist_for_existing_layers_and_halves_alone(made, column, values):
    assert set(boost(networks(**made))[column]) == values


def test_networks_that_did_not_learn_are_named():
    table = networks(splits=FOUR_SPLITS)
    lost = (table["split"] == "random1") & table["network"].isin(["baseA", "B6B+"])
    table = boost(table.assign(learned=~lost))
    named = "random1/seed0/B6B+ random1/seed0/baseA"
    assert set(of(table, comparison="selffer")["not_learned"]) == {named}
    # Each A7B+ copies baseA.
    assert set(of(table, comparison="base")["not_learned"]) == {"random1/seed0/baseA"}


def test_pooled_and_paired_differ_on_an_unbalanced_table():
    table = networks(splits=("random0", "random1"))
    # On this split all networks are worse, and all AnB+ except one are lost.
    worse = table["split"] == "random1"
    table["top1"] -= 0.1 * worse
    table = table[~(worse & kind(table, "transfer") & (table["n"] > 1))]
    row = of(boost(table), layers="1-7", comparison="base").set_index("estimator")
    gains = np.subtract(TOP1["transfer", True], BASE)
    assert row.loc["paired", "mean"] == pytest.approx((gains.mean() + gains[0]) / 2)
    treated = (np.sum(TOP1["transfer", True]) + TOP1["transfer", True][0] - 0.1) / 8
    assert row.loc["pooled", "mean"] == pytest.approx(treated - (BASE - 0.05))
    assert list(row["networks"]) == [8, 8]


def test_boost_with_one_replicate_bootstraps_images():
    table = boost(networks(), correctness)
    assert set(table["interval"]) == {"image interval"}
    paired, pooled = of(table, estimator="paired"), of(table, estimator="pooled")
    np.testing.assert_allclose(paired[["low", "high"]], pooled[["low", "high"]], atol=1e-12)
    pd.testing.assert_frame_equal(table, boost(networks(), correctness))


def test_without_a_published_control_bases_link_the_halves():
    table = apart(noise=0)
    # A halves are harder, by far more than any boost.
    table.loc[table["target"] == "A", "top1"] -= 0.1
    rows = of(boost(table), layers="1-7", comparison="selffer").set_index("estimator")
    assert set(rows.index) == {"through_base", "linear_model", "pooled"}
    gain = np.mean(np.subtract(TOP1["transfer", True], TOP1["selffer", True]))
    assert rows.loc["through_base", "mean"] == pytest.approx(gain)
    assert rows.loc["linear_model", "mean"] == pytest.approx(gain)
    assert rows.loc["linear_model", "interval"] == "t of the linear model"
    # In the original table, A halves are worse by 0.003.
    assert rows.loc["pooled", "mean"] == pytest.approx(gain + 0.103)
    assert set(rows["target"]) == {"B vs A"}
    assert set(rows["missing"]) == {2 * 4 * 7}
    assert (rows["networks"] == 28).all()
    assert (rows["controls"] == 28).all()


def test_through_base_has_the_t_interval_over_splits():
    table = apart()
    row = of(boost(table), layers="1-7", estimator="through_base").iloc[0]
    base = of(table, kind="base").set_index(["split", "target"])["top1"]
    relative = (
        table["top1"]
        - base.loc[list(table[["split", "target"]].itertuples(index=False, name=None))].to_numpy()
    )
    sides = [
        relative[kind(table, which)].groupby(table["split"]).mean()
        for which in ("transfer", "selffer")
    ]
    per_split = sides[0] - sides[1]
    expected = stats.ttest_1samp(per_split, 0).confidence_interval(0.95)
    assert row["interval"] == "t over splits"
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_across_a_gap_one_replicate_bootstraps_images():
    rows = of(boost(apart(splits=("random0",)), correctness), comparison="selffer")
    kinds = rows.set_index(["estimator", "layers"])["interval"].unstack(0)
    assert set(kinds["through_base"]) == set(kinds["pooled"]) == {"image interval"}
    assert set(kinds["linear_model"]) == {"t of the linear model"}
    inside = (rows["low"] < rows["mean"]) & (rows["mean"] < rows["high"])
    assert inside.all()


def test_a_lost_control_adds_the_comparison_across_gaps():
    table = networks(splits=FOUR_SPLITS, noise=0.01)
    lost = (table["network"] == "B3B+") & (table["split"] == "random2")
    rows = of(boost(table.assign(top1=table["top1"].mask(lost))), comparison="selffer")
    assert set(of(rows, layers="1-7")["estimator"]) == {
        "paired",
        "through_base",
        "linear_model",
        "pooled",
    }
    assert set(of(rows, layers="1-7")["missing"]) == {1}
    assert set(of(rows, layers="5-7")["estimator"]) == {"paired", "pooled"}
    assert of(rows, layers="1-7", estimator="paired")["networks"].item() == 27
    assert of(rows, layers="1-7", estimator="through_base")["networks"].item() == 28


def test_without_a_base_halves_cannot_be_linked():
    table = apart()
    table = table.assign(top1=table["top1"].mask(table["kind"] == "base"))
    assert set(boost(table)["estimator"]) == {"pooled"}


def test_no_interval_if_one_side_has_one_split():
    """The variation of splits cannot be estimated from one."""
    table = networks(splits=FOUR_SPLITS, noise=0.01)
    lost = kind(table, "transfer") & (table["split"] != "random0")
    row = of(
        boost(table.assign(top1=table["top1"].mask(lost))),
        layers="1-7",
        comparison="base",
        estimator="pooled",
    ).iloc[0]
    assert row["interval"] == "none"
    assert row["replicates"] == 1
    assert np.isnan(row["low"])
