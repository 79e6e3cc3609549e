"""Features that never change are computed once, and that changes nothing."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from transferability.training import device, frozen_features, transplant
from transferability.training.rng import Stream


def test_features_computed_once_change_nothing_but_rounding(laboratory, tmp_path, monkeypatch):
    base = laboratory.train("baseA", tmp_path / "baseA")
    kept: list[bool] = []
    compute = frozen_features.compute

    def recording(*arguments):
        features = compute(*arguments)
        kept.append(features is not None)
        return features

    monkeypatch.setattr(frozen_features, "compute", recording)
    once = laboratory.train("A5B", tmp_path / "once", base)
    # Then neither features nor images lie in memory.
    monkeypatch.setattr(device, "BYTES_FOR_IMAGES", 0)
    each = laboratory.train("A5B", tmp_path / "each", base)
    assert kept == [True, False]
    for name, tensor in each.weights.items():
        torch.testing.assert_close(once.weights[name], tensor, rtol=1e-3, atol=1e-4)
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
    assert frozen_features.unchanging_layers(frozen, augment) == computed_once


class Attention(nn.Module):
    """Attention of an image's rows to one another."""

    def __init__(self, dropout: float):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=dropout, batch_first=True)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.attention(rows, rows, rows)[0]


PARTS = {
    "dropout": nn.Dropout(0.5),
    "no dropout": nn.Dropout(0.0),
    "alpha dropout": nn.AlphaDropout(0.5),
    "stochastic depth": StochasticDepth(0.5, "row"),
    "attention": Attention(0.5),
    "attention without dropout": Attention(0.0),
    "random rectifier": nn.RReLU(),
    "random pooling": nn.FractionalMaxPool2d(2, output_size=4),
    "normalisation": nn.BatchNorm1d(6),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_features_count_as_unchanging_only_where_they_are(part):
    frozen = nn.Sequential(nn.Linear(8, 8), nn.Sequential(part, nn.ReLU()))
    transplant.freeze(frozen)
    fixed = frozen_features.unchanging_layers(frozen, [])
    # As they are in training.
    transplant.set_training(frozen, 2)
    images = torch.randn(16, 6, 8)
    same = all(torch.equal(frozen(images), frozen(images)) for _ in range(5))
    assert fixed == (2 if same else 1)
