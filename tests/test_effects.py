import logging

import numpy as np
import pandas as pd
import pytest
from made_networks import BASE, LONG_BASE, RETRAINED, TOP1, correctness, networks
from scipy import stats

from transferability.effects import EFFECTS, boost, estimate, paired_differences
from transferability.intervals import mean_over_replicates

FOUR_SPLITS = ("random0", "random1", "random2", "random3")
CELL = ["split", "seed", "target", "target_size"]


def known(effect: str, n: int) -> float:
    """An effect as the made tables hold it."""
    if effect == "long_base":
        return LONG_BASE - BASE
    if effect == "retraining":
        return RETRAINED - BASE
    treated, control = next((e.treated, e.control) for e in EFFECTS if e.name == effect)
    return TOP1[treated][n - 1] - (BASE if control[0] == "base" else TOP1[control][n - 1])


def of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column] == value]
    return table


@pytest.mark.parametrize("targets", ["B", "AB"])
def test_known_effects_come_out(targets):
    effects = estimate(networks(splits=FOUR_SPLITS, seeds=(0, 1), targets=targets))
    assert list(dict.fromkeys(effects["effect"])) == [effect.name for effect in EFFECTS]
    assert len(effects) == 8 * 7 + 2
    expected = [known(row.effect, row.n) for row in effects.itertuples()]
    np.testing.assert_allclose(effects["mean"], expected, atol=1e-12)
    assert set(effects["target"]) == {"+".join(targets)}
    assert set(effects["replicates"]) == {8}
    assert set(effects["interval"]) == {"t over splits"}


def test_a_network_that_copies_nothing_is_retraining_alone():
    differences = paired_differences(networks())
    retrained = of(differences, network="B0B")
    assert list(retrained["effect"]) == ["retraining"]
    assert of(differences, effect="coadaptation")["n"].min() == 1


def test_pairs_share_split_seed_target_size_and_n():
    table = networks(
        splits=("random0", "dissimilar"),
        seeds=(0, 1),
        targets="AB",
        target_sizes=("100", "all"),
        noise=0.01,
    )
    by_name = table.set_index([*CELL, "network"])
    differences = paired_differences(table)
    assert len(differences) == 2 * 2 * 2 * 2 * (8 * 7 + 2)
    controls = {effect.name: effect.control for effect in EFFECTS}
    for row in differences.itertuples():
        cell = (row.split, row.seed, row.target, row.target_size)
        treated, control = by_name.loc[(*cell, row.network)], by_name.loc[(*cell, row.control)]
        assert row.difference == treated["top1"] - control["top1"]
        assert (control["kind"], control["fine_tuned"]) == controls[row.effect]
        assert control["n"] == (0 if control["kind"] == "base" else treated["n"])


def test_targets_are_averaged_on_random_splits_alone():
    table = networks(splits=("random0", "dissimilar"), targets="AB", noise=0.01)
    effects = estimate(table)
    assert set(of(effects, split_kind="random")["target"]) == {"A+B"}
    assert set(of(effects, split_kind="dissimilar")["target"]) == {"A", "B"}
    pairs = of(paired_differences(table), split="random0", effect="transfer", n=7)
    assert len(pairs) == 2
    mean = of(effects, split_kind="random", effect="transfer", n=7)["mean"].item()
    assert mean == pytest.approx(pairs["difference"].mean())


@pytest.mark.parametrize(
    ("splits", "seeds", "kind"),
    [
        (("random0", "random1", "random2"), (0, 1), "t over splits"),
        (("random0", "random1"), (0,), "t over splits"),
        (("random0",), (0, 1, 2), "t over seeds"),
    ],
)
def test_t_interval_is_over_splits_or_over_the_seeds_of_one(splits, seeds, kind):
    table = networks(splits=splits, seeds=seeds, noise=0.01)
    row = of(estimate(table), effect="specificity", n=5).iloc[0]
    pairs = of(paired_differences(table), effect="specificity", n=5)
    unit = "split" if len(splits) > 1 else "seed"
    values = pairs.groupby(unit)["difference"].mean()
    reach = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    assert row["interval"] == kind
    assert row["replicates"] == len(splits) * len(seeds)
    assert row["low"] == pytest.approx(values.mean() - reach)
    assert row["high"] == pytest.approx(values.mean() + reach)


def test_interval_over_splits_covers_where_seeds_of_one_split_are_alike():
    """Seeds as if they were splits would cover three effects in four."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        of_splits = np.repeat(random.normal(0.02, 0.01, 4), 2)
        values = pd.DataFrame(
            {
                "split": np.repeat([f"random{k}" for k in range(4)], 2),
                "seed": np.tile([0, 1], 4),
                "difference": of_splits + random.normal(0, 0.005, 8),
                "all": 0,
            }
        )
        row = mean_over_replicates(values, ["all"], "difference").iloc[0]
        covered += row["low"] <= 0.02 <= row["high"]
    assert 0.92 <= covered / 400 <= 0.98


def test_bootstrap_over_images_with_one_replicate():
    table = networks(layers=(0, 7), noise=0.002)
    effects = estimate(table, correctness)
    assert set(effects["interval"]) == {"bootstrap over images"}
    assert set(effects["replicates"]) == {1}
    pd.testing.assert_frame_equal(effects, estimate(table, correctness))
    row = of(effects, effect="transfer", n=7).iloc[0]
    rows = table.set_index("network")
    per_image = correctness(rows.loc["A7B"]) - correctness(rows.loc["baseB"])
    reach = 1.96 * per_image.std() / np.sqrt(len(per_image))
    assert row["high"] - row["low"] == pytest.approx(2 * reach, rel=0.1)
    assert row["low"] < row["mean"] < row["high"]


def test_bootstrap_lies_about_the_score_where_that_is_not_the_final_accuracy():
    table = networks(layers=(7,))
    scored = table.assign(top1=table["top1"] + 0.01 * (table["network"] == "A7B"))
    truth = table.set_index("network")["top1"]

    def correct(row):
        return correctness(row.replace(row["top1"], truth[row["network"]]))

    plain = of(estimate(table, correct), effect="transfer", n=7).iloc[0]
    moved = of(estimate(scored, correct), effect="transfer", n=7).iloc[0]
    for column in ("mean", "low", "high"):
        assert moved[column] == pytest.approx(plain[column] + 0.01)


def test_both_targets_bootstrap_each_its_own_images():
    effects = estimate(networks(targets="AB", layers=(7,)), correctness)
    one = of(estimate(networks(layers=(7,)), correctness), effect="transfer", n=7).iloc[0]
    both = of(effects, effect="transfer", n=7).iloc[0]
    assert both["target"] == "A+B"
    assert both["high"] - both["low"] == pytest.approx((one["high"] - one["low"]) / 2**0.5, rel=0.1)


def test_no_interval_without_replicates_and_predictions():
    effects = estimate(networks())
    assert set(effects["interval"]) == {"none"}
    assert effects[["low", "high"]].isna().all(axis=None)


def test_images_of_unequal_number_are_refused():
    def correct(row):
        return np.ones(10 if row["network"] == "baseB" else 9)

    with pytest.raises(ValueError, match=r"baseB.*same image store"):
        estimate(networks(), correct)


@pytest.mark.parametrize("how", ["row", "score"])
def test_a_missing_network_takes_its_own_effects_away_alone(how, caplog):
    table = networks(splits=FOUR_SPLITS, noise=0.01)
    lost = table["network"] == "B3B"
    unscored = table.assign(top1=table["top1"].mask(lost))
    incomplete = table[~lost] if how == "row" else unscored
    with caplog.at_level(logging.WARNING):
        effects = estimate(incomplete)
    said = [line for line in caplog.messages if "left out" in line]
    assert {line.split()[1].rstrip(":") for line in said} == (
        {"coadaptation", "recovery", "specificity"}
        if how == "score"
        else {"recovery", "specificity"}
    )
    assert all("4 of" in line and "no selffer" in line for line in said)
    needs_it = ["coadaptation", "recovery", "specificity"]
    complete = estimate(table)
    others = complete[~(complete["effect"].isin(needs_it) & (complete["n"] == 3))]
    pd.testing.assert_frame_equal(effects, others.reset_index(drop=True))


def test_one_lost_replicate_is_counted_and_said(caplog):
    table = networks(splits=FOUR_SPLITS, noise=0.01)
    lost = (table["network"] == "A3B") & (table["split"] == "random2")
    with caplog.at_level(logging.WARNING):
        effects = estimate(table[~lost])
    assert of(effects, effect="transfer", n=3)["replicates"].item() == 3
    assert of(effects, effect="transfer", n=4)["replicates"].item() == 4
    said = [line for line in caplog.messages if line.startswith("effect transfer:")]
    assert len(said) == 1
    assert "1 of 28" in said[0]
    assert "random2 seed 0 target B target_size all n 3" in said[0]


def test_wholly_missing_treatments_leave_an_empty_table(caplog):
    table = networks()
    with caplog.at_level(logging.WARNING):
        effects = estimate(table[table["kind"] == "base"])
    assert effects.empty
    assert list(effects.columns) == list(estimate(table).columns)
    assert len(caplog.messages) == len(EFFECTS)
    assert boost(table[table["kind"] == "base"]).empty


def test_pooled_and_paired_agree_on_a_complete_table():
    table = boost(networks(splits=FOUR_SPLITS, seeds=(0, 1), targets="AB", noise=0.01))
    assert list(dict.fromkeys(table["layers"])) == ["1-7", "3-7", "5-7"]
    paired, pooled = of(table, estimator="paired"), of(table, estimator="pooled")
    np.testing.assert_allclose(paired["mean"], pooled["mean"], atol=1e-12)
    assert set(table["interval"]) == {"t over splits"}
    ends = ["low", "high"]
    np.testing.assert_allclose(paired[ends], pooled[ends], atol=1e-12)
    assert list(pooled["networks"]) == [112, 112, 80, 80, 48, 48]
    assert ((pooled["low"] < pooled["mean"]) & (pooled["mean"] < pooled["high"])).all()


def test_boost_is_the_mean_over_layers():
    table = of(boost(networks()), layers="5-7", comparison="selffer", estimator="paired")
    expected = np.mean(np.subtract(TOP1["transfer", True][4:], TOP1["selffer", True][4:]))
    assert table["mean"].item() == pytest.approx(expected)


def test_pooled_and_paired_part_on_an_unbalanced_table():
    table = networks(splits=("random0", "random1"))
    # A split on which everything is worse, and of whose AnB+ all but one are lost.
    worse = table["split"] == "random1"
    table["top1"] -= 0.1 * worse
    transfer_plus = (table["kind"] == "transfer") & table["fine_tuned"]
    table = table[~(worse & transfer_plus & (table["n"] > 1))]
    row = of(boost(table), layers="1-7", comparison="base").set_index("estimator")
    gains = np.subtract(TOP1["transfer", True], BASE)
    assert row.loc["paired", "mean"] == pytest.approx((gains.mean() + gains[0]) / 2)
    treated = (np.sum(TOP1["transfer", True]) + TOP1["transfer", True][0] - 0.1) / 8
    assert row.loc["pooled", "mean"] == pytest.approx(treated - (BASE - 0.05))
    assert list(row["networks"]) == [8, 8]


def test_pooled_says_that_it_compares_different_halves():
    table = networks(splits=("random0", "random1"), targets="AB")
    transfer_plus = (table["kind"] == "transfer") & table["fine_tuned"]
    table["top1"] = table["top1"].mask(transfer_plus & (table["target"] == "A"))
    rows = of(boost(table), layers="1-7", comparison="base").set_index("estimator")
    assert rows.loc["paired", "target"] == "B"
    assert rows.loc["pooled", "target"] == "B vs A+B"


def test_a_base_that_is_a_source_only_is_no_control():
    table = networks()
    table.loc[table["network"] == "baseA", "top1"] = 0.1
    rows = of(boost(table), layers="1-7", comparison="base")
    assert rows["mean"].iloc[0] == pytest.approx(rows["mean"].iloc[1])


def test_boost_with_one_replicate_bootstraps_images():
    table = boost(networks(), correctness)
    assert set(table["interval"]) == {"bootstrap over images"}
    paired, pooled = of(table, estimator="paired"), of(table, estimator="pooled")
    np.testing.assert_allclose(paired[["low", "high"]], pooled[["low", "high"]], atol=1e-12)
    pd.testing.assert_frame_equal(table, boost(networks(), correctness))


def test_layers_of_boost_are_those_that_exist():
    assert set(boost(networks(layers=(1, 2, 3)))["layers"]) == {"1-3", "3-3"}
    assert set(boost(networks(layers=(2,)))["layers"]) == {"1-2"}


def test_dissimilar_boost_keeps_its_targets_apart():
    table = boost(networks(splits=("dissimilar",), targets="AB"))
    assert set(table["target"]) == {"A", "B"}


def test_what_is_wrong_with_a_table_is_named():
    table = networks()
    with pytest.raises(ValueError, match="lacks the columns seed, top1"):
        estimate(table.drop(columns=["seed", "top1"]))
    with pytest.raises(ValueError, match=r"random0/seed0/A3B twice"):
        estimate(pd.concat([table, table[table["network"] == "A3B"]]))
