"""What an interruption changes: nothing."""

import itertools
import os
import signal

import numpy as np
import pytest
import torch
from laboratory import Laboratory, Trained, same

from transferability.storage import signals
from transferability.storage.network_folder import NetworkFolder
from transferability.training import device, loop
from transferability.training.trainer import Trainer

# Digits give 20 steps an epoch; evaluations fall on epochs 2 and 3.
EPOCHS = {"epochs": 3, "evaluate_every": 2}


@pytest.fixture(scope="module")
def bases(laboratory, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("bases")
    return {"baseA": laboratory.train("baseA", folder / "baseA")}


class Killed(BaseException):
    """As a kill would, it ends the training wherever it is."""


def kill_after_saving(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    save = NetworkFolder.save_resume

    def save_and_die(self, tensors, identity, state):
        save(self, tensors, identity, state)
        if state["step"] == step:
            raise Killed

    monkeypatch.setattr(NetworkFolder, "save_resume", save_and_die)


def kill_in_evaluation(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    evaluate = loop.evaluate

    def evaluate_or_die(run):
        if run.step == step:
            raise Killed
        return evaluate(run)

    monkeypatch.setattr(loop, "evaluate", evaluate_or_die)


def kill_at_step(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """As if ten minutes had passed at each step."""
    monkeypatch.setattr(loop, "SECONDS_PER_SAVE", 0)
    kill_after_saving(monkeypatch, step)


def signal_after_step(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """A signal that comes while this step is being made."""
    learning_rate = Trainer.learning_rate

    def signalled(self, of_step):
        if self.step == of_step == step - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return learning_rate(self, of_step)

    monkeypatch.setattr(Trainer, "learning_rate", signalled)


def signal_in_evaluation(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """A signal that comes while the evaluation after this step is being made."""
    evaluate = loop.evaluate

    def signalled(run):
        if run.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(run)

    monkeypatch.setattr(loop, "evaluate", signalled)


AUGMENTED = {**EPOCHS, "augment": ["crop", "horizontal_flip"], "normalise": "mean_image"}
RESIZED = {**EPOCHS, "augment": ["random_resized_crop", "colour_jitter"]}
IN_PARTS = {"iterations": 30, "evaluate_every": 7, "micro_batch": 12, "augment": ["crop"]}
ADAMW = {"iterations": 50, "evaluate_every": 30, "optimizer": "adamw"}
PROBED = {**EPOCHS, "optimizer": "adamw", "probe_epochs": 1}


@pytest.mark.parametrize(
    ("name", "recipe", "mapped", "interrupt", "steps", "resumed_at"),
    [
        ("baseB", EPOCHS, False, kill_in_evaluation, [40], [20]),
        ("baseB", EPOCHS, False, kill_after_saving, [60], [60]),
        ("A3B+", {**EPOCHS, "augment": ["crop"]}, False, kill_after_saving, [40], [40]),
        ("A7B", EPOCHS, False, kill_in_evaluation, [40], [20]),
        ("R3B", EPOCHS, False, kill_after_saving, [20], [20]),
        ("A3B+", AUGMENTED, True, kill_at_step, [5, 23], [5, 23]),
        ("A3B+", RESIZED, False, kill_at_step, [19, 20, 21], [19, 20, 21]),
        ("A3B+", {"iterations": 50, "evaluate_every": 8}, True, kill_at_step, [1], [1]),
        ("A3B+", ADAMW, False, kill_at_step, [5, 23], [5, 23]),
        ("A3B+", PROBED, False, kill_at_step, [5, 20, 23], [5, 20, 23]),
        ("A3B+", IN_PARTS, False, kill_at_step, [19, 20, 21], [19, 20, 21]),
        ("baseB", EPOCHS, False, signal_after_step, [1], [1]),
        ("baseB", EPOCHS, True, signal_after_step, [40], [40]),
        ("baseB", EPOCHS, False, signal_after_step, [60], [60]),
        ("baseB", EPOCHS, False, signal_in_evaluation, [40], [40]),
        ("baseB", EPOCHS, True, signal_in_evaluation, [60], [60]),
        ("A3B", EPOCHS, False, signal_after_step, [33], [33]),
        ("A3B+", EPOCHS, True, signal_after_step, [33], [33]),
    ],
)
def test_interrupted_and_resumed_equals_uninterrupted(
    laboratory, bases, tmp_path, monkeypatch, name, recipe, mapped, interrupt, steps, resumed_at
):
    if mapped:
        monkeypatch.setattr(device, "BYTES_FOR_IMAGES", 0)

    def train(folder: str) -> Trained:
        base = bases["baseA"] if name.startswith("A") else None
        return laboratory.train(name, tmp_path / folder, base, recipe=recipe)

    whole = train("whole")
    for step in steps:
        with monkeypatch.context() as patch, signals.noticed():
            interrupt(patch, step)
            with pytest.raises((Killed, signals.Interrupted)):
                train("interrupted")
    resumed = train("interrupted")
    assert whole.metrics.pop("resumed_at_iterations") == []
    assert resumed.metrics.pop("resumed_at_iterations") == resumed_at
    assert resumed.metrics == whole.metrics
    assert resumed.history == whole.history
    assert same(resumed.weights, whole.weights)
    assert np.array_equal(resumed.predictions, whole.predictions)


@pytest.mark.parametrize(
    ("recipe", "saved"),
    [
        ({"epochs": 3, "evaluate_every": 2}, [20, 40, 60]),
        ({"iterations": 50, "evaluate_every": 10}, [20, 40, 50]),
    ],
)
def test_it_is_saved_after_each_epoch_and_at_the_end(
    laboratory, tmp_path, monkeypatch, recipe, saved
):
    found = saves(monkeypatch)
    laboratory.train("baseB", tmp_path, recipe=recipe)
    assert found == saved


def test_in_a_long_epoch_it_is_saved_every_ten_minutes(laboratory, tmp_path, monkeypatch):
    found = saves(monkeypatch)
    minutes = itertools.count()
    monkeypatch.setattr(loop.time, "monotonic", lambda: 60.0 * next(minutes))
    laboratory.train("baseB", tmp_path, recipe={"epochs": 1})
    assert len(found) > 1
    # The clock is looked at once or twice a step.
    assert max(np.diff([0, *found])) <= loop.SECONDS_PER_SAVE / 60
    assert found[-1] == 20


def saves(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps after which a training is saved, once it has run."""
    found: list[int] = []
    save = NetworkFolder.save_resume

    def recording(self, tensors, identity, state):
        found.append(state["step"])
        save(self, tensors, identity, state)

    monkeypatch.setattr(NetworkFolder, "save_resume", recording)
    return found


def test_frozen_parameters_have_no_state_of_the_optimizer(
    laboratory: Laboratory, bases, tmp_path, monkeypatch
):
    found: list[str] = []
    tensors = Trainer.tensors

    def recording(run: Trainer) -> dict[str, torch.Tensor]:
        found.extend(tensors(run))
        return tensors(run)

    monkeypatch.setattr(Trainer, "tensors", recording)
    laboratory.train("A3B", tmp_path, bases["baseA"], recipe={"optimizer": "adamw"})
    learned = {name.split(".")[2] for name in found if name.startswith("optimizer.")}
    assert learned == {"conv4", "conv5", "fc6", "fc7", "fc8"}
