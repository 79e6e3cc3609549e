"""Effects of sources, of partial fine-tuning, and of shuffled weights."""

import logging

import numpy as np
import pandas as pd
import pytest
from made_networks import BASE, FOUR_SPLITS, PARTIAL, TOP1, networks, of
from made_networks import of_sources as sources
from scipy import stats
from test_effects import known

from transferability.analysis.boost import boost
from transferability.analysis.decision import decision
from transferability.analysis.effects import EFFECTS, estimate, paired_differences
from transferability.reports import findings

TREATMENTS = (*TOP1, ("shuffled", True), ("reestimated", False), ("partial", False))


@pytest.fixture(scope="module")
def effects() -> pd.DataFrame:
    return estimate(sources("PQ", treatments=TREATMENTS, noise=1e-9)).set_index("effect")


def test_known_effects_are_estimated(effects):
    # At n = 7 transfer networks are also partial networks.
    first = effects[(effects["source"] != "Q") & (effects["n"] < 7)]
    expected = [known(row.Index, row.n, of_sources=True) for row in first.itertuples()]
    np.testing.assert_allclose(first["mean"], expected, atol=1e-6)
    without = {"specificity", "boost_over_selffer", "restart"}
    assert {*effects.index} == {effect.name for effect in EFFECTS} - without
    # P7f7B is named P7B, which is not compared with itself.
    assert effects.loc["reinit_cost", "n"].max() == 6
    assert effects.loc["freeze_cost", "n"].max() == 7
    # Table 1 is for halves only.
    assert boost(sources()).empty


def test_each_source_has_its_effects_and_shares_the_controls(effects):
    at_3 = effects[effects["n"] == 3]
    of_q = at_3[at_3["source"] == "Q"]["mean"]
    for effect in ("transfer", "boost", "gain_over_long", "source_gap"):
        assert of_q[effect] == pytest.approx(known(effect, 3, of_sources=True) - 0.02, abs=1e-6)
    for effect in ("freeze_cost", "reinit_cost", "reuse", "statistics_shift"):
        assert of_q[effect] == pytest.approx(known(effect, 3, of_sources=True), abs=1e-6)
    shared = at_3[at_3["source"] == ""]
    assert {*shared.index} == {"coadaptation", "recovery", "self_boost", "random"}
    assert set(effects["missing"]) == {0}


def test_intervals_over_seeds_of_a_checkpoint_are_marked(effects):
    of_p = effects[effects["source"] == "P"]
    assert set(of_p["interval"]) == {"moderated t over seeds, for this checkpoint"}
    shared = effects[effects["source"] == ""]
    assert set(shared["interval"]) == {"moderated t over seeds", "t over seeds"}
    trained = estimate(sources("T", source_kind="dataset"))
    assert set(trained["interval"]) == {"moderated t over seeds", "t over seeds"}


def test_effects_without_controls_are_absent_with_one_message(caplog):
    table = sources(controls=False, treatments=(("transfer", False), ("partial", False)))
    with caplog.at_level(logging.INFO):
        differences = paired_differences(table)
    assert set(differences["effect"]) == {"freeze_cost", "reinit_cost"}
    assert set(differences["source"]) == {"P"}
    (said,) = caplog.messages
    assert "transfer, boost" in said
    assert set(estimate(table)["effect"]) == {"freeze_cost", "reinit_cost"}


def test_a_lost_network_is_missing_for_its_source_alone():
    table = sources("PQ")
    lost = (table["network"] == "P3B") & (table["seed"] == 2)
    effects = estimate(table.assign(top1=table["top1"].mask(lost)))
    transfer = of(effects, effect="transfer", n=3).set_index("source")
    assert transfer["replicates"].to_dict() == {"P": 3, "Q": 4}
    assert transfer["missing"].to_dict() == {"P": 1, "Q": 0}


def test_a_source_that_did_not_learn_is_named_in_effects_of_its_copies():
    base = {"kind": "base", "source": "", "target": "T", "network": "baseT", "n": 0, "copied": 0}
    table = sources("T", source_kind="dataset", seeds=(0, 1))
    bases = of(table, network="baseB").assign(**base, learned=[False, True])
    rows = of(estimate(pd.concat([table, bases])), estimator="paired")
    named = rows[rows["not_learned"] == "whole/seed0/baseT"]
    assert set(named["source"]) == {"T"}
    assert {*of(named, n=7)["effect"]} >= {"freeze_cost", "transfer", "boost"}
    # B7f0B, which has no frozen layers, is a copy too.
    assert set(rows.loc[rows["source"] == "", "not_learned"]) == {""}


def test_restart_is_computed_from_partial_selffers():
    table = sources("T", treatments=(("partial", False),), seeds=(0, 1))
    names = table["network"].str.replace("T7", "B7")
    selffers = table.assign(kind=table["kind"].replace("partial", "selffer_partial"))
    selffers = selffers.assign(network=names, source=table["source"].replace("T", "B"))
    effects = estimate(selffers)
    restart = of(effects, effect="restart")
    assert list(restart["n"]) == [1, 2, 3, 4, 5, 6, 7]
    assert restart["mean"].iloc[0] == pytest.approx(PARTIAL[1] - BASE)
    assert "freeze_cost" not in set(effects["effect"])


def test_halves_may_be_shuffled_too():
    table = networks(splits=FOUR_SPLITS, targets="AB")
    shuffled = of(table, kind="transfer", fine_tuned=True)
    shuffled = shuffled.assign(
        kind="shuffled", network="s" + shuffled["network"], top1=shuffled["top1"] - 0.02
    )
    effects = of(estimate(pd.concat([table, shuffled])), effect="reuse")
    assert list(effects["n"]) == [1, 2, 3, 4, 5, 6, 7]
    assert effects["mean"].to_numpy() == pytest.approx(0.02)
    assert set(effects["source"]) == {""}
    assert set(effects["interval"]) == {"moderated t over splits"}


def test_sources_of_a_group_are_its_replicates():
    table = sources("PQT", layers=(0, 3), noise=0.01)
    of_group = {"P": "photos", "Q": "photos"}
    table = table.assign(source_group=table["source"].map(of_group).fillna(""))
    rows = of(estimate(table), effect="freeze_cost").set_index("source")
    by_source = rows.loc[["P", "Q"], "mean"]
    expected = stats.t.interval(0.95, 1, by_source.mean(), stats.sem(by_source))
    group = rows.loc["photos"]
    assert group[["mean", "low", "high"]].tolist() == pytest.approx([by_source.mean(), *expected])
    assert (group["interval"], group["replicates"]) == ("t over sources", 8)
    assert rows.loc["T", "interval"] == "t over seeds, for this checkpoint"
    # The other effects have controls that all sources share.
    of_photos = of(estimate(table), source="photos")
    assert set(of_photos["effect"]) == {"freeze_cost", "reinit_cost", "reuse"}
    # A single remaining source is not a group.
    lost = table["network"] == "Q7f3B"
    assert set(of(estimate(table[~lost]), source="photos")["effect"]) == {"reuse"}
    decided = of(decision(table, 0.01), source="photos")
    assert list(decided["interval"]) == ["t over sources"]
    page = findings.page(table, estimate(table), boost(table), 0.01, decision(table, 0.01))
    assert "Sources P/Q (photos)" in page
    page = page.replace("\N{NO-BREAK SPACE}", " ")
    assert "PnB − baseB" in page
    assert "P/QnB − baseB" in page
    assert "2 sources" in page
