"""Not enough memory: the training ends; its error has the size and the key to lower."""

import importlib
import resource
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from laboratory import identical, written
from project import program

from transferability.training import trainer
from transferability.training.trainer import TrainingError

# Its second layer raises torch's error for a full device if it gets more images than fit; it has
# batch normalisation and dropout.
MODULE = """
import torch
from torch import nn

room = {"training": 1000, "evaluation": 1000}


class Second(nn.Sequential):
    def forward(self, images):
        if len(images) > room["training" if self[0].training else "evaluation"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
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
IN_EIGHTS = {"architecture": OWN, "recipe": {"micro_batch": 8}}


@pytest.fixture
def crowded(tmp_path, monkeypatch) -> ModuleType:
    """The user's module, with space for everything."""
    (tmp_path / "crowded.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "crowded", raising=False)
    return importlib.import_module("crowded")


@pytest.mark.parametrize("full_in", ["training", "evaluation"])
@pytest.mark.parametrize(("micro_batch", "tried"), [(None, 32), (12, 12)])
def test_a_full_device_is_an_error_with_the_size_and_the_key(
    laboratory, crowded, tmp_path, failure, full_in, micro_batch, tried
):
    crowded.room[full_in] = 8
    folder = tmp_path / "baseB"
    words = laboratory.command("baseB", folder, architecture=OWN, micro_batch=micro_batch)
    found = failure(*words)
    for word in (
        *("baseB (random0, seed 0)", f"{tried} images at once", "image_size", "2.00 GiB"),
        f"recipe.micro_batch below {tried}",
    ):
        assert word in found
    assert written(folder) == []


def test_a_micro_batch_that_fits_is_enough(laboratory, crowded, tmp_path):
    crowded.room.update(training=8, evaluation=8)
    found = laboratory.train("baseB", tmp_path / "crowded", **IN_EIGHTS)
    crowded.room.update(training=1000, evaluation=1000)
    identical(found, laboratory.train("baseB", tmp_path / "roomy", **IN_EIGHTS))


def test_features_of_frozen_layers_are_computed_in_micro_batches(laboratory, crowded, tmp_path):
    base = laboratory.train("baseA", tmp_path / "baseA", architecture=OWN)
    crowded.room.update(training=8, evaluation=8)
    trained = laboratory.train("A2B", tmp_path / "crowded", base, **IN_EIGHTS)
    assert trained.metrics["micro_batch"] == 8


def test_no_smaller_micro_batch_is_proposed_if_not_one_image_fits(
    laboratory, crowded, tmp_path, failure
):
    crowded.room["training"] = 0
    words = laboratory.command("baseB", tmp_path / "baseB", architecture=OWN, micro_batch=1)
    found = failure(*words)
    assert "micro_batch" not in found
    assert "image_size" in found


@pytest.mark.full
def test_on_a_processor_the_key_is_named(laboratory, tmp_path):
    """The address space is limited; a layer of 10 GB asks for more."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))

    words = laboratory.command("baseB", tmp_path / "baseB", architecture={"units": [50_000] * 2})
    run = program(*words, preexec_fn=limit)
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    for word in ("TrainingError: baseB (random0, seed 0)", "recipe.micro_batch below 32"):
        assert word in run.stderr
    assert written(tmp_path / "baseB") == []


@pytest.mark.parametrize(
    ("fail", "error", "words"),
    [
        (lambda: np.zeros(2**50), TrainingError, r"recipe\.micro_batch"),
        (lambda: torch.zeros(1, 2) @ torch.zeros(1, 2), RuntimeError, "shapes"),
    ],
    ids=["numpy asks for it", "another error"],
)
def test_which_errors_are_explained(laboratory, fail, error, words):
    with (
        pytest.raises(error, match=words),
        trainer.torch_explained(laboratory.task("baseB")),
    ):
        fail()
