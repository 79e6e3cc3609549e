"""Studies with another dataset or pretrained weights as the source, instead of half A."""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from laboratory import Run, same
from project import TINY, Project
from torch import nn

from transferability.models import small
from transferability.records import verify
from transferability.study import config, targets

STUDY = {
    "study": "here",
    "dataset": {"source": "digits", "image_size": 12},
    "sources": {
        "T": {
            "dataset": {
                **{"source": "glyphs", "classes": 4, "images_per_class": 12},
                **{"validation_images_per_class": 4, "image_size": 12},
            }
        }
    },
    "layers": [3],
    "treatments": ["transfer", "transfer+", "shuffled", "shuffled+", "reestimated", "partial"],
    "controls": ["baseB"],
    "architecture": {
        **{"name": "small", "channels": [4, 4, 4, 4, 4], "units": [8, 8], "batch_norm": True}
    },
    "recipe": {"epochs": 1, "batch_size": 16, "normalise": "channels", "precision": "fp32"},
    "keep_weights": "all",
}


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def here(laboratory) -> Path:
    file = laboratory.begin(STUDY)
    laboratory.train(file, "baseT")
    return file


def layers(weights: dict[str, torch.Tensor], *names: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in weights.items() if key.partition(".")[0] in names}


COPIED, NEW = ("conv1", "conv2", "conv3"), ("conv4", "conv5", "fc6", "fc7", "fc8")


def test_an_exported_source_given_back_as_weights_gives_the_same_bits(laboratory, here, tmp_path):
    """Also with another letter: it affects only the weights of a network's base."""
    base = here.parent / "networks" / "whole" / "seed0" / "baseT"
    laboratory.do("export", base, "--to", tmp_path / "glyphs.safetensors")
    sources = {"P": {"weights": str(tmp_path / "glyphs.safetensors")}}
    again = laboratory.begin({**STUDY, "study": "again", "sources": sources})
    laboratory.do("import-source", "--study", again, "--source", "P")
    for kind in ("3B", "3B+"):
        metrics = laboratory.train(here, f"T{kind}"), laboratory.train(again, f"P{kind}")
        assert metrics[0]["predictions_sha256"] == metrics[1]["predictions_sha256"]
        assert same(laboratory.weights(here, f"T{kind}"), laboratory.weights(again, f"P{kind}"))


def test_frozen_layers_equal_the_source_and_others_are_trained(laboratory, here):
    base, network = laboratory.weights(here, "baseT"), laboratory.weights(here, "T3B")
    assert same(layers(network, *COPIED), layers(base, *COPIED))
    learned = layers(network, *NEW)
    assert not any(
        torch.equal(base[key], value) for key, value in learned.items() if key.endswith("weight")
    )


def test_shuffled_layers_have_the_source_s_values_at_other_places(laboratory, here):
    base, network = laboratory.weights(here, "baseT"), laboratory.weights(here, "sT3B")
    for key, value in layers(network, *COPIED).items():
        assert torch.equal(value.flatten().sort().values, base[key].flatten().sort().values)
        if value.numel() > 16:
            assert not torch.equal(value, base[key])


def test_fine_tuned_shuffled_layers_start_from_the_same_permutation(laboratory, here):
    """With a learning rate of almost zero they keep their initial values."""
    study = {**STUDY, "study": "still", "recipe": {**STUDY["recipe"], "learning_rate": 1e-12}}
    study["sources"] = {"T": {**STUDY["sources"]["T"], "recipe": {"learning_rate": 0.03}}}
    still = laboratory.begin(study)
    laboratory.train(still, "baseT")
    frozen, learned = laboratory.weights(here, "sT3B"), laboratory.weights(still, "sT3B+")
    for key, value in layers(learned, *COPIED).items():
        if key.endswith("weight"):
            assert torch.allclose(value, frozen[key], atol=1e-6)


def test_reestimation_changes_only_the_statistics(laboratory, here):
    frozen, network = (laboratory.weights(here, name) for name in ("T3B", "T3B~"))
    for key, value in layers(network, *COPIED).items():
        changed = "running_" in key or "num_batches" in key
        assert torch.equal(value, frozen[key]) != changed, key


def test_a_partly_frozen_network_copies_all_except_the_head(laboratory, here):
    base, network = laboratory.weights(here, "baseT"), laboratory.weights(here, "T7f3B")
    assert same(layers(network, *COPIED), layers(base, *COPIED))
    moved = (network["conv4.0.weight"] - base["conv4.0.weight"]).abs().max()
    fresh = (laboratory.weights(here, "T3B")["conv4.0.weight"] - base["conv4.0.weight"]).abs().max()
    # It starts from the source's values; T3B starts from new ones.
    assert 0 < moved < fresh


def test_all_networks_of_the_study_are_normalised_by_the_source_s_images(laboratory, here):
    digests = set()
    for name in ("baseT", "baseB", "T3B"):
        identity = laboratory.train(here, name)["identity"]
        digests.add(identity["source_images_sha256"])
    assert len(digests) == 1
    assert None not in digests


def test_the_source_learns_all_classes_of_its_own_dataset(laboratory, here):
    found = laboratory.train(here, "baseT")
    assert (found["classes"], found["train_images"]) == (4, 48)
    predictions = np.load(here.parent / "networks/whole/seed0/baseT/predictions.npy")
    assert set(predictions) <= set(range(4))
    assert laboratory.train(here, "baseB")["classes"] == 10


def test_a_study_with_sources_is_verified_and_changes_found(laboratory, here, tmp_path):
    base = here.parent / "networks" / "whole" / "seed0" / "baseT"
    laboratory.do("export", base, "--to", tmp_path / "glyphs.safetensors")
    sources = {"P": {"weights": str(tmp_path / "glyphs.safetensors")}}
    study = laboratory.begin({**STUDY, "study": "verified", "sources": sources})
    laboratory.do("import-source", "--study", study, "--source", "P")
    laboratory.train(study, "P3B")
    for file in (here, study):
        assert [v.faults for v in verify.verify(file.parent) if v.faults] == []
    imported = study.parent / "sources" / "P" / "metrics.json"
    metrics = json.loads(imported.read_text())
    imported.write_text(json.dumps({**metrics, "weights_sha256": "another"}))
    verdicts = {v.name: v.faults for v in verify.verify(study.parent) if v.faults}
    assert {*verdicts} == {"sources/P", "whole/seed0/P3B"}
    for (fault,) in verdicts.values():
        assert "sources/P/weights.safetensors" in fault


PRETRAINED = {
    **{key: TINY[key] for key in ("dataset", "architecture")},
    "study": "tiny",
    "sources": {"P": {"weights": "pretrained.pt", "image_size": 8, "mean": [0.5] * 3}},
    "layers": [0, 3, 7],
    "treatments": ["transfer", "shuffled", "partial"],
    "controls": ["baseB"],
    "seeds": [0, 1],
    "recipe": {"epochs": 1, "batch_size": 128},
}
PRETRAINED["sources"]["P"]["std"] = [0.25] * 3


def write_weights(file: Path, seed: int) -> None:
    """Weights of the tiny study's architecture for 5 classes, as another program saves them."""
    torch.manual_seed(seed)
    settings = config.complete({"architecture": TINY["architecture"]})["architecture"]
    layers = nn.Sequential(OrderedDict(small.build(settings, 8, 5)))
    torch.save({"state_dict": {f"module.{k}": v for k, v in layers.state_dict().items()}}, file)


@pytest.mark.full
def test_other_pretrained_weights_train_the_copies_again(tmp_path):
    project = Project.copied(tmp_path / "project")
    (project.folder / "study.yaml").write_text(yaml.safe_dump(PRETRAINED))
    write_weights(project.folder / "pretrained.pt", 0)
    project.succeed()
    for file in targets.files(config.complete(PRETRAINED)):
        assert (project.results / file).is_file(), file
    assert "Nothing to be done" in project.succeed("-n")
    done = project.results / "networks" / "whole"
    names = {"baseB", "P3B", "sP3B", "P7f3B", "P7B", "P7B+", "sP7B"}
    assert {path.name for path in done.glob("seed0/*")} == names
    before = {path.parent: path.read_bytes() for path in done.glob("*/*/metrics.json")}
    write_weights(project.folder / "pretrained.pt", 1)
    project.succeed()
    changed = {
        path for path, text in before.items() if (path / "metrics.json").read_bytes() != text
    }
    assert {path.name for path in changed} == names - {"baseB"}
