"""The folder of a network, and what an interrupted training leaves there."""

import logging

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


@pytest.mark.parametrize("with_weights", [True, False])
def test_what_is_finished_is_put_back(folder, with_weights):
    folder.write_history([{"epoch": 1, "top1": 0.1}])
    folder.write_predictions(np.array([1, 0]))
    files = [folder.history, folder.predictions]
    if with_weights:
        folder.write_weights({"weight": torch.arange(3.0)}, IDENTITY)
        files.append(folder.weights)
    before = [file.read_bytes() for file in files]
    metrics = {"top1": 0.5, "identity": IDENTITY}
    folder.write_metrics(metrics)
    folder.keep_finished(metrics)
    assert folder.load_finished({**IDENTITY, "code": "other"}, with_weights=False) is None
    if not with_weights:
        assert folder.load_finished(IDENTITY, with_weights=True) is None
    # As Snakemake does.
    for file in (*files, folder.metrics):
        file.unlink()
    assert folder.load_finished(IDENTITY, with_weights)["top1"] == 0.5
    assert [file.read_bytes() for file in files] == before
    # It is written last, by who asked for it.
    assert not folder.metrics.exists()


def test_what_is_finished_is_nothing_to_go_on_with(left, caplog):
    left.write_history([{"epoch": 1, "top1": 0.1}])
    left.write_predictions(np.array([1, 0]))
    left.keep_finished({"identity": IDENTITY})
    with caplog.at_level(logging.WARNING):
        assert left.load_resume({**IDENTITY, "code": "other"}) is None
    assert not caplog.records
    assert left.resume.exists()


def test_what_is_finished_is_forgotten_and_no_other(tmp_path):
    other = NetworkFolder(tmp_path / "networks" / "random0" / "seed0" / "B3B")
    other.save_resume(TENSORS, IDENTITY, STATE)
    network_folder.forget_finished(tmp_path / "networks")
    assert other.resume.exists()
    other.write_metrics({})
    network_folder.forget_finished(tmp_path / "networks")
    assert not other.resume.exists()


@pytest.mark.parametrize("write", ["history", "predictions", "weights", "metrics", "resume"])
def test_nothing_is_written_where_it_must_not_be(folder, write):
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
