"""The folder of a network, and what an interrupted training leaves there."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from transferability.storage import checkpoint, network_folder
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


def test_what_is_written_is_read(folder):
    history = [{"epoch": 2, "top1": 0.1}, {"epoch": 4, "top1": 0.2}]
    folder.write_history(history)
    assert read_history(folder.history) == history
    assert len(folder.history.read_text().splitlines()) == 2
    folder.write_predictions(np.array([3, -1, 0], dtype=np.int64))
    predictions = np.load(folder.predictions)
    assert predictions.dtype == np.int32
    assert predictions.tolist() == [3, -1, 0]


def test_a_training_that_was_never_begun_leaves_nothing(folder):
    assert folder.load_resume(IDENTITY) is None
    folder.remove_resume()


def test_what_a_killed_writer_left_goes_with_the_resume_file(left):
    (left.path / f".resume.{'0' * 32}.safetensors").write_bytes(b"half of it")
    (left.path / "resume.set-aside0.safetensors").write_bytes(b"kept")
    left.remove_resume()
    assert [file.name for file in left.path.iterdir()] == ["resume.set-aside0.safetensors"]


def test_a_training_of_the_same_identity_goes_on(left):
    tensors, state = left.load_resume(IDENTITY)
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert state == STATE
    assert left.resume.exists()
    left.remove_resume()
    assert left.load_resume(IDENTITY) is None
    assert list(left.path.iterdir()) == []


@pytest.mark.parametrize("linked", [True, False])
def test_what_is_finished_is_put_back(folder, monkeypatch, linked):
    if not linked:
        # As where a file can have one name alone.
        monkeypatch.setattr(network_folder.os, "link", refused)
    folder.write_history([{"epoch": 1}])
    folder.write_predictions(np.array([1, 0]))
    folder.write_metrics({"top1": 0.5, "identity": IDENTITY})
    folder.keep_finished()
    assert folder.load_finished({**IDENTITY, "code": "other"}, with_weights=False) is None
    assert folder.load_finished(IDENTITY, with_weights=True) is None
    # As Snakemake does.
    for file in (folder.history, folder.predictions, folder.metrics):
        file.unlink()
    assert folder.load_finished(IDENTITY, with_weights=False)["top1"] == 0.5
    assert read_history(folder.history) == [{"epoch": 1}]
    assert np.load(folder.predictions).tolist() == [1, 0]
    # It is written last, by who asked for it.
    assert not folder.metrics.exists()


@pytest.mark.parametrize("write", ["history", "predictions", "weights", "metrics", "resume"])
def test_nothing_is_written_where_it_must_not_be(folder, write):
    folder = replace(folder, check=refused)
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
    ("changes", "reason"),
    [
        ({"code": "other"}, "another code"),
        ({"recipe": {"augment": [], "epochs": 3}}, "another recipe"),
        ({"network": "B3B", "code": "other"}, "another network, code"),
    ],
)
def test_what_is_of_another_identity_is_set_aside_with_the_reason(left, caplog, changes, reason):
    content = left.resume.read_bytes()
    with caplog.at_level(logging.WARNING):
        assert left.load_resume({**IDENTITY, **changes}) is None
    assert not left.resume.exists()
    assert [file.read_bytes() for file in left.path.iterdir()] == [content]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert reason in caplog.text
    assert str(left.resume) in caplog.text
    assert "starts from the beginning" in caplog.text
    assert left.load_resume(IDENTITY) is None


@pytest.mark.parametrize("damage", [lambda b: b[:-4], lambda b: b"", lambda b: b[:-1] + b"\x7f"])
def test_what_is_damaged_is_set_aside_with_the_reason(left, caplog, damage):
    content = damage(left.resume.read_bytes())
    left.resume.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert left.load_resume(IDENTITY) is None
    assert not left.resume.exists()
    assert [file.read_bytes() for file in left.path.iterdir()] == [content]
    assert str(left.resume) in caplog.text
    assert "starts from the beginning" in caplog.text


def test_what_is_set_aside_is_never_deleted(left):
    left.load_resume({**IDENTITY, "code": "other"})
    left.save_resume(TENSORS, {**IDENTITY, "code": "other"}, STATE)
    left.load_resume(IDENTITY)
    assert len(list(left.path.iterdir())) == 2


def test_tensors_of_another_kind_are_set_aside(folder):
    checkpoint.save(folder.resume, TENSORS, IDENTITY)
    assert folder.load_resume(IDENTITY) is None
