import logging

import numpy as np
import pandas as pd
import pytest
from made_networks import (
    BASE,
    FOUR_SPLITS,
    IMAGES,
    LONG_BASE,
    OF_SOURCE,
    PARTIAL,
    RETRAINED,
    TOP1,
    correctness,
    networks,
    of,
)
from scipy import stats
from statsmodels.stats.multitest import multipletests

from transferability.analysis.effects import (
    EFFECTS,
    checked,
    estimate,
    not_learned,
    paired_differences,
)
from transferability.analysis.intervals import moderated

CELL = ["split", "seed", "target", "target_size"]


def known(effect: str, n: int, of_sources: bool = False) -> float:
    """The true effect in the made-up tables, of halves or of the first source."""
    top1 = {**TOP1, **OF_SOURCE, ("partial", False): PARTIAL[1:]} if of_sources else TOP1
    at_0 = {
        **{("base", False): BASE, ("long_base", False): LONG_BASE, ("partial", False): PARTIAL[0]}
    }
    if effect == "long_base":
        return LONG_BASE - BASE
    if effect == "retraining":
        return RETRAINED - BASE
    found = next(e for e in EFFECTS if e.name == effect)
    control = at_0[found.control] if found.control_of_zero else top1[found.control][n - 1]
    return top1[found.treated][n - 1] - control


@pytest.mark.parametrize("targets", ["B", "AB"])
def test_known_effects_are_estimated(targets):
    effects = estimate(networks(splits=FOUR_SPLITS, seeds=(0, 1), targets=targets))
    assert " ".join(effects.columns) == (
        "study split_kind source target target_size effect n layer estimator mean median std low "
        "high lower interval replicates p p_holm differences missing not_learned"
    )
    assert set(effects["source"]) == {""}
    known_kinds = {*TOP1, ("base", False), ("long_base", False)}
    named = [e.name for e in EFFECTS if {e.treated, e.control} <= known_kinds]
    assert list(dict.fromkeys(effects["effect"])) == [n for n in named if n != "source_gap"]
    assert len(effects) == 9 * 7 + 2
    expected = [known(row.effect, row.n) for row in effects.itertuples()]
    np.testing.assert_allclose(effects["mean"], expected, atol=1e-12)
    assert set(effects["target"]) == {"+".join(targets)}
    assert set(effects["replicates"]) == {8}
    several_n = effects["n"] > 0
    assert set(effects[several_n]["interval"]) == {"moderated t over splits"}
    assert set(effects[~several_n]["interval"]) == {"t over splits"}


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
    assert len(differences) == 2 * 2 * 2 * 2 * (9 * 7 + 2)
    # A network that copies nothing shows retraining alone.
    assert set(of(differences, network="B0B")["effect"]) == {"retraining"}
    controls = {effect.name: effect.control for effect in EFFECTS}
    for row in differences.itertuples():
        cell = (row.split, row.seed, row.target, row.target_size)
        treated, control = by_name.loc[(*cell, row.network)], by_name.loc[(*cell, row.control)]
        assert row.difference == treated["top1"] - control["top1"]
        assert (control["kind"], control["fine_tuned"]) == controls[row.effect]
        assert control["n"] == (0 if control["kind"].endswith("base") else treated["n"])


def test_targets_are_averaged_on_random_splits_only():
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
        (("random0",), (0, 1), "t over seeds"),
    ],
)
def test_t_interval_is_over_splits_or_over_the_seeds_of_one(splits, seeds, kind):
    table = networks(splits=splits, seeds=seeds, layers=(0, 5), noise=0.01)
    row = of(estimate(table), effect="specificity", n=5).iloc[0]
    pairs = of(paired_differences(table), effect="specificity", n=5)
    unit = "split" if len(splits) > 1 else "seed"
    values = pairs.groupby(unit)["difference"].mean()
    reach = stats.t.ppf([0.975, 0.95], len(values) - 1) * stats.sem(values)
    assert row["interval"] == kind
    assert row["replicates"] == len(splits) * len(seeds)
    assert row["low"] == pytest.approx(values.mean() - reach[0])
    assert row["high"] == pytest.approx(values.mean() + reach[0])
    assert row["lower"] == pytest.approx(values.mean() - reach[1])
    assert row["median"] == pytest.approx(values.median())
    assert row["std"] == pytest.approx(values.std())
    assert row["p"] == row["p_holm"] == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_the_base_of_a_selffer_has_its_size_and_other_bases_saw_all_images():
    columns = ["network", "kind", "source", "target_size", "n", "learned"]
    rows = [
        ("baseA", "base", "", "all", 0, False),
        ("baseB", "base", "", "all", 0, True),
        ("baseB@20", "base", "", "20", 0, False),
        ("B3B@20", "selffer", "B", "20", 3, True),
        ("A3B@20", "transfer", "A", "20", 3, True),
    ]
    table = pd.DataFrame(rows, columns=columns).assign(
        **{"study": "s", "split": "random0", "seed": 0, "fine_tuned": False, "top1": 0.5},
        target=lambda rows: rows["network"].str[4].where(rows["kind"] == "base", "B"),
    )
    found = not_learned(checked(table)).to_list()
    assert [name.strip().rpartition("/")[2] for name in found] == [
        *("baseA", "", "baseB@20", "baseB@20", "baseA")
    ]
    # In a search, the copied base is not the base in the table.
    searched = table.assign(base_learned=[np.nan, np.nan, np.nan, True, False])
    found = not_learned(checked(searched)).to_list()
    assert [name.strip().rpartition("/")[2] for name in found][3:] == ["", "baseA"]


def test_equal_differences_keep_the_uncertainty_of_one_image():
    table = networks(splits=FOUR_SPLITS[:2]).assign(validation_images=20)
    table = table[(table["n"] == 3) | (table["n"] == 0)]
    row = of(estimate(table), effect="specificity").iloc[0]
    assert row["std"] == pytest.approx(0, abs=1e-12)
    reach = stats.t.ppf(0.975, 1) * 0.05 / np.sqrt(6) / np.sqrt(2)
    assert row["high"] - row["mean"] == pytest.approx(reach)
    assert row["p"] > 0.05


def test_columns_with_equal_variance_pool_degrees_of_freedom():
    contrasts = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]).T
    alone, independent, same = (
        moderated(pd.DataFrame(contrasts[:, columns])) for columns in ([0], [0, 1, 2], [0, 0, 0])
    )
    for found, freedom in ((alone, 3), (independent, 9), (same, 3)):
        assert found["variance"].to_list() == pytest.approx([4 / 3] * len(found))
        assert found["freedom"].to_list() == pytest.approx([freedom] * len(found))


def test_several_n_moderate_their_variances_and_are_corrected_for_their_number():
    table = networks(splits=FOUR_SPLITS, noise=0.01)
    effects = of(estimate(table), effect="specificity")
    values = of(paired_differences(table), effect="specificity")
    values = values.pivot(index="split", columns="n", values="difference")
    expected = moderated(values)
    reach = stats.t.ppf(0.975, expected["freedom"]) * np.sqrt(expected["variance"] / 4)
    np.testing.assert_allclose(effects["high"] - effects["mean"], reach)
    assert set(effects["interval"]) == {"moderated t over splits"}
    _, corrected, *_ = multipletests(effects["p"], method="holm")
    np.testing.assert_allclose(effects["p_holm"], corrected)
    assert (effects["p_holm"] > effects["p"]).any()


def test_effects_name_their_last_copied_layer():
    table = networks(layers=(0, 2)).assign(layer=lambda rows: rows["n"].map({0: None, 2: "conv2"}))
    effects = estimate(table)
    assert set(of(effects, n=2)["layer"]) == {"conv2"}
    assert set(of(effects, n=0)["layer"]) == {""}


@pytest.mark.parametrize(
    ("lost", "effects"),
    [
        (("A3B", "random1"), ["specificity", "transfer"]),
        (("baseA", "random1"), ["specificity", "transfer", "boost", "boost_over_selffer"]),
        (("B3B+", "random2"), ["recovery", "boost_over_selffer", "self_boost"]),
    ],
)
def test_effects_are_also_given_without_networks_that_did_not_learn(lost, effects):
    network, split = lost
    table = networks(splits=FOUR_SPLITS, target_sizes=("100", "all"), noise=0.01)
    table["learned"] = ~((table["network"] == network) & (table["split"] == split))
    found = estimate(table)
    touched = of(found, estimator="paired_learned")
    assert set(touched["effect"]) - {"gain_over_long"} == set(effects)
    assert set(touched["not_learned"]) == {f"{split}/seed0/{network}"}
    assert set(touched["replicates"]) == {3}
    rest = table[~table["n"].isin(touched["n"]) | (table["split"] != split)]
    numbers = ["mean", "low", "high", "p_holm"]
    at_3 = {"effect": effects[0], "n": 3, "target_size": "all"}
    alone, without = (of(rows, **at_3)[numbers].iloc[0] for rows in (estimate(rest), touched))
    assert without.tolist() == alone.tolist()
    every = of(found, estimator="paired").reset_index(drop=True)
    means = ["effect", "n", "mean", "median", "std", "replicates"]
    pd.testing.assert_frame_equal(every[means], estimate(table.drop(columns="learned"))[means])
    # A single replicate has no other estimate.
    single = of(estimate(of(table, split=split)), **at_3)
    assert list(single["estimator"]) == ["paired"]


def test_bootstrap_over_images_with_one_replicate():
    table = networks(layers=(0, 7), noise=0.002)
    effects = estimate(table, correctness)
    assert set(effects["interval"]) == {"image interval"}
    assert set(effects["replicates"]) == {1}
    pd.testing.assert_frame_equal(effects, estimate(table, correctness))
    # One replicate gives no verdict.
    assert effects[["lower", "p", "p_holm", "std"]].isna().all(axis=None)
    assert (effects["median"] == effects["mean"]).all()
    row = of(effects, effect="transfer", n=7).iloc[0]
    rows = table.set_index("network")
    per_image = correctness(rows.loc["A7B"]) - correctness(rows.loc["baseB"])
    reach = 1.96 * per_image.std() / np.sqrt(len(per_image))
    assert row["high"] - row["low"] == pytest.approx(2 * reach, rel=0.1)
    assert row["low"] < row["mean"] < row["high"]
    # Every machine and every run finds the same value.
    assert (row["low"], row["high"]) == pytest.approx((-0.1467309, -0.1183309), abs=1e-7)


def test_the_bootstrap_interval_is_around_the_score():
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
    effects = estimate(networks().drop(columns="validation_images"))
    assert set(effects["interval"]) == {"none"}
    assert effects[["low", "high"]].isna().all(axis=None)
    # Several unpaired differences share networks, and therefore errors.
    assert set(estimate(networks(targets="AB"))["interval"]) == {"none"}


def test_without_predictions_the_number_of_images_gives_an_unpaired_interval():
    table = networks(layers=(7,))
    effects = estimate(table)
    assert set(effects["interval"]) == {"unpaired image interval"}
    row = of(effects, effect="transfer", n=7).iloc[0]
    treated, control = TOP1["transfer", False][6], BASE
    ends = [
        stats.binomtest(round(IMAGES * top1), IMAGES).proportion_ci(0.95, "wilson")
        for top1 in (treated, control)
    ]
    # Newcombe's interval, from the Wilson intervals of both networks.
    low = treated - control - np.hypot(treated - ends[0].low, ends[1].high - control)
    high = treated - control + np.hypot(ends[0].high - treated, control - ends[1].low)
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    paired = of(estimate(table, correctness), effect="transfer", n=7).iloc[0]
    assert row["high"] - row["low"] > paired["high"] - paired["low"]


def test_found_and_missing_differences_are_counted_and_logged(caplog):
    table = networks(splits=FOUR_SPLITS, targets="AB")
    lost = (table["network"] == "A3B") & table["split"].isin(["random1", "random2"])
    incomplete = table.assign(top1=table["top1"].mask(lost))
    with caplog.at_level(logging.WARNING):
        paired_differences(incomplete)
    (said,) = [line for line in caplog.messages if line.startswith("effect transfer:")]
    assert "2 of 56" in said
    assert "random1 seed 0 target B target_size all n 3" in said
    effects = estimate(incomplete)
    touched = (effects["n"] == 3) & effects["effect"].isin(["transfer", "specificity"])
    counts = ["differences", "missing", "replicates"]
    assert (effects.loc[touched, counts] == [6, 2, 4]).all(axis=None)
    assert (effects.loc[~touched, counts] == [8, 0, 4]).all(axis=None)


@pytest.mark.parametrize("how", ["row", "score"])
def test_a_missing_network_removes_only_its_own_effects(how, caplog):
    table = networks(splits=FOUR_SPLITS, noise=0.01)
    lost = table["network"] == "B3B"
    incomplete = table[~lost] if how == "row" else table.assign(top1=table["top1"].mask(lost))
    needs_it = ["coadaptation", "recovery", "specificity"]
    with caplog.at_level(logging.WARNING):
        paired_differences(incomplete)
    said = {line.split()[1].rstrip(":"): line for line in caplog.messages if "left out" in line}
    # A row that does not exist is not counted as missing in an effect over bases.
    assert set(said) == set(needs_it[how == "row" :])
    assert all("4 of" in line and "no selffer" in line for line in said.values())
    complete = estimate(table)
    others = complete[~(complete["effect"].isin(needs_it) & (complete["n"] == 3))]
    # The variances of the effect's other n are moderated with fewer variances.
    same = ["effect", "n", "mean", "std", "interval", "replicates", "differences", "missing"]
    found = estimate(incomplete)[same]
    pd.testing.assert_frame_equal(found, others.reset_index(drop=True)[same])


def test_entirely_missing_treatments_give_an_empty_table(caplog):
    table = networks()
    with caplog.at_level(logging.INFO):
        assert paired_differences(table[table["kind"] == "base"]).empty
    effects = estimate(table[table["kind"] == "base"])
    assert effects.empty
    assert list(effects.columns) == list(estimate(table).columns)
    (said,) = caplog.messages
    assert all(effect.name in said for effect in EFFECTS)


def test_an_error_in_a_table_is_named():
    table = networks()
    with pytest.raises(ValueError, match=r"random0/seed0/A3B twice"):
        estimate(pd.concat([table, table[table["network"] == "A3B"]]))
