"""A training whose numbers are no longer finite stops and keeps the last finite state."""

import re

import pytest
from laboratory import own_modules, written

from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder
from transferability.training import loop
from transferability.training.loop import STEPS_PER_CHECK

# Digits give 20 steps an epoch.
MODULE = """
import torch
from torch import nn


class Exploding(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, counter):
        ctx.counter = counter
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.counter["steps"] += 1
        ruined = ctx.counter["steps"] == ctx.counter["last"]
        return gradient * float("nan") if ruined else gradient, None


class Second(nn.Sequential):
    def __init__(self, last, *layers):
        super().__init__(*layers)
        self.counter = {"steps": 0, "last": last}

    def forward(self, images):
        return Exploding.apply(super().forward(images), self.counter)


def build(image_size, classes, last):
    return [
        ("first", nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, 8), nn.ReLU())),
        ("second", Second(last, nn.Linear(8, 8), nn.ReLU())),
        ("third", nn.Linear(8, classes)),
    ]
"""


@pytest.mark.parametrize(
    ("ruined", "kept", "culprit"),
    [
        # The loss of the last step of an epoch was finite, but its gradient was not.
        pytest.param(40, 20, "a weight", id="at the end of an epoch"),
        pytest.param(45, 40, "the loss", id="in the middle"),
        pytest.param(20, None, "a weight", id="before anything is saved"),
    ],
)
def test_a_training_that_diverges_keeps_its_last_finite_state(
    laboratory, tmp_path, monkeypatch, failure, ruined, kept, culprit
):
    own_modules(tmp_path, monkeypatch, exploding=MODULE)
    monkeypatch.setattr(loop, "SHARE_OF_SAVES", float("inf"))
    custom = {"name": "custom", "build": "exploding:build", "arguments": {"last": ruined}}
    folder = NetworkFolder(tmp_path / "baseB")
    found = failure(*laboratory.command("baseB", folder.path, architecture=custom, epochs=4))
    epoch, rate, iteration = re.search(
        rf"baseB \(random0, seed 0\): {culprit} is no longer finite in epoch (\d) at learning rate "
        r"([\d.]+) \(gradient norm nan in iteration (\d+)",
        found,
    ).groups()
    assert ruined <= int(iteration) <= ruined + STEPS_PER_CHECK
    assert int(epoch) == (int(iteration) - 1) // 20 + 1
    assert 0 < float(rate) <= 0.03
    assert "lower recipe.learning_rate (now 0.03) or raise recipe.warmup" in found
    # The last finite measurement includes the norm of the gradient.
    assert (re.search(r", [\d.]+ in iteration \d+\);", found) is not None) == (ruined > 1)
    assert not folder.metrics.exists()
    assert folder.resume.exists() == (kept is not None)
    if kept is not None:
        tensors, header, _ = checkpoint.load(folder.resume)
        assert header["state"]["step"] == kept
        assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_a_learning_rate_that_is_far_too_high(laboratory, tmp_path, failure):
    found = failure(*laboratory.command("baseB", tmp_path, learning_rate=1e12))
    assert "in epoch 1 at learning rate" in found
    assert "gradient norm" in found
    assert written(tmp_path) == []
