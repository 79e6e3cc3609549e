"""A run that was killed holds up no other, and one that lives is not overrun."""

import json
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
file = runs.begin(Path(sys.argv[1]))
print("begun", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that runs in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path], stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_another_run_is_named_as_long_as_it_lives(tmp_path, other):
    with runs.begin(tmp_path) as own:
        (named,) = runs.others(tmp_path, own)
        assert f"process {other.pid} on {job.place()['host']} (since 20" in named
        other.kill()
        other.wait()
        assert runs.others(tmp_path, own) == []
        assert [str(path) for path in tmp_path.iterdir()] == [own.name]


def test_a_run_of_another_machine_cannot_be_known_to_have_ended(tmp_path):
    said = {**job.place(), "host": "elsewhere", "machine": "another", "since": "2026-01-01"}
    (tmp_path / "elsewhere-1.json").write_text(json.dumps(said))
    with runs.begin(tmp_path) as own:
        assert runs.others(tmp_path, own) == [
            f"process {said['process']} on elsewhere (since 2026-01-01)"
        ]


def test_a_run_that_had_not_said_who_it_is(tmp_path):
    (tmp_path / "here-1.json").write_text("")
    with runs.begin(tmp_path) as own:
        assert runs.others(tmp_path, own) == []


def test_a_second_run_of_one_study_says_why_it_does_not_begin(project: Project):
    project.write_study(recipe=RECIPE)
    first = project.start(TARGET)
    wait_until(lambda: trained_steps(project.network("baseA")) > 0, what="the training")
    status, output = project.run(TARGET)
    assert status != 0
    assert f"Another run is at work in {project.folder}: process {first.pid} on" in output
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    # Nothing has to be unlocked by hand.
    project.succeed(TARGET)
