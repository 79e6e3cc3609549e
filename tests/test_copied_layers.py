"""Trained copied layers: their learning rates, and the epochs in which only new layers train."""

import numpy as np
import pytest
import torch
from laboratory import identical, same, saves

from transferability.study import config
from transferability.training import frozen_features, transplant
from transferability.training.rng import Stream
from transferability.training.trainer import Trainer

DEFAULTS = {"copied_learning_rate": 1.0, "layer_decay": 1.0, "probe_epochs": 0}
COPIED = ("conv1", "conv2", "conv3")


def of_copied(tensors: dict) -> dict:
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name.removeprefix("network.").split(".")[0] in COPIED
    }


def test_default_rates_are_those_of_all_layers(laboratory, bases, tmp_path):
    without = laboratory.train("A3B+", tmp_path / "without", bases["baseA"])
    with_keys = laboratory.train("A3B+", tmp_path / "with", bases["baseA"], recipe=DEFAULTS)
    identical(with_keys, without)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_rate_of_0_gives_the_same_bits_as_freezing(laboratory, tmp_path, monkeypatch, optimizer):
    # Features computed once would differ by rounding.
    monkeypatch.setattr(frozen_features, "compute", lambda *_: None)
    # Gradients of layers that are not trained must not count in the norm.
    recipe = {"optimizer": optimizer, "clip_gradient_norm": 0.1}
    plain = {"architecture": {"batch_norm": False}}
    base = laboratory.train("baseA", tmp_path / "baseA", **plain)
    frozen = laboratory.train("A3B", tmp_path / "frozen", base, recipe=recipe, **plain)
    still = laboratory.train(
        "A3B+", tmp_path / "still", base, recipe={**recipe, "copied_learning_rate": 0}, **plain
    )
    assert same(still.weights, frozen.weights)
    assert np.array_equal(still.predictions, frozen.predictions)
    assert same(of_copied(still.weights), of_copied(base.weights))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_new_layers_are_trained_alone_at_first(laboratory, bases, tmp_path, monkeypatch, optimizer):
    monkeypatch.setattr(frozen_features, "compute", lambda *_: None)
    recipe = {"epochs": 3, "optimizer": optimizer, "clip_gradient_norm": 0.1}
    base, found = bases["baseA"], saves(monkeypatch)
    laboratory.train("A3B", tmp_path / "frozen", base, recipe=recipe)
    frozen = dict(found)
    recipe["probe_epochs"] = 2
    trained = laboratory.train("A3B+", tmp_path / "probed", base, recipe=recipe)
    saved = dict(found)
    # An epoch has 20 steps; the tensors include batch-norm statistics and the optimizer's state.
    assert same(saved[20], frozen[20])
    assert same(saved[40], frozen[40])
    copied, before = of_copied(trained.weights), of_copied(base.weights)
    assert any("running_mean" in name for name in copied)
    assert not any(torch.equal(copied[name], before[name]) for name in copied)


@pytest.mark.parametrize(("key", "length"), [("iterations", 40), ("epochs", 2)])
def test_new_layers_may_not_be_trained_alone_to_the_end(laboratory, bases, tmp_path, key, length):
    # An epoch has 20 steps.
    recipe, words = {key: length, "probe_epochs": 2}, f"recipe.probe_epochs: 2 .*40 .* recipe.{key}"
    with pytest.raises(ValueError, match=words):
        laboratory.train("A3B+", tmp_path, bases["baseA"], recipe=recipe)


def test_rates_decrease_from_the_head_to_the_input(laboratory):
    recipe = {"copied_learning_rate": 0.5, "layer_decay": 0.8}
    task = laboratory.task("A3B+", recipe=recipe)
    stream = Stream("treatment", "random0", 0, "B")
    network = transplant.initialised(task.architecture, 8, 5, stream)
    multiples = Trainer(network, task, None, "fp32", torch.device("cpu")).rate_multiples()
    # The third of eight layers is five below the head.
    assert multiples["conv3.0.weight"] == pytest.approx(0.5 * 0.8**5)
    assert multiples["conv1.0.bias"] == pytest.approx(0.5 * 0.8**7)
    assert {name.split(".")[0] for name in multiples} == set(COPIED)
    assert set(multiples) <= set(dict(network.named_parameters()))


def test_only_recipes_with_trained_copied_layers_have_the_keys():
    recipe = {"copied_learning_rate": 0.1, "layer_decay": 0.8, "probe_epochs": 2}
    study = config.complete({"recipe": recipe})
    for name in study.network_names:
        found = study.recipe_of("random0", 0, name)
        assert (recipe.items() <= found.items()) == name.endswith("+"), name
        assert name.endswith("+") or not recipe.keys() & found.keys(), name
    by_default = config.complete({"recipe": {"copied_learning_rate": 1}})
    assert not recipe.keys() & by_default.recipe_of("random0", 0, "A3B+").keys()
