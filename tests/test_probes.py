"""Probes: results of the command `probe-layers` for layers and for finished networks."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from laboratory import Run

from transferability.__main__ import main
from transferability.storage import checkpoint
from transferability.study import config, targets
from transferability.training import mechanism, probes

TRAINED = {0: ("baseA", "baseB", "A7B", "A3B+", "R3B", "A3B~"), 1: ("baseA", "baseB")}
STUDY = {
    "study": "probed",
    "dataset": {"source": "digits", "image_size": 8},
    "seeds": [0, 1],
    "layers": [3, 7],
    "treatments": ["transfer", "transfer+", "random", "reestimated"],
    "controls": ["baseB"],
    "omit": [
        {"network": ["A3B", "A7B+", "R7B", "A7B~"]},
        {"kind": ["transfer", "random", "reestimated"], "seed": 1},
    ],
    "keep_weights": "all",
    "probes": {"images": 5000},
    "architecture": {
        **{"name": "small", "channels": [8, 16, 16, 16, 16], "units": [32, 32]},
        "batch_norm": True,
    },
    "recipe": {"epochs": 12, "batch_size": 32, "precision": "fp32", "device": "cpu"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The folder of a study whose networks are trained and probed."""
    run = Run(tmp_path_factory.mktemp("run"))
    file = run.begin(STUDY)
    for seed, names in TRAINED.items():
        for name in names:
            run.train(file, name, "random0", seed)
    run.do("probe-layers", "--study", file, "--split", "random0", "--seed", 0)
    return file.parent


@pytest.fixture(scope="module")
def found(results) -> dict[str, pd.DataFrame]:
    """The rows that the command wrote."""
    text = (results / "networks" / "random0" / "seed0" / "probes.json").read_text("utf-8")
    return {name: pd.DataFrame(rows) for name, rows in json.loads(text).items()}


@pytest.fixture
def replicate(results) -> probes.Replicate:
    return probes.Replicate(config.complete(STUDY), "random0", 0, results, 5000)


def test_each_layer_of_both_bases_has_its_scores(found):
    table = found["probes"]
    counts = table.groupby(["source", "predictor"])["n"].agg(list)
    own = {score: [*range(1, 8)] for score in ("knn", "linear_probe", "logme")}
    assert counts["B"].to_dict() == own
    assert counts["A"].to_dict() == own | {"cka": [*range(1, 8)]}
    assert (table["seconds"] >= 0).all()
    assert table.loc[table["n"] == 7, "layer"].unique().tolist() == ["fc7"]
    value = table.set_index(["source", "predictor", "n"])["value"].sort_index()
    # A network separates its own classes best.
    assert value["B", "linear_probe", 7] > value["A", "linear_probe", 7] - 0.02
    assert value["B", "linear_probe", 7] > 0.9
    assert value["B", "logme", 7] > value["A", "logme", 7]
    assert value["A", "cka"].between(-0.2, 1).all()


def test_the_probe_of_the_last_cut_agrees_with_training_the_head(results, found):
    metrics = json.loads(
        (results / "networks/random0/seed0/A7B/metrics.json").read_text(encoding="utf-8")
    )
    table = found["probes"].set_index(["source", "predictor", "n"])["value"].sort_index()
    noise = 2 * np.sqrt(0.25 / metrics["validation_images"])
    assert table["A", "linear_probe", 7] == pytest.approx(metrics["top1"], abs=noise)


def test_features_are_means_over_positions_of_the_base_s_outputs(replicate, results):
    network, preprocess, (_, images) = replicate.before("A7B")
    of_layers = probes.features(network[:7], preprocess, images, 50)
    weights = checkpoint.load(results / "networks/random0/seed0/baseA/weights.safetensors")[0]
    first = {key.removeprefix("conv1."): t for key, t in weights.items() if "conv1." in key}
    network[0].load_state_dict(first)
    x = network[0](preprocess(images.images)).detach()
    assert of_layers[0].shape == (len(images), 8)
    np.testing.assert_allclose(of_layers[0], x.mean(dim=(2, 3)), atol=1e-5)
    assert of_layers[6].shape == (len(images), 32)


@pytest.mark.parametrize(
    ("shape", "over"), [((2, 5, 3, 3), (2, 3)), ((2, 4, 4, 6), (1, 2)), ((2, 7, 3), (1,))]
)
def test_positions_are_pixels_or_tokens(shape, over):
    outputs = torch.randn(shape)
    assert torch.equal(probes.over_positions(outputs), outputs.mean(dim=over))


def test_images_are_limited_and_the_same_for_all_networks(results):
    few = probes.Replicate(config.complete(STUDY), "random0", 0, results, 100)
    sets = [few.before(name)[2] for name in ("A7B", "B7B")]
    for mine, others in zip(*sets, strict=True):
        assert len(mine) == 100
        assert (mine.indices == others.indices).all()
        assert len(mine.labels.unique()) == 5


def changes(found: dict[str, pd.DataFrame], network: str) -> pd.Series:
    table = found["mechanism"]
    rows = table[(table["network"] == network) & (table["measure"] == "reinitialised")]
    return rows.set_index("layer")["top1_change"]


def test_the_finished_network_has_the_scores_of_its_training(results, found):
    for name in ("baseB", "A3B+"):
        metrics = json.loads((results / f"networks/random0/seed0/{name}/metrics.json").read_text())
        rows = found["mechanism"].query("network == @name and n == 0")
        assert rows["top1"].tolist() == pytest.approx([metrics["top1"]])
        assert rows["loss"].tolist() == pytest.approx([metrics["loss"]], rel=1e-4)


def test_resetting_untrained_layers_changes_nothing(found):
    random = changes(found, "R3B")
    assert random[["conv1", "conv2", "conv3"]].tolist() == [0, 0, 0]
    assert random["fc8"] < -0.1
    # Nor do frozen layers, whose statistics were computed on B before the training.
    assert changes(found, "A3B~")[["conv1", "conv2", "conv3"]].tolist() == [0, 0, 0]
    assert changes(found, "A7B")[:-2].tolist() == [0] * 8
    assert changes(found, "baseB")["conv2"] < -0.1
    # With all layers reset, accuracy is at chance, for five classes.
    every = found["mechanism"].query("layer == 'all'").set_index("network")
    for network in ("baseB", "R3B", "A7B"):
        assert every.loc[network, "top1"] == pytest.approx(0.2, abs=0.2)
        assert every.loc[network, "loss"] > 1


def test_there_is_a_barrier_between_two_bases(found, replicate):
    rows = found["mechanism"].query("measure == 'barrier'").set_index("network")
    assert rows.index.tolist() == ["baseA", "baseB"]
    assert (rows["other_seed"] == 1).all()
    assert rows.loc["baseB", "loss_change"] > 0.3
    weights = replicate.weights("baseB")
    halfway = mechanism.mixed(weights, weights, 0.5)
    assert all(torch.allclose(halfway[key], weights[key]) for key in weights)
    mixed = mechanism.mixed({"a": torch.zeros(2)}, {"a": torch.ones(2)}, 0.25)
    assert mixed["a"].tolist() == [0.25, 0.25]


def test_a_study_without_probes_is_an_error_with_advice(results, tmp_path, caplog):
    assert config.complete({"probes": {}})["probes"] == {"images": 5000}
    file = tmp_path / targets.STUDY
    for off in ({}, {"probes": None}, {"probes": yaml.safe_load("off")}):
        without = {key: STUDY[key] for key in STUDY if key != "probes"} | off
        file.write_text(yaml.safe_dump(dict(config.complete(without))))
        arguments = ["--study", str(file), "--split", "random0", "--seed", "0"]
        assert main(["probe-layers", *arguments]) == 1
        assert "add `probes: {images: 5000}`" in caplog.text
        caplog.clear()
