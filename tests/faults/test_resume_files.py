"""Resume files that are damaged, or of another training: said in a line and never used."""

import json
import logging

import pytest
from laboratory import same
from test_resuming import Killed, kill_after_saving

from transferability.__main__ import main
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder

RECIPE = {"epochs": 2}


@pytest.fixture
def left(laboratory, tmp_path, monkeypatch) -> NetworkFolder:
    """What a training leaves that was killed after its first epoch."""
    with monkeypatch.context() as patch:
        kill_after_saving(patch, 20)
        with pytest.raises(Killed):
            main(laboratory.command("baseB", tmp_path / "baseB", **RECIPE))
    return NetworkFolder(tmp_path / "baseB")


@pytest.fixture(scope="module")
def uninterrupted(laboratory, tmp_path_factory) -> NetworkFolder:
    folder = NetworkFolder(tmp_path_factory.mktemp("uninterrupted"))
    assert main(laboratory.command("baseB", folder.path, **RECIPE)) == 0
    return folder


def test_a_whole_one_of_the_same_training_is_gone_on_with(laboratory, left, uninterrupted, caplog):
    with caplog.at_level(logging.WARNING):
        assert main(laboratory.command("baseB", left.path, **RECIPE)) == 0
    assert not caplog.records
    metrics = json.loads(left.metrics.read_text(encoding="utf-8"))
    assert metrics["resumed_at_iterations"] == [20]
    weights, expected = (checkpoint.load(f.weights) for f in (left, uninterrupted))
    assert same(weights[0], expected[0])
    assert weights[1:] == expected[1:]


def of_other_code(left: NetworkFolder) -> None:
    tensors, header, _ = checkpoint.load(left.resume)
    left.save_resume(tensors, {**header["identity"], "code": "0" * 16}, header["state"])


def truncated(left: NetworkFolder) -> None:
    content = left.resume.read_bytes()
    left.resume.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("change", "reason"), [(of_other_code, "of another code"), (truncated, "cannot be read")]
)
def test_one_that_cannot_be_used(laboratory, left, uninterrupted, caplog, change, reason):
    change(left)
    with caplog.at_level(logging.WARNING):
        assert main(laboratory.command("baseB", left.path, **RECIPE)) == 0
    assert json.loads(left.metrics.read_text(encoding="utf-8"))["resumed_at_iterations"] == []
    assert not left.resume.exists()
    (record,) = caplog.records
    for words in (str(left.resume), reason, "training starts from the beginning"):
        assert words in record.getMessage()
    assert same(*(checkpoint.load(folder.weights)[0] for folder in (left, uninterrupted)))
