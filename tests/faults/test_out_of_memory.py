"""Not enough memory: on a device, fewer images at once and the same batch; else a clear end."""

import importlib
import json
import logging
import resource
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from laboratory import same, written
from project import ROOT

from transferability.__main__ import main
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder
from transferability.training import trainer
from transferability.training.trainer import TrainingError

# Its second layer says that the device's memory is full when it gets more images than there is room
# for, as torch says it; with batch normalisation and dropout, which must not notice.
MODULE = """
import torch
from torch import nn

room = {"training": 1000, "evaluation": 1000, "calls": 0, "once": None}


class Second(nn.Sequential):
    def forward(self, images):
        room["calls"] += 1
        if len(images) > room["training" if self[0].training else "evaluation"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        if room["calls"] == room["once"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
        return super().forward(images)


def build(image_size, classes):
    first = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()]
    second = [nn.Linear(8 * (image_size - 2) ** 2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout()]
    return [
        ("first", nn.Sequential(*first)),
        ("second", Second(*second)),
        ("third", nn.Linear(16, classes)),
    ]
"""
OWN = {"name": "custom", "build": "crowded:build", "arguments": {}}


@pytest.fixture
def crowded(tmp_path, monkeypatch) -> ModuleType:
    """The user's module, with room for everything."""
    (tmp_path / "crowded.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "crowded", raising=False)
    return importlib.import_module("crowded")


def train(laboratory, folder, name="baseB", base=None, **recipe) -> NetworkFolder:
    folder = NetworkFolder(folder)
    words = laboratory.command(name, folder.path, base, architecture=OWN, **recipe)
    assert main(words) == 0
    return folder


def results(folder: NetworkFolder) -> tuple:
    metrics = folder.read_metrics()
    lines = [{k: v for k, v in line.items() if k != "seconds"} for line in folder.read_history()]
    return metrics["micro_batch"], lines, np.load(folder.predictions).tolist()


@pytest.mark.parametrize(
    ("room", "micro_batch", "becomes"),
    [
        ({"training": 16}, None, 16),
        ({"training": 9}, None, 8),
        ({"training": 2}, 8, 2),
        # The first of two parts has changed the statistics when the second one fails.
        ({"once": 2}, 16, 8),
    ],
)
def test_what_does_not_fit_goes_through_in_parts_as_if_it_always_had(
    laboratory, crowded, tmp_path, caplog, room, micro_batch, becomes
):
    crowded.room.update(room)
    with caplog.at_level(logging.WARNING):
        found = train(laboratory, tmp_path / "crowded", micro_batch=micro_batch)
    crowded.room.update(training=1000, once=None)
    expected = train(laboratory, tmp_path / "roomy", micro_batch=becomes)
    assert results(found) == results(expected)
    assert results(found)[0] == becomes
    assert same(*(checkpoint.load(folder.weights)[0] for folder in (found, expected)))
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert f"iteration 1 on, {becomes} images at once" in said[-1]
    assert "recipe.batch_size = 32" in said[-1]


def test_an_evaluation_that_does_not_fit_finds_the_same(laboratory, crowded, tmp_path):
    expected = train(laboratory, tmp_path / "roomy", epochs=1)
    crowded.room.update(evaluation=9)
    found = train(laboratory, tmp_path / "crowded", epochs=1)
    assert results(found)[0] == 8
    assert np.array_equal(*(np.load(folder.predictions) for folder in (found, expected)))
    assert same(*(checkpoint.load(folder.weights)[0] for folder in (found, expected)))


def test_features_of_frozen_layers_are_computed_in_parts(laboratory, crowded, tmp_path):
    base = train(laboratory, tmp_path / "baseA", "baseA").weights
    crowded.room.update(evaluation=8)
    found = train(laboratory, tmp_path / "crowded", "A2B", base)
    crowded.room.update(evaluation=1000)
    expected = train(laboratory, tmp_path / "roomy", "A2B", base, micro_batch=8)
    assert results(found) == results(expected)


def test_a_resumed_training_goes_on_with_as_many(laboratory, crowded, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    save = NetworkFolder.save_resume

    def save_and_die(self, tensors, identity, state):
        save(self, tensors, identity, state)
        raise Killed

    crowded.room.update(training=8)
    with monkeypatch.context() as patch:
        patch.setattr(NetworkFolder, "save_resume", save_and_die)
        with pytest.raises(Killed):
            train(laboratory, tmp_path / "killed")
    crowded.room.update(training=1000)
    found = train(laboratory, tmp_path / "killed")
    expected = train(laboratory, tmp_path / "roomy", micro_batch=8)
    assert results(found) == results(expected)
    assert found.read_metrics()["resumed_at_iterations"] == [20]


def test_where_not_one_image_fits_the_training_ends(laboratory, crowded, tmp_path, caplog):
    crowded.room.update(training=0)
    words = laboratory.command("baseB", tmp_path / "baseB", architecture=OWN)
    with caplog.at_level(logging.ERROR):
        assert main(words) == 1
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    for told in ("baseB (random0, seed 0)", "one image at a time", "image_size", "2.00 GiB"):
        assert told in record.getMessage()
    assert written(tmp_path / "baseB") == []


def test_on_a_processor_the_measured_peak_and_the_key_are_named(laboratory, tmp_path):
    """The system gives so much address space and no more; a layer of 10 GB asks for it."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))

    words = laboratory.command("baseB", tmp_path / "baseB", architecture={"units": [50_000] * 2})
    run = subprocess.run(
        [sys.executable, "-m", "transferability", *words],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    for told in ("TrainingError: baseB (random0, seed 0)", "recipe.micro_batch below 32"):
        assert told in run.stderr
    peak = int(run.stderr.partition("this job used ")[2].partition(" bytes")[0].replace(",", ""))
    assert 50 * 2**20 < peak < 8 * 2**30
    assert written(tmp_path / "baseB") == []


def test_so_it_is_where_numpy_asks_for_it(laboratory):
    with (
        pytest.raises(TrainingError, match=r"this job used [\d,]+ bytes.*recipe\.micro_batch"),
        trainer.explained(laboratory.task("baseB")),
    ):
        np.zeros(2**50)


def test_other_errors_stay_as_they_are(laboratory):
    with (
        pytest.raises(RuntimeError, match="shapes"),
        trainer.explained(laboratory.task("B0B")),
    ):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_what_became_of_the_micro_batch_is_in_the_metrics(laboratory, tmp_path):
    assert main(laboratory.command("baseB", tmp_path, epochs=1, micro_batch=12)) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["micro_batch"] == 12
