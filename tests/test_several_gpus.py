"""Several processes that train a network together, with gloo on the CPU, equal one process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import trained_together
from project import ROOT, TIMEOUT
from trained_together import CASES
from waiting import ends, wait_until

from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder, read_history

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def by(laboratory, tmp_path_factory) -> dict[int, Path]:
    """The folder of all cases, by the number of processes that trained them."""
    place = tmp_path_factory.mktemp("together")
    base = laboratory.train("baseA", place / "base", architecture=trained_together.NORMALISED)
    trained_together.train(laboratory, place / "1", base.folder.weights)
    for count in (2, 4):
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        script, paths = (
            ROOT / "tests" / "trained_together.py",
            (laboratory.images, laboratory.split),
        )
        run = subprocess.run(
            [sys.executable, *torchrun, script, *paths, place / str(count), base.folder.weights],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=ROOT / "workflow",
        )
        assert run.returncode == 0, run.stderr
    return {count: place / str(count) for count in (1, 2, 4)}


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("case", CASES)
def test_several_processes_train_as_one_does(by, case, count):
    single, several = (NetworkFolder(by[processes] / case) for processes in (1, count))
    for alone, together in zip(
        read_history(single.history), read_history(several.history), strict=True
    ):
        for key in ("train_loss", "loss"):
            assert together[key] == pytest.approx(alone[key], rel=1e-4), key
        assert together["images_seen"] == alone["images_seen"]
    weights = [checkpoint.load(folder.weights)[0] for folder in (single, several)]
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-3, atol=1e-4)
    metrics = json.loads(several.metrics.read_text(encoding="utf-8"))
    assert metrics["gpus"] == count
    agreeing = np.load(single.predictions) == np.load(several.predictions)
    assert agreeing.mean() > 0.99


def started(laboratory, folder: Path, gpus: int) -> subprocess.Popen:
    """Start the command that trains baseA; it becomes torchrun if several processes are needed."""
    command = laboratory.command("baseA", folder, gpus=gpus, epochs=30)
    return subprocess.Popen(
        [sys.executable, "-m", "transferability", *command],
        cwd=ROOT / "workflow",
        stderr=subprocess.PIPE,
        text=True,
    )


def at_work(process: subprocess.Popen, folder: Path, beyond: int) -> list[psutil.Process]:
    """The training processes, the first of them first, once this many steps are saved."""
    saved = NetworkFolder(folder).saved_step
    wait_until(lambda: (saved() or 0) > beyond or process.poll() is not None, what="a save")
    trainings = [
        child for child in psutil.Process(process.pid).children() if "train" in child.cmdline()
    ]
    return sorted(trainings, key=lambda training: int(training.environ()["RANK"]))


def test_a_training_continues_with_any_number_of_processes(laboratory, tmp_path):
    first = started(laboratory, tmp_path, gpus=2)
    assert len(at_work(first, tmp_path, beyond=0)) == 2
    first.terminate()
    first.communicate(timeout=TIMEOUT)
    assert first.returncode != 0
    assert ends(tmp_path) == ["interrupted"]
    saved = NetworkFolder(tmp_path).saved_step()

    second = started(laboratory, tmp_path, gpus=4)
    at_work(second, tmp_path, beyond=saved)[-1].kill()
    _, said = second.communicate(timeout=TIMEOUT)
    assert second.returncode != 0, said
    again = NetworkFolder(tmp_path).saved_step()
    assert again > saved

    last = started(laboratory, tmp_path, gpus=1)
    _, said = last.communicate(timeout=TIMEOUT)
    assert last.returncode == 0, said
    metrics = NetworkFolder(tmp_path).read_metrics()
    assert metrics["resumed_at_iterations"] == [saved, again]
    assert ends(tmp_path)[-1] == "finished"
