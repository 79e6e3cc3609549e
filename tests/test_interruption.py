"""A training ended by kill -9 continues with the same command, to the same bits."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from project import TINY, Project
from waiting import ends, wait_until

from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder, read_history

# Long enough, with five steps an epoch, to be interrupted in the middle; evaluated at other epochs
# than those that are saved.
RECIPE = {**TINY["recipe"], "epochs": 100, "evaluate_every": 7, "augment": ["crop"]}
TARGET = "results/tiny/networks/random0/seed0/baseA/metrics.json"
NOT_RESULTS = (
    *("seconds", "images_per_second", "history_sha256"),
    *("resumed_at_iterations", "job", "provenance"),
)


@pytest.fixture(scope="module")
def uninterrupted(finished, tmp_path_factory) -> Path:
    """The folder of a baseA that was trained without interruption."""
    project = Project.copied(tmp_path_factory.mktemp("uninterrupted") / "project", finished)
    project.write_study(recipe=RECIPE)
    project.succeed(TARGET)
    return project.network("baseA")


def trained_steps(network: Path) -> int:
    """The step in the resume file of a network; 0 if there is no file yet."""
    return NetworkFolder(network).saved_step() or 0


def started(project: Project) -> tuple[subprocess.Popen, psutil.Process]:
    """Snakemake while it trains baseA, and the training process, after some steps."""
    network = project.network("baseA")
    project.write_study(recipe=RECIPE)
    snakemake = project.start(TARGET)
    wait_until(lambda: trained_steps(network) >= 50 or snakemake.poll() is not None)
    (training,) = (
        process
        for process in psutil.Process(snakemake.pid).children(recursive=True)
        if process.cmdline()[1:4] == ["-m", "transferability", "train"]
    )
    return snakemake, training


def metrics(network: Path) -> dict:
    return json.loads((network / "metrics.json").read_text(encoding="utf-8"))


def results(network: Path) -> dict:
    """All results of a network, except for times and interruptions."""
    tensors, header, digest = checkpoint.load(network / "weights.safetensors")
    history = read_history(network / "history.jsonl")
    return {
        "weights": {name: tensor.numpy().tobytes() for name, tensor in tensors.items()},
        "header and checksum of the weights": (header, digest),
        "predictions": (network / "predictions.npy").read_bytes(),
        # Also the order of keys of an evaluation, which gives tables their order of columns.
        "history": [[(k, v) for k, v in line.items() if k != "seconds"] for line in history],
        "metrics": {k: v for k, v in metrics(network).items() if k not in NOT_RESULTS},
    }


def kill_training(snakemake: subprocess.Popen, training: psutil.Process) -> None:
    training.kill()


def kill_all(snakemake: subprocess.Popen, training: psutil.Process) -> None:
    os.killpg(snakemake.pid, signal.SIGKILL)


def ctrl_c(snakemake: subprocess.Popen, training: psutil.Process) -> None:
    """Send the signal as a terminal does."""
    os.killpg(snakemake.pid, signal.SIGINT)


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (kill_all, "gone"),
        pytest.param(kill_training, "gone", marks=pytest.mark.full),
        pytest.param(ctrl_c, "interrupted", marks=pytest.mark.full),
    ],
)
def test_the_repeated_command_gives_the_same_bits(project, uninterrupted, end, how):
    network = project.network("baseA")
    snakemake, training = started(project)
    # These jobs must run the copy's code, or all tests here would test other code.
    assert training.environ()["PYTHONPATH"] == str(project.folder / "workflow")
    end(snakemake, training)
    output, _ = snakemake.communicate(timeout=60)
    wait_until(lambda: not training.is_running())
    assert snakemake.returncode != 0, output
    assert not (network / "metrics.json").exists()
    saved = trained_steps(network)
    assert 50 <= saved < 5 * RECIPE["epochs"]

    project.succeed(TARGET)

    assert results(network) == results(uninterrupted)
    assert metrics(network)["resumed_at_iterations"] == [saved]
    assert metrics(network)["job"]["restarts"] == 1
    assert ends(network)[-2:] == [how, "finished"]
    assert not list(network.glob("*resume*"))


@pytest.mark.full
def test_a_training_that_outlived_snakemake_is_not_repeated(project, uninterrupted):
    network = project.network("baseA")
    snakemake, training = started(project)
    snakemake.kill()
    snakemake.wait()
    assert training.is_running()

    project.succeed(TARGET)

    assert results(network) == results(uninterrupted)
    assert metrics(network)["resumed_at_iterations"] == []
    assert metrics(network)["job"]["process"] == training.pid
    assert "already trained with the same code" in log_of(project, "baseA")
    # The run has succeeded, so a forced run trains again.
    assert not (network / "finished").exists()
    project.succeed(TARGET, "--forcerun", TARGET)
    assert results(network) == results(uninterrupted)
    assert "already trained with the same code" not in log_of(project, "baseA")


@pytest.mark.full
def test_a_finished_training_is_kept_until_the_run_succeeds(project):
    """The end of a job or of a dry run is not the end of the run."""
    project.write_study(recipe={**RECIPE, "epochs": 10})
    network = project.network("baseA")
    in_the_way = project.network("baseB") / "writers"
    shutil.rmtree(in_the_way)
    in_the_way.touch()
    status, output = project.run(TARGET, TARGET.replace("baseA", "baseB"))
    assert status != 0, output
    assert "FileExistsError" in output
    assert (network / "finished").exists()
    project.jobs(TARGET)
    assert (network / "finished").exists()
    in_the_way.unlink()
    project.succeed(TARGET, TARGET.replace("baseA", "baseB"))
    assert not (network / "finished").exists()


def log_of(project: Project, network: str) -> str:
    logs = project.results / "logs" / "networks" / "random0" / "seed0"
    return (logs / f"{network}.log").read_text(encoding="utf-8")
