"""Trainings that share a machine spread over its GPUs, here by name alone."""

import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from transferability.training import gpus

FOUR = ["GPU-a", "GPU-b", "GPU-c", "GPU-d"]
HOLD = """
import sys, time
from pathlib import Path
from transferability.training import gpus
with gpus.taken(sys.argv[2:], Path(sys.argv[1])) as index:
    print(index, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a process that holds a GPU, and tells which."""
    started = []

    def one(names: list[str] = FOUR) -> tuple[subprocess.Popen, int]:
        command = [sys.executable, "-c", HOLD, tmp_path, *names]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, int(process.stdout.readline())

    yield one
    for process in started:
        process.kill()
        process.wait()


def test_four_processes_take_four_gpus_and_the_next_four_share_them(start):
    assert [start()[1] for _ in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_the_place_of_a_killed_process_is_free(start):
    held = [start()[0] for _ in range(4)]
    held[2].kill()
    held[2].wait()
    assert start()[1] == 2


@pytest.mark.full
def test_processes_that_see_some_gpus_only_reckon_with_the_others(start):
    start(["GPU-a"])
    assert start(["GPU-a", "GPU-b"])[1] == 1
    assert start(["GPU-b", "GPU-c"])[1] == 1


def test_a_place_is_given_back_after_an_error(tmp_path):
    for _ in range(3):
        with contextlib.suppress(RuntimeError), gpus.taken(FOUR, tmp_path) as index:
            assert index == 0
            raise RuntimeError


@pytest.mark.full
def test_processes_that_start_at_once_spread_evenly(tmp_path):
    command = [sys.executable, "-c", HOLD, tmp_path, *FOUR]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(8)
    ]
    try:
        taken = Counter(int(process.stdout.readline()) for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert taken == {0: 2, 1: 2, 2: 2, 3: 2}
