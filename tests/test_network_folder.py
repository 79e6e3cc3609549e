"""The folder of a network, and the files of an interrupted training there."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from transferability.storage import network_folder
from transferability.storage.network_folder import NetworkFolder, read_history

TENSORS = {"network.conv1.0.weight": torch.arange(6.0).reshape(2, 3)}
IDENTITY = {"network": "A3B", "recipe": {"augment": ("crop",), "epochs": 3}, "code": "c0de"}
STATE = {"epoch": 2, "history": [{"top1": 0.5}]}


@pytest.fixture
def folder(tmp_path) -> NetworkFolder:
    return NetworkFolder(tmp_path / "A3B")


@pytest.fixture
def left(folder) -> NetworkFolder:
    """A folder in which a training was interrupted."""
    folder.save_resume(TENSORS, IDENTITY, STATE)
    return folder


def test_written_files_are_read_back(folder):
    history = [{"epoch": 2, "top1": 0.1}, {"epoch": 4, "top1": 0.2}]
    folder.write_history(history)
    assert read_history(folder.history) == history
    assert len(folder.history.read_text().splitlines()) == 2
    folder.write_predictions(np.array([3, -1, 0], dtype=np.int64))
    predictions = np.load(folder.predictions)
    assert predictions.dtype == np.int32
    assert predictions.tolist() == [3, -1, 0]


def test_a_training_that_never_began_leaves_nothing(folder):
    assert folder.load_resume(IDENTITY) is None
    folder.remove_resume()


def test_temporary_files_are_deleted_with_the_resume_file(left):
    (left.path / f".resume.{'0' * 32}.safetensors").write_bytes(b"half of it")
    left.remove_resume()
    assert list(left.path.iterdir()) == []


def test_a_training_with_the_same_identity_continues(left):
    tensors, state = left.load_resume(IDENTITY)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert state == STATE


def fill(folder: NetworkFolder, with_weights: bool) -> list[Path]:
    """Write the files of a finished training; return them, the metrics last."""
    folder.write_history([{"epoch": 1, "top1": 0.1}])
    folder.write_predictions(np.array([1, 0]))
    if with_weights:
        folder.write_weights({"weight": torch.arange(3.0)}, IDENTITY)
    measured = dict.fromkeys([*network_folder.MEASURED, "layer_names"], 0.5)
    folder.write_metrics({**measured, "identity": IDENTITY})
    weights = [folder.weights] * with_weights
    return [folder.history, folder.predictions, *weights, folder.metrics]


@pytest.mark.parametrize("with_weights", [True, False])
def test_finished_results_are_restored(left, with_weights):
    *files, metrics = fill(left, with_weights)
    before = [file.read_bytes() for file in files]
    left.keep_finished()
    assert not left.resume.exists()
    assert left.load_finished({**IDENTITY, "code": "other"}, with_weights=False) is None
    if not with_weights:
        assert left.load_finished(IDENTITY, with_weights=True) is None
    # Snakemake does this.
    for file in (*files, metrics):
        file.unlink()
    assert left.load_finished(IDENTITY, with_weights)["top1"] == 0.5
    assert [file.read_bytes() for file in files] == before
    # The caller writes it, last.
    assert not metrics.exists()


@pytest.mark.parametrize("has_links", [True, False])
def test_kept_results_are_hard_links_where_possible(folder, monkeypatch, has_links):
    files = fill(folder, with_weights=True)
    if not has_links:
        monkeypatch.setattr(os, "link", refused)
    folder.keep_finished()
    for file in files:
        kept = folder.finished / file.name
        assert file.samefile(kept) == has_links
        assert kept.read_bytes() == file.read_bytes()


def test_only_finished_results_are_forgotten(tmp_path):
    networks = tmp_path / "networks"
    done, other = (NetworkFolder(networks / "random0" / "seed0" / name) for name in ("B0B", "B3B"))
    other.save_resume(TENSORS, IDENTITY, STATE)
    files = fill(done, with_weights=True)
    done.keep_finished()
    network_folder.forget_finished(networks)
    assert sorted(done.path.iterdir()) == sorted(files)
    assert other.resume.exists()


@pytest.mark.parametrize("write", ["history", "predictions", "weights", "metrics", "resume"])
def test_nothing_is_written_if_the_check_fails(folder, write):
    folder = NetworkFolder(folder.path, check=refused)
    with pytest.raises(OSError, match="not here"):
        {
            "history": lambda: folder.write_history([]),
            "predictions": lambda: folder.write_predictions(np.array([1])),
            "weights": lambda: folder.write_weights(TENSORS, IDENTITY),
            "metrics": lambda: folder.write_metrics({}),
            "resume": lambda: folder.save_resume(TENSORS, IDENTITY, STATE),
        }[write]()
    assert list(folder.path.iterdir()) == []


def refused(*_: object) -> None:
    raise OSError("not here")


@pytest.mark.parametrize(
    ("changes", "damage", "reason"),
    [
        ({"code": "other"}, None, "another code"),
        ({"recipe": {"augment": [], "epochs": 3}}, None, "another recipe"),
        ({"network": "B3B", "code": "other"}, None, "another network, code"),
        ({}, lambda content: content[:-4], "cannot be read"),
        ({}, lambda content: b"", "cannot be read"),
        ({}, lambda content: content[:-1] + b"\x7f", "checksum does not match"),
    ],
)
def test_damaged_or_foreign_resume_files_are_not_used(left, caplog, changes, damage, reason):
    if damage:
        left.resume.write_bytes(damage(left.resume.read_bytes()))
    with caplog.at_level(logging.WARNING, logger="transferability"):
        assert left.load_resume({**IDENTITY, **changes}) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    for words in (reason, str(left.resume), "starts from the beginning"):
        assert words in caplog.text
