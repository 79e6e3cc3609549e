"""Predictors: rank correlations of scores with measured effects, against depth alone."""

import json

import pandas as pd
import pytest
from drawn_figures import words
from made_networks import FOUR_SPLITS, FROZEN, SCORES, networks, of, of_sources, probed
from scipy import stats

from transferability import figures
from transferability.analysis import predictors
from transferability.analysis.effects import paired_differences


@pytest.fixture(scope="module")
def made() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The networks and predictors of a study of four splits whose curves are not monotone."""
    table = networks(splits=FOUR_SPLITS, targets="AB", noise=0.03, treatments=FROZEN)
    return table, predictors.predictors(probed(table, **SCORES), table)


def test_a_score_in_the_same_order_has_correlation_1(made):
    table, found = made
    rows = of(found, over="layers", effect="transfer").set_index("predictor")
    assert rows.loc["knn", ["correlation", "low", "high"]].tolist() == pytest.approx([1, 1, 1])
    assert rows.loc["logme", "correlation"] == pytest.approx(-1)
    differences = of(paired_differences(table), effect="transfer")
    curves = differences.groupby(["split", "target"])
    depth = curves[["n", "difference"]].apply(
        lambda c: stats.spearmanr(-c["n"], c["difference"])[0]
    )
    of_splits = depth.groupby("split").mean()
    assert 0.1 < of_splits.mean() < 0.95
    for name in ("depth", "cka"):
        assert rows.loc[name, "correlation"] == pytest.approx(of_splits.mean())
        assert rows.loc[name, ["lead", "lead_low", "lead_high"]].tolist() == [0, 0, 0]
    lead = stats.ttest_1samp(1 - of_splits, 0).confidence_interval()
    found = rows.loc["knn", ["lead_low", "lead_high"]].tolist()
    assert found == pytest.approx([lead.low, lead.high])
    assert set(rows["interval"]) == {"t over splits"}
    assert set(rows["replicates"]) == {4}
    assert set(rows["compared"]) == {7}


def test_each_measured_curve_has_its_rows(made):
    _, found = made
    assert list(of(found, over="layers")["effect"].unique()) == ["transfer", "specificity"]
    assert set(found["over"]) == {"layers", "splits"}


def test_over_splits_a_score_has_no_interval(made):
    _, found = made
    rows = of(found, over="splits", effect="transfer").set_index("predictor")
    # Depth is the same in each split.
    assert rows.index.tolist() == ["knn", "logme"]
    assert rows["correlation"].tolist() == pytest.approx([1, -1], abs=0.6)
    assert rows["lead_low"].isna().all()
    assert set(rows["interval"]) == {"none"}
    assert set(rows["compared"]) == {4}


def test_sources_are_ranked_at_the_same_n():
    treatments = (*FROZEN, ("transfer", True), ("partial", False))
    table = of_sources("PQT", treatments=treatments, noise=0.01)
    found = predictors.predictors(probed(table, **SCORES), table)
    over = of(found, over="sources", effect="transfer").set_index("predictor")
    assert over.loc["knn", ["correlation", "lead"]].tolist() == pytest.approx([1, 1])
    assert set(over["source"]) == {""}
    assert set(over["compared"]) == {3}
    of_layers = of(found, over="layers")
    assert set(of_layers["source"]) == set("PQT")
    assert set(of_layers["effect"]) == {"transfer", "source_gap", "freeze_cost"}
    assert set(of_layers["interval"]) == {"t over seeds"}


def test_a_control_that_did_not_learn_is_not_compared(made):
    table, _ = made
    lost = table.assign(learned=~((table["split"] == "random1") & (table["network"] == "baseB")))
    rows = of(predictors.predictors(probed(table, **SCORES), lost), over="layers")
    assert set(of(rows, effect="transfer")["replicates"]) == {4}
    both = lost.assign(learned=table["split"] != "random1")
    rows = of(predictors.predictors(probed(table, **SCORES), both), over="layers")
    assert set(of(rows, effect="transfer")["replicates"]) == {3}


def test_few_layers_give_no_rows():
    table = networks(layers=(0, 3, 7), treatments=FROZEN)
    found = predictors.predictors(probed(table, **SCORES), table)
    assert found.empty
    assert list(found) == predictors.COLUMNS


def test_the_figure_says_if_no_score_is_better_than_depth(made):
    worse = made[1].assign(lead_low=-1.0)
    assert "No score has a lead over depth" in words(figures.predictors(worse))


def mechanism_table(tmp_path, seeds=(0, 1), networks=("baseB", "A3B", "A3B+")) -> pd.DataFrame:
    """The table of mechanism from replicates that have these networks."""
    names = ["", *(f"layer{n}" for n in range(1, 8)), "all"]
    for seed in seeds:
        scores = {"top1": 0.5, "loss": 1.0, "top1_change": -0.1 - seed / 10, "loss_change": 0.5}
        rows = [
            {"network": name, "validation_images": 9, "measure": "reinitialised", "n": n} | scores
            for name in networks
            for n in range(8)
        ]
        rows = [row | {"layer": names[row["n"]], "other_seed": None} for row in rows]
        pair = {"measure": "barrier", "n": None, "layer": "", "other_seed": seed + 1}
        rows += [{"network": name, **pair, **scores} for name in networks if seed + 1 in seeds]
        file = tmp_path / "whole" / f"seed{seed}" / "probes.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"probes": [], "mechanism": rows}), encoding="utf-8")
    return predictors.collect("made", tmp_path, [("whole", seed) for seed in seeds])[1]


def test_the_mechanism_figure_shows_trained_layers_and_barriers(tmp_path):
    table = mechanism_table(tmp_path)
    assert table.set_index("network").loc["A3B", "frozen"].unique().tolist() == [3]
    left, right = figures.mechanism(table).axes
    drawn = {c.get_label(): c.lines[0].get_xydata() for c in left.containers}
    assert drawn["A$n$B"][:, 0].tolist() == [4, 5, 6, 7]
    assert drawn["A$n$B+"][:, 0].tolist() == [*range(1, 8)]
    assert drawn["baseB"][:, 1].tolist() == pytest.approx([-15] * 7)
    barriers = {c.get_label(): c.lines[0].get_xydata().tolist() for c in right.containers}
    assert barriers["baseB"] == [[0, 0.5]]
    assert barriers["A$n$B+"] == [[3, 0.5]]


def test_without_a_second_seed_there_is_no_barrier(tmp_path):
    assert len(figures.mechanism(mechanism_table(tmp_path, seeds=(0,))).axes) == 1


@pytest.mark.parametrize("text", ["{", '{"probes": []}', '{"probes": 3, "mechanism": []}'])
def test_a_damaged_file_of_a_replicate_is_named(tmp_path, text):
    file = tmp_path / "random0" / "seed0" / "probes.json"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"seed0/probes.json: cannot be read .*delete it"):
        predictors.collect("made", tmp_path, [("random0", 0)])
