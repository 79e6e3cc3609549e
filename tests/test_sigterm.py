"""Interruptions by a batch system: a signal, and the same command again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from laboratory import RECIPE
from made_photos import contents, settings, tree
from project import ROOT
from test_interruption import metrics, results
from waiting import ends, wait_until, writers

from transferability import images
from transferability.images import store
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder

# A few seconds, with evaluations at other steps than the ends of epochs.
LONG = {**RECIPE, "epochs": 60, "evaluate_every": 7, "augment": ["crop"]}


def command(laboratory, folder: Path, recipe: dict = LONG) -> list[str]:
    words = laboratory.command("baseA", folder, **recipe)
    return [sys.executable, "-m", "transferability", *words]


def started(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(arguments, cwd=ROOT / "workflow", stderr=subprocess.PIPE, text=True)


def done(arguments: list[str]) -> str:
    """Run a command, which must succeed; return its log."""
    process = started(arguments)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    return log


def begun(arguments: list[str], file: Path) -> subprocess.Popen:
    """Start a command and wait until it has written a file."""
    process = started(arguments)
    wait_until(file.exists, 60, str(file))
    return process


@pytest.fixture(scope="module")
def whole(laboratory, tmp_path_factory) -> Path:
    """The folder of an uninterrupted training. For reading only."""
    folder = tmp_path_factory.mktemp("whole") / "baseA"
    done(command(laboratory, folder))
    return folder


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)]
)
def test_after_a_signal_the_same_command_continues(laboratory, tmp_path, whole, number):
    folder = tmp_path / "baseA"
    training = begun(command(laboratory, folder), folder / "resume.safetensors")
    for _ in range(3):
        training.send_signal(number)
    _, log = training.communicate(timeout=60)
    assert training.returncode == 75, log
    assert f"ended by {number.name}; the same command continues the work" in log.splitlines()[-1]
    assert "Traceback" not in log
    assert not (folder / "metrics.json").exists()
    saved = checkpoint.load(folder / "resume.safetensors")[1]["state"]["step"]

    done(command(laboratory, folder))

    assert results(folder) == results(whole)
    assert metrics(folder)["resumed_at_iterations"] == [saved]
    assert metrics(folder)["job"]["restarts"] == 1
    assert ends(folder) == ["interrupted", "finished"]


@pytest.mark.full
def test_metrics_contain_the_job(laboratory, tmp_path, monkeypatch):
    for name, value in {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_PARTITION": "gpu",
        "SLURMD_NODENAME": "node3",
        "CUDA_VISIBLE_DEVICES": "1",
    }.items():
        monkeypatch.setenv(name, value)
    done(command(laboratory, tmp_path, {**RECIPE, "epochs": 1}))
    found = metrics(tmp_path)["job"]
    assert found.pop("process") > 0
    assert found.pop("host")
    assert found.pop("started") <= found.pop("ended")
    assert found == {
        "slurm_job_id": "4711",
        "slurm_partition": "gpu",
        "slurm_node": "node3",
        "cuda_visible_devices": "1",
        "gpu": None,
        "restarts": 0,
    }


def test_a_training_that_lost_its_folder_saves_nothing(laboratory, tmp_path, monkeypatch, failure):
    folder, left, save = tmp_path / "baseA", {}, NetworkFolder.save_resume

    def save_and_lose(self, *arguments: object) -> None:
        """Another machine takes the folder, as if it had seen no sign of life."""
        save(self, *arguments)
        ((taken, _),) = writers(folder)
        successor = {**taken, "host": "node7", "process": 12, "token": "0" * 32}
        marker, log = (folder / "writers" / name for name in ("lease", "log.jsonl"))
        marker.write_text(marker.read_text().replace(taken["token"], successor["token"]))
        with log.open("a") as file:
            file.write(json.dumps(successor) + "\n")
        left.update(contents(folder))

    monkeypatch.setattr(NetworkFolder, "save_resume", save_and_lose)
    found = failure(*laboratory.command("baseA", folder))
    assert f"FolderLost: {folder}: process 12 on node7" in found
    assert contents(folder) == left
    assert "resume.safetensors" in left
    assert "metrics.json" not in left


def preparation_of_photos(root: Path) -> list[str]:
    """The command that reads photographs for a second or more."""
    asked = settings(tree(root / "photos", "ab", count=20))
    for file in sorted((root / "photos").glob("*/*")):
        for i in range(400):
            os.link(file, file.with_stem(f"{file.stem}-{i}"))
    return [
        *(sys.executable, "-m", "transferability", "prepare-images", "--workers", "1"),
        *("--settings", json.dumps(images.stored(asked)), "--folder", str(root / "store")),
    ]


@pytest.mark.full
def test_two_preparations_of_the_same_images_run_in_turn(tmp_path):
    arguments = preparation_of_photos(tmp_path)
    first = begun(arguments, tmp_path / "store" / "writers" / "log.jsonl")
    second = started(arguments)
    _, log = second.communicate(timeout=60)
    first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0), log
    assert "waiting for process" in log
    assert "another process has written the same images" in log
    store.open_store(tmp_path / "store").verify()
    assert ends(tmp_path / "store") == ["finished", "finished"]


@pytest.mark.full
def test_a_preparation_continues_after_a_signal(tmp_path):
    arguments = preparation_of_photos(tmp_path)
    preparation = begun(arguments, tmp_path / "store" / "writers" / "log.jsonl")
    preparation.send_signal(signal.SIGTERM)
    _, log = preparation.communicate(timeout=60)
    assert preparation.returncode == 75, log
    assert "the same command continues the work" in log
    done(arguments)
    assert ends(tmp_path / "store") == ["interrupted", "finished"]
