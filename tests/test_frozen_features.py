"""Features that never change are computed once, and that changes nothing."""

import numpy as np
import pytest
import torch

from transferability import frozen_features, transplant
from transferability.streams import Stream


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
    monkeypatch.setattr(frozen_features, "MOST_BYTES", 0)
    each = laboratory.train("A5B", tmp_path / "each", base)
    assert kept == [True, False]
    for name, tensor in each.weights.items():
        torch.testing.assert_close(once.weights[name], tensor, rtol=1e-3, atol=1e-4)
    assert once.metrics["loss"] == pytest.approx(each.metrics["loss"], rel=1e-3)
    assert np.mean(once.predictions == each.predictions) > 0.99


@pytest.mark.parametrize(
    ("name", "augment", "computed_once"),
    [("A3B", [], 3), ("A7B", [], 5), ("A3B", ["mirror"], 0), ("A3B+", [], 0)],
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
