"""An interruption changes no results."""

import itertools
import math
import os
import signal
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from laboratory import Trained, identical, saves
from test_interruption import metrics, results

from transferability.__main__ import main
from transferability.storage import checkpoint, signals
from transferability.storage.network_folder import NetworkFolder
from transferability.training import device, loop
from transferability.training.trainer import Trainer

# Digits give 20 steps an epoch; evaluations are after epochs 2 and 3.
EPOCHS = {"epochs": 3, "evaluate_every": 2}


class Killed(BaseException):
    """Like a kill, it ends the training at any place."""


def kill() -> None:
    raise Killed


def send_signal() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


# For each place: the function that runs there, and how its arguments give the last or current step.
PLACES = {
    "step": (Trainer, "learning_rate", lambda run, step: step + 1 if step == run.step else None),
    "evaluation": (loop, "evaluate", lambda run: run.step),
    "save": (NetworkFolder, "save_resume", lambda folder, *saved: saved[-1]["step"]),
}


def interrupt(patch: pytest.MonkeyPatch, place: str, step: int, end: Callable[[], None]) -> None:
    """Make trainings end in a step, in the evaluation after it, or after its save; in the last
    case each step is saved, as if it had taken ten minutes."""
    owner, name, step_of = PLACES[place]
    function = getattr(owner, name)

    def interrupted(*arguments):
        is_here = step_of(*arguments) == step
        if is_here and place != "save":
            end()
        found = function(*arguments)
        if is_here and place == "save":
            end()
        return found

    patch.setattr(owner, name, interrupted)
    if place == "save":
        patch.setattr(loop, "SECONDS_PER_SAVE", 0)


@pytest.fixture(autouse=True)
def saved_often(monkeypatch):
    """Save after each epoch, even a short one."""
    monkeypatch.setattr(loop, "SHARE_OF_SAVES", math.inf)


AUGMENTED = {**EPOCHS, "augment": ["crop", "horizontal_flip"], "normalise": "mean_image"}
RESIZED = {**EPOCHS, "augment": ["random_resized_crop", "colour_jitter"]}
IN_PARTS = {"iterations": 30, "evaluate_every": 7, "micro_batch": 12, "augment": ["crop"]}
ADAMW = {"iterations": 50, "evaluate_every": 30, "optimizer": "adamw"}
PROBED = {**EPOCHS, "optimizer": "adamw", "probe_epochs": 1}


@pytest.mark.parametrize(
    ("name", "recipe", "mapped", "place", "end", "steps", "resumed_at"),
    [
        ("baseB", EPOCHS, False, "evaluation", kill, [40], [20]),
        ("baseB", EPOCHS, False, "save", kill, [60], [60]),
        ("A3B+", {**EPOCHS, "augment": ["crop"]}, False, "save", kill, [40], [40]),
        ("A7B", EPOCHS, False, "evaluation", kill, [40], [20]),
        ("R3B", EPOCHS, False, "save", kill, [20], [20]),
        ("A3B+", AUGMENTED, True, "save", kill, [5, 23], [5, 23]),
        ("A3B+", RESIZED, False, "save", kill, [19, 20, 21], [19, 20, 21]),
        ("A3B+", {"iterations": 50, "evaluate_every": 8}, True, "save", kill, [1], [1]),
        ("A3B+", ADAMW, False, "save", kill, [5, 23], [5, 23]),
        ("A3B+", PROBED, False, "save", kill, [5, 20, 23], [5, 20, 23]),
        ("A3B+", IN_PARTS, False, "save", kill, [19, 20, 21], [19, 20, 21]),
        ("baseB", EPOCHS, False, "step", send_signal, [1], [1]),
        ("baseB", EPOCHS, True, "step", send_signal, [40], [40]),
        ("baseB", EPOCHS, False, "step", send_signal, [60], [60]),
        ("baseB", EPOCHS, False, "evaluation", send_signal, [40], [40]),
        ("baseB", EPOCHS, True, "evaluation", send_signal, [60], [60]),
        ("A3B", EPOCHS, False, "step", send_signal, [33], [33]),
        ("A3B+", EPOCHS, True, "step", send_signal, [33], [33]),
    ],
)
def test_interrupted_and_resumed_equals_uninterrupted(
    laboratory, bases, tmp_path, monkeypatch, name, recipe, mapped, place, end, steps, resumed_at
):
    def train(folder: str) -> Trained:
        base = bases["baseA"] if name.startswith("A") else None
        return laboratory.train(name, tmp_path / folder, base, recipe=recipe)

    whole = train("whole")
    if mapped:
        # Images that do not fit on the device give the same bits too.
        monkeypatch.setattr(device, "BYTES_FOR_IMAGES", 0)
    for step in steps:
        with monkeypatch.context() as patch, signals.noticed():
            interrupt(patch, place, step, end)
            with pytest.raises((Killed, signals.Interrupted)):
                train("interrupted")
    resumed = train("interrupted")
    assert whole.metrics["resumed_at_iterations"] == []
    assert resumed.metrics["resumed_at_iterations"] == resumed_at
    identical(resumed, whole)


def test_a_training_killed_at_any_file_resumes(laboratory, tmp_path, monkeypatch):
    """The same command is repeated, and each time killed one file later."""

    def train(folder: str) -> int:
        return main(laboratory.command("baseB", tmp_path / folder, augment=["crop"]))

    replace, left = os.replace, 0

    def replace_or_die(*paths):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        replace(*paths)

    assert train("whole") == 0
    monkeypatch.setattr(os, "replace", replace_or_die)
    for files in itertools.count():
        left = files
        with suppress(Killed):
            assert train("killed") == 0
            break
    # The history and state of an epoch, then the final files, which are stored twice.
    assert files >= 8
    assert metrics(tmp_path / "killed")["resumed_at_iterations"][0] == 20
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


@pytest.mark.parametrize("reason", ["another code", "cannot be read"])
def test_an_unusable_resume_file_is_ignored(laboratory, tmp_path, monkeypatch, caplog, reason):
    folder = NetworkFolder(tmp_path / "interrupted")
    with monkeypatch.context() as patch:
        interrupt(patch, "save", 20, kill)
        with pytest.raises(Killed):
            laboratory.train("baseB", folder.path)
    if reason == "cannot be read":
        content = folder.resume.read_bytes()
        folder.resume.write_bytes(content[: len(content) // 2])
    else:
        tensors, header, _ = checkpoint.load(folder.resume)
        folder.save_resume(tensors, {**header["identity"], "code": "0" * 16}, header["state"])
    trained = laboratory.train("baseB", folder.path)
    for words in (str(folder.resume), reason, "training starts from the beginning"):
        assert words in caplog.text
    assert trained.metrics["resumed_at_iterations"] == []
    identical(trained, laboratory.train("baseB", tmp_path / "whole"))


@pytest.mark.parametrize(
    ("recipe", "saved"),
    [
        ({"epochs": 3, "evaluate_every": 2}, [20, 40, 60]),
        ({"iterations": 50, "evaluate_every": 10}, [20, 40, 50]),
    ],
)
def test_state_is_saved_after_each_epoch_and_at_the_end(
    laboratory, tmp_path, monkeypatch, recipe, saved
):
    found = saves(monkeypatch)
    laboratory.train("baseB", tmp_path, recipe=recipe)
    assert [step for step, _ in found] == saved


def test_short_epochs_do_not_spend_their_time_on_saves(laboratory, tmp_path, monkeypatch):
    found = saves(monkeypatch)
    monkeypatch.setattr(loop, "SHARE_OF_SAVES", 1e-9)
    laboratory.train("baseB", tmp_path, recipe={"epochs": 4, "evaluate_every": 1})
    assert [step for step, _ in found] == [20, 80]


def test_in_a_long_epoch_state_is_saved_every_ten_minutes(laboratory, tmp_path, monkeypatch):
    found = saves(monkeypatch)
    minutes = itertools.count()
    monkeypatch.setattr(loop.time, "monotonic", lambda: 60.0 * next(minutes))
    laboratory.train("baseB", tmp_path, recipe={"epochs": 1})
    steps = [step for step, _ in found]
    assert len(steps) > 1
    # The clock is read once or twice a step.
    assert max(np.diff([0, *steps])) <= loop.SECONDS_PER_SAVE / 60
    assert steps[-1] == 20


def test_frozen_parameters_have_no_state_of_the_optimizer(laboratory, bases, tmp_path, monkeypatch):
    found = saves(monkeypatch)
    laboratory.train("A3B", tmp_path, bases["baseA"], recipe={"optimizer": "adamw"})
    names = [name for _, tensors in found for name in tensors]
    learned = {name.split(".")[2] for name in names if name.startswith("optimizer.")}
    assert learned == {"conv4", "conv5", "fc6", "fc7", "fc8"}
