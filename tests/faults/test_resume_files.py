"""Resume files that are damaged, or of another training: said in a line and never used."""

import json
import logging

import pytest
from laboratory import Laboratory, same

from transferability.__main__ import main
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder

RECIPE = {"epochs": 2}


class Killed(BaseException):
    """As a kill would, it ends the training wherever it is."""


@pytest.fixture
def left(laboratory, tmp_path, monkeypatch) -> NetworkFolder:
    """What a training leaves that was killed after its first epoch."""
    save = NetworkFolder.save_resume

    def save_and_die(self, tensors, identity, state):
        save(self, tensors, identity, state)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(NetworkFolder, "save_resume", save_and_die)
        with pytest.raises(Killed):
            main(laboratory.command("baseB", tmp_path / "baseB", **RECIPE))
    return NetworkFolder(tmp_path / "baseB")


@pytest.fixture(scope="module")
def uninterrupted(laboratory, tmp_path_factory) -> NetworkFolder:
    folder = NetworkFolder(tmp_path_factory.mktemp("uninterrupted"))
    assert main(laboratory.command("baseB", folder.path, **RECIPE)) == 0
    return folder


def trained_anew(laboratory: Laboratory, left: NetworkFolder, caplog) -> str:
    """What is said when the same command runs again, and nothing of the resume file is used."""
    with caplog.at_level(logging.WARNING):
        assert main(laboratory.command("baseB", left.path, **RECIPE)) == 0
    assert json.loads(left.metrics.read_text(encoding="utf-8"))["resumed_at_iterations"] == []
    assert not left.resume.exists()
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "training starts from the beginning" in record.getMessage()
    return record.getMessage()


def test_a_whole_one_of_the_same_training_is_gone_on_with(laboratory, left, uninterrupted, caplog):
    with caplog.at_level(logging.WARNING):
        assert main(laboratory.command("baseB", left.path, **RECIPE)) == 0
    assert not caplog.records
    metrics = json.loads(left.metrics.read_text(encoding="utf-8"))
    assert metrics["resumed_at_iterations"] == [20]
    weights, expected = (checkpoint.load(f.weights) for f in (left, uninterrupted))
    assert same(weights[0], expected[0])
    assert weights[1:] == expected[1:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        # A bit of the header, and one of the tensors.
        lambda content: content[:9] + bytes([content[9] ^ 0x10]) + content[10:],
        lambda content: content[:-9] + bytes([content[-9] ^ 0x10]) + content[-8:],
    ],
    ids=["empty", "truncated", "header", "tensors"],
)
def test_a_damaged_one(laboratory, left, uninterrupted, caplog, damage):
    left.resume.write_bytes(damage(left.resume.read_bytes()))
    assert str(left.resume) in trained_anew(laboratory, left, caplog)
    assert same(*(checkpoint.load(folder.weights)[0] for folder in (left, uninterrupted)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recipe", {"epochs": 3}),
        ("images_sha256", "0" * 64),
        ("base_sha256", "0" * 64),
        ("code", "0" * 16),
        ("precision", "bf16"),
    ],
)
def test_one_of_another_training(laboratory, left, caplog, key, value):
    tensors, header, _ = checkpoint.load(left.resume)
    left.save_resume(tensors, {**header["identity"], key: value}, header["state"])
    assert f"it is of another {key};" in trained_anew(laboratory, left, caplog)
