"""A run that was killed holds up no other, and one that lives is not overrun."""

import signal
import subprocess
import sys

import pytest
from project import Project
from test_interruption import RECIPE, TARGET, trained_steps
from waiting import wait_until

from transferability.storage import job, runs

RUN = """
import sys, time
from pathlib import Path
from transferability.storage import runs
lock = runs.begin(Path(sys.argv[1]), "tiny")
print("begun", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that runs the study `tiny` in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path], stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_another_run_is_named_as_long_as_it_lives(tmp_path, other):
    place = f"process {other.pid} on {job.place()['host']} \\(since 20"
    with pytest.raises(runs.AnotherRun, match=place):
        runs.begin(tmp_path, "tiny")
    other.kill()
    other.wait()
    runs.begin(tmp_path, "tiny").release()


def test_another_study_may_run_beside_it(tmp_path, other):
    runs.begin(tmp_path, "small").release()


def test_shares_of_a_study_may_run_side_by_side(tmp_path):
    first, second = (runs.begin(tmp_path, "tiny", share) for share in ("1/2", "2/2"))
    with pytest.raises(runs.AnotherRun):
        runs.begin(tmp_path, "tiny", "2/2")
    first.release()
    second.release()


@pytest.mark.full
def test_a_second_run_of_one_study_says_why_it_does_not_begin(project: Project):
    # Long enough for the second to begin.
    project.write_study(recipe={**RECIPE, "epochs": 1000})
    first = project.start(TARGET)
    wait_until(lambda: trained_steps(project.network("baseA")) > 0, what="the training")
    status, output = project.run(TARGET)
    assert status != 0
    assert f"Another run is at work in {project.folder}: process {first.pid} on" in output
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    # Nothing has to be unlocked by hand.
    project.succeed(TARGET)
