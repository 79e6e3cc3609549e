"""The effect of a recipe's keys on a training."""

import numpy as np
import pytest
import torch
from laboratory import Laboratory, identical, same
from torch.nn import functional as F

from transferability.storage.network_folder import NetworkFolder
from transferability.training import loop
from transferability.training.trainer import Trainer, TrainingError, micro_batches, torch_explained

# A network without random numbers that treats each image of a batch independently.
PLAIN = {"batch_norm": False, "dropout": 0.0}
LEARNS_FAST = {"batch_norm": True, "dropout": 0.0}


def test_iterations_count_instead_of_epochs(laboratory, bases, tmp_path):
    recipe = {"epochs": 1, "iterations": 45, "evaluate_every": 10}
    trained = laboratory.train("baseB", tmp_path / "45", recipe=recipe)
    assert [line["iteration"] for line in trained.history] == [10, 20, 30, 40, 45]
    # 20 steps each.
    assert [line["epoch"] for line in trained.history] == [0.5, 1, 1.5, 2, 2.25]
    assert trained.metrics["images_seen"] == 45 * 32
    rates = [line["learning_rate"] for line in trained.history]
    assert max(rates) > 10 * rates[-1]
    # The number of steps of two epochs gives the same training.
    recipe = {"iterations": 40, "evaluate_every": 20}
    identical(laboratory.train("baseB", tmp_path / "40", recipe=recipe), bases["baseB"])


def test_the_training_loss_is_the_mean_of_the_steps_since_the_last_evaluation(
    laboratory, tmp_path, monkeypatch
):
    losses: list[float] = []
    cross_entropy = F.cross_entropy

    def recording(*arguments, **named):
        loss = cross_entropy(*arguments, **named)
        losses.extend([loss.item()] if loss.requires_grad else [])
        return loss

    monkeypatch.setattr(loop.F, "cross_entropy", recording)
    recipe = {"iterations": 25, "evaluate_every": 10}
    trained = laboratory.train("baseB", tmp_path, recipe=recipe)
    means = [np.mean(losses[first:last]) for first, last in ((0, 10), (10, 20), (20, 25))]
    assert [line["train_loss"] for line in trained.history] == pytest.approx(means, rel=1e-5)


@pytest.mark.parametrize("micro_batch", [16, 12, 1000])
def test_micro_batches_add_up_to_the_batch(laboratory, tmp_path, micro_batch):
    recipe = {"epochs": 1, "augment": ["crop"], "label_smoothing": 0.1}
    whole = laboratory.train("baseB", tmp_path / "whole", recipe=recipe, architecture=PLAIN)
    parts = laboratory.train(
        *("baseB", tmp_path / "parts"),
        recipe={**recipe, "micro_batch": micro_batch},
        architecture=PLAIN,
    )
    torch.testing.assert_close(parts.weights, whole.weights, rtol=1e-3, atol=1e-5)
    assert parts.metrics["train_loss"] == pytest.approx(whole.metrics["train_loss"], rel=1e-4)
    assert same(parts.weights, whole.weights) == (micro_batch == 1000)


def test_at_most_a_micro_batch_passes_through_the_network(laboratory, tmp_path, monkeypatch):
    sizes, begin = set(), Trainer.__init__

    def watched(self, network, *arguments):
        network[0].register_forward_hook(lambda _, inputs, __: sizes.add(len(inputs[0])))
        begin(self, network, *arguments)

    monkeypatch.setattr(Trainer, "__init__", watched)
    laboratory.train("baseB", tmp_path, recipe={"epochs": 1, "micro_batch": 12})
    # 32 in three parts; validation images are processed twelve at a time.
    assert sizes >= {10, 11, 12}
    assert max(sizes) == 12


@pytest.mark.parametrize(("images", "at_once"), [(32, 32), (65, 64), (7, 1), (100, 33), (5, 8)])
def test_micro_batches_are_as_equal_as_can_be(images, at_once):
    parts = micro_batches(images, at_once)
    covered = [number for part in parts for number in range(part.start, part.stop)]
    assert covered == list(range(images))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) <= at_once
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("batch_size", "micro_batch"), [(1, None), (4, 1), (3, 2)], ids=["batch", "part", "last_part"]
)
def test_one_image_is_too_few_for_batch_normalisation(
    laboratory, tmp_path, batch_size, micro_batch
):
    recipe = {"batch_size": batch_size, "micro_batch": micro_batch}
    words = rf"recipe\.batch_size or recipe\.micro_batch \(now batch_size {batch_size}, micro_batch"
    task = laboratory.task("baseB", recipe=recipe, architecture=LEARNS_FAST)
    with pytest.raises(TrainingError, match=words), torch_explained(task):
        laboratory.train("baseB", tmp_path, recipe=recipe, architecture=LEARNS_FAST)
    # The first step fails.
    assert not NetworkFolder(tmp_path).history.exists()


def test_label_smoothing_applies_to_training_alone(laboratory, tmp_path):
    smoothed = laboratory.train(
        "baseB", tmp_path, recipe={"epochs": 8, "label_smoothing": 0.5}, architecture=LEARNS_FAST
    )
    # With half of each label spread over five classes, no network's loss is below its entropy.
    share = torch.tensor([0.6, 0.1, 0.1, 0.1, 0.1])
    floor = -(share * share.log()).sum().item()
    assert smoothed.metrics["train_loss"] > floor
    assert smoothed.metrics["loss"] < floor


@pytest.fixture(scope="module")
def larger(tmp_path_factory) -> Laboratory:
    """A laboratory with images of 12 × 12 pixels."""
    return Laboratory.built(tmp_path_factory.mktemp("larger"), {"image_size": 12})


@pytest.mark.parametrize(
    "augment", [[], ["crop", "horizontal_flip"], ["random_resized_crop", "colour_jitter"]], ids=repr
)
def test_the_network_sees_a_crop(larger, tmp_path, augment, monkeypatch):
    seen: list[tuple] = []
    initialised = loop.transplant.initialised

    def watched(*arguments):
        network = initialised(*arguments)
        network[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1:]))
        return network

    monkeypatch.setattr(loop.transplant, "initialised", watched)
    recipe = {"epochs": 1, "crop": 9, "augment": augment, "normalise": "mean_image"}
    trained = larger.train("baseB", tmp_path, recipe=recipe)
    assert set(seen) == {(3, 9, 9)}
    assert trained.weights["fc6.1.weight"].shape == (16, 8)
