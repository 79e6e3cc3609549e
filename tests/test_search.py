"""The search for learning rates: the candidates of each network, and the reported one."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from made_reports import tables

from transferability.analysis import collect
from transferability.analysis.collect import search
from transferability.reports import findings
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config
from transferability.study.networks import parse_name

GRID = {"learning_rate": [0.01, 0.03], "copied_learning_rate": [0, 0.1, 1]}
STUDY = {
    **{"search": GRID, "layers": [0, 3, 7], "controls": ["baseB"]},
    "treatments": ["transfer", "partial"],
}
RATES = ["", "_lr0.01"]
BOTH = [f"{rate}{copied}" for rate in RATES for copied in ("", "_copied0", "_copied0.1")]


@pytest.fixture
def study():
    return config.complete(STUDY)


def test_each_control_and_treatment_is_tried_with_each_rate(study):
    trained = [name for *_, name in study.trained]
    expected = {"baseA": [""], "baseB": RATES, "A3B": RATES, "A7B": RATES}
    # Networks whose copied layers are trained; A7f7B is named A7B.
    expected |= {"A7f3B": BOTH, "A7B+": BOTH}
    assert sorted(trained) == sorted(
        f"{name}{rate}" for name in expected for rate in expected[name]
    )
    assert sorted(study.table_names) == sorted([*expected, "A7f0B", "A7f7B"])


def test_a_candidate_is_the_network_with_other_rates(study):
    recipes = {name: study.recipe_of("random0", 0, name) for *_, name in study.trained}
    other = recipes["A7f3B_lr0.01_copied0.1"]
    rates = {"learning_rate": 0.01, "copied_learning_rate": 0.1}
    assert other == {**recipes["A7f3B"], **rates}
    assert recipes["A7f3B_copied0"]["copied_learning_rate"] == 0
    candidate, plain = parse_name("A7f3B@20_lr1e-05_copied1e+16"), parse_name("A7f3B@20")
    assert candidate.plain_name == plain.name
    assert (candidate.base, candidate.frozen_layers) == (plain.base, plain.frozen_layers)
    assert (candidate.learning_rate, candidate.copied_learning_rate) == (1e-5, 1e16)


def test_a_candidate_that_fails_can_be_left_out(study):
    fewer = config.complete({**STUDY, "omit": [{"network": "A7B+_copied0.1"}]})
    assert {*study.trained} - {*fewer.trained} == {("random0", 0, "A7B+_copied0.1")}


@pytest.fixture
def networks(study, tmp_path):
    """Networks where A7f3B is best with the middle rate, and A3B with the lower one."""
    best = {"A7f3B_copied0.1": 0.9, "A3B_lr0.01": 0.9, "A7B+_lr0.01_copied0.1": 0.9}
    best["A7B+_copied0.1"] = 0.8
    for split, seed, name in study.trained:
        folder = NetworkFolder(tmp_path / "networks" / split / f"seed{seed}" / name)
        measured = {**dict.fromkeys(collect.MEASURED, 1), "learned": name != "baseA"}
        measured["validation_images"] = 41
        tops = {"top1": 0.7, "top1_selection": best.get(name, 0.5), "top1_reporting": 0.6}
        folder.write_metrics({**measured, **tops, "layer_names": ["conv1"] * 8, "identity": {}})
        folder.write_history([{"epoch": 1, "top1": 0.7, "network_trained": name}])
        # The first image of each half is right; in A7f3B_copied0.1 also the last.
        found = [0, 1, 1, 1 if name == "A7f3B_copied0.1" else 0]
        folder.write_predictions(np.array(found))
    return tmp_path / "networks"


def test_selection_and_reporting_use_different_halves(study, networks, caplog):
    candidates = search(study, networks)
    assert candidates.query("selected").set_index("network")["training"].to_dict() == {
        "baseA": "baseA",
        # If several are the best, the recipe's rate is selected.
        "baseB": "baseB",
        "A3B": "A3B_lr0.01",
        "A7B": "A7B",
        "A7f3B": "A7f3B_copied0.1",
        "A7B+": "A7B+_lr0.01_copied0.1",
    }
    table, evaluations = collect.collect(study, networks.parent, candidates)
    rows = table.set_index("network")
    assert rows.loc["A7f3B", [*GRID, "training"]].tolist() == [0.03, 0.1, "A7f3B_copied0.1"]
    assert rows.loc["A7f0B", [*GRID, "training"]].tolist() == [0.01, 0.1, "A7B+_lr0.01_copied0.1"]
    assert rows.loc["A3B", "learning_rate"] == 0.01
    assert pd.isna(rows.loc["A3B", "copied_learning_rate"])
    assert (rows["top1"] == 0.6).all()
    assert (rows["validation_images"] == 20).all()
    assert rows.loc["A3B", "base_learned"] == False  # noqa: E712
    assert pd.isna(rows.loc["baseB", "base_learned"])
    shown = dict(zip(evaluations["network"], evaluations["network_trained"], strict=True))
    assert shown["A3B"] == "A3B_lr0.01"


@pytest.mark.parametrize("searched", [GRID, None])
def test_classes_with_one_validation_image_are_an_error(networks, searched):
    study = config.complete({**STUDY, "search": searched})
    folder = NetworkFolder(networks / "random0" / "seed0" / "A7f3B")
    folder.write_metrics({**folder.read_metrics(), "top1_reporting": None})
    with pytest.raises(ValueError, match="A7f3B: each class has one validation image"):
        collect.collect(study, networks.parent, search(study, networks) if searched else None)


def test_a_rate_at_the_edge_of_the_grid_is_reported(study, networks, caplog):
    edges = search(study, networks).query("at_edge")["network"].tolist()
    # Both rates of a grid of two are edges; baseA had no search.
    assert edges == ["baseB", "A7B+", "A3B", "A7f3B", "A7B"]
    assert "for 5 of 6 networks the best learning rate is at an end" in caplog.text
    wide = {**STUDY, "search": {"copied_learning_rate": [0, 0.1, 1]}}
    caplog.clear()
    assert search(config.complete(wide), networks).query("at_edge").empty
    assert not caplog.text


def test_overrides_of_partial_networks_match_other_names():
    override = {"where": {"kind": "partial"}, "recipe": {"epochs": 5}}
    changed = config.complete({"treatments": ["partial", "selffer"], "overrides": [override]})
    epochs = {name: changed.recipe_of("random0", 0, name)["epochs"] for *_, name in changed.trained}
    shorter = {name for name, count in epochs.items() if count == 5}
    assert shorter == {"A7B+", "A7B", *(f"A7f{n}B" for n in range(1, 7))}
    # With its other name, A7f0B, A7B+ has n = 0.
    override = {**override, "where": {"n": [0, 1]}}
    others = config.complete({"treatments": ["partial", "selffer"], "overrides": [override]})
    assert others.recipe_of("random0", 0, "A7B+")["epochs"] == 10
    omitted = config.complete(
        {"treatments": ["partial", "transfer"], "omit": [{"kind": "partial"}]}
    )
    assert "A7B" in {name for *_, name in omitted.trained}


def test_findings_say_how_rates_were_chosen():
    networks, effects, boost = tables("four_splits")
    assert "best of a grid" not in findings.page(networks, effects, boost, 0.01)
    networks["at_edge"] = networks["network"] == "A3B"
    page = findings.page(networks, effects, boost, 0.01)
    assert "best of a grid, chosen on one half of the validation images" in page
    assert re.search(r"For 4 of \d+\Wnetworks they are at an end of the grid", page)


def test_selection_images_are_not_used_for_reporting(study, networks):
    candidates = search(study, networks)
    table, _ = collect.collect(study, networks.parent, candidates)
    labels, reported = np.array([0, 0, 1, 1]), np.array([True, False, False, True])
    correct = collect.correctness(networks, labels, reported)
    rows = table.set_index("network", drop=False)
    assert correct(rows.loc["A7f3B"]).tolist() == [1, 1]
    assert correct(rows.loc["baseB"]).tolist() == [1, 0]


def test_a_completed_study_with_a_search_is_valid(study):
    assert json.loads(json.dumps(study)) == study
    assert study["search"] == GRID
