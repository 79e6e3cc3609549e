"""A training that is killed at random moments, again and again, ends with the same bits."""

import subprocess
import sys

import pytest
from project import TIMEOUT
from test_interruption import metrics, results

KILLS = 20
EPOCHS = 80
# Python and torch start once; what is killed is a copy of the process, which ends as hard.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from transferability.training import loop
from transferability.__main__ import main

def start():
    process = os.fork()
    if process == 0:
        os._exit(main(sys.argv[3:]))
    return process

def kill(process):
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])

kills, resume, killed = int(sys.argv[1]), Path(sys.argv[2]), 0
if kills:
    # How long it takes here to come to the first save: some kills come before it, some after.
    begun, process = time.monotonic(), start()
    while not resume.exists():
        time.sleep(0.005)
    to_save = time.monotonic() - begun
    killed += kill(process)
draw = random.Random(7)
for _ in range(kills - 1):
    process = start()
    time.sleep(draw.uniform(0, 2 * to_save))
    killed += kill(process)
_, status = os.waitpid(start(), 0)
print(killed)
sys.exit(status)
"""


@pytest.mark.full
def test_killed_at_twenty_random_moments(laboratory, tmp_path):
    def run(name: str, kills: int) -> int:
        folder = tmp_path / name
        command = laboratory.command(
            "baseB", folder, epochs=EPOCHS, augment=["crop", "horizontal_flip"]
        )
        done = subprocess.run(
            [sys.executable, "-c", KILLER, str(kills), folder / "resume.safetensors", *command],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    # Where it had ended before, there was nothing to kill.
    assert run("killed", KILLS) == KILLS
    assert run("left alone", 0) == 0
    assert metrics(tmp_path / "killed")["resumed_at_iterations"]
    assert results(tmp_path / "killed") == results(tmp_path / "left alone")
