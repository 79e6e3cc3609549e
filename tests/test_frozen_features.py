"""Features that never change are computed once, with the same results."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from transferability.training import device, frozen_features, transplant
from transferability.training.rng import Stream


def test_features_computed_once_change_only_rounding(laboratory, bases, tmp_path, monkeypatch):
    kept: list[bool] = []
    compute = frozen_features.compute

    def recording(*arguments):
        features = compute(*arguments)
        kept.append(features is not None)
        return features

    monkeypatch.setattr(frozen_features, "compute", recording)
    once = laboratory.train("A5B", tmp_path / "once", bases["baseA"])
    # Then neither features nor images are in memory.
    monkeypatch.setattr(device, "BYTES_FOR_IMAGES", 0)
    each = laboratory.train("A5B", tmp_path / "each", bases["baseA"])
    assert kept == [True, False]
    torch.testing.assert_close(once.weights, each.weights, rtol=1e-3, atol=1e-4)
    assert once.metrics["loss"] == pytest.approx(each.metrics["loss"], rel=1e-3)
    assert np.mean(once.predictions == each.predictions) > 0.99


@pytest.mark.parametrize(
    ("name", "augment", "computed_once"),
    [("A3B", [], 3), ("A7B", [], 5), ("A3B", ["horizontal_flip"], 0), ("A3B+", [], 0)],
)
def test_only_features_that_never_change_are_computed_once(
    laboratory, name, augment, computed_once
):
    task = laboratory.task(name)
    network = transplant.initialised(
        task.architecture, 8, 5, Stream("treatment", "random0", 0, "B")
    )
    frozen = network[: task.frozen_layers]
    images = torch.randn(6, 3, 8, 8)
    assert frozen_features.unchanging_layers(frozen, augment, images) == computed_once


class Attention(nn.Module):
    """Attention between the rows of an image."""

    def __init__(self, dropout: float):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=dropout, batch_first=True)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.attention(rows, rows, rows)[0]


class Always(nn.Module):
    """Dropout, or noise, that training and evaluation do not turn off."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(rows, 0.1)


class BatchMean(nn.Module):
    """Features minus their mean over the batch."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows - rows.mean(0)


class Sorted(nn.Module):
    """The images of a batch influence each other."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows * rows.softmax(0)


# Each part, and whether its features depend only on the image.
PARTS = {
    "dropout": (nn.Dropout(0.5), False),
    "no dropout": (nn.Dropout(0.0), True),
    "alpha dropout": (nn.AlphaDropout(0.5), False),
    "stochastic depth, off where frozen": (StochasticDepth(0.5, "row"), True),
    "attention, its dropout off where frozen": (Attention(0.5), True),
    "attention without dropout": (Attention(0.0), True),
    "random rectifier, fixed where frozen": (nn.RReLU(), True),
    "random pooling": (nn.FractionalMaxPool2d(2, output_size=4), False),
    "normalisation": (nn.BatchNorm1d(6), True),
    "normalisation by the batch": (nn.BatchNorm1d(6, track_running_stats=False), False),
    "normalisation by the image": (nn.InstanceNorm1d(6), True),
    "dropout that is always on": (Always(), False),
    "the mean of the batch": (BatchMean(), False),
    "a softmax over the batch": (Sorted(), False),
    "changes its input": (nn.LeakyReLU(0.1, inplace=True), True),
}


@pytest.mark.parametrize(("part", "expected"), PARTS.values(), ids=PARTS)
def test_features_count_as_constant_only_if_they_are(part, expected):
    frozen = nn.Sequential(nn.Linear(8, 8), nn.Sequential(part, nn.ReLU()))
    images = torch.randn(16, 6, 8)
    before = images.clone()
    assert frozen_features.unchanging_layers(frozen, [], images) == (2 if expected else 1)
    assert torch.equal(images, before)
