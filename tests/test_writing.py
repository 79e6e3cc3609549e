"""One writer per folder, one run per study: processes that end, are killed or are stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from project import ROOT, Project
from test_interruption import RECIPE, TARGET, trained_steps
from waiting import ends, wait_until, writers

from transferability.storage import job, runs

# Takes a folder, prints this, and executes each line of its input.
PROGRAM = """
import logging, socket, sys
from pathlib import Path
from transferability.storage import lease as writing, signals as interruption

folder, work, machine, beat, lease = sys.argv[1:]
logging.basicConfig(level=logging.INFO, format="%(message)s")
writing.BEAT, writing.LEASE, writing.SECONDS_PER_LOOK = float(beat), float(lease), 0.05
if machine:
    socket.gethostname = lambda: machine
try:
    with (
        interruption.noticed(),
        writing.sole_writer(Path(folder), work) as writer,
    ):
        print("has it", writer.restarts, writer.is_second, flush=True)
        for line in sys.stdin:
            if line == "end\\n":
                break
            if line == "fail\\n":
                raise ValueError("it failed")
            writer.check()
            print("writes", flush=True)
except writing.FolderLost as error:
    print("lost:", error, flush=True)
except interruption.Interrupted as error:
    print("interrupted:", error, flush=True)
"""


@dataclass(frozen=True)
class Contender:
    """A process that waits for the folder, or has it."""

    process: subprocess.Popen

    def line(self) -> str:
        return self.process.stdout.readline().rstrip()

    def said(self) -> str:
        """A line of its log."""
        return self.process.stderr.readline().rstrip()

    def told(self, command: str) -> str:
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.line()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "folder"


@pytest.fixture
def contender(folder) -> Iterator[Callable[..., Contender]]:
    started = []

    def start(
        work: str = "work", machine: str = "", beat: float = 0.1, lease: float = 60
    ) -> Contender:
        arguments = [str(folder), work, machine, str(beat), str(lease)]
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Contender(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_writer_waits_and_names_the_first(folder, contender, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    first = contender()
    assert first.line() == "has it 0 False"
    monkeypatch.delenv("SLURM_JOB_ID")
    second = contender()
    said = second.said()
    assert "waiting for process" in said
    assert f"process {first.process.pid} of job 4711 on {os.uname().nodename}" in said
    assert str(folder) in said
    assert first.told("check") == "writes"
    first.told("end")
    assert second.line() == "has it 0 True"
    second.told("end")
    assert ends(folder) == ["finished", "finished"]
    taken, _ = writers(folder)[0]
    assert (taken["slurm_job_id"], taken["process"]) == ("4711", first.process.pid)


def test_work_after_another_work_is_not_a_repetition(contender):
    first, second = contender(work="some"), None
    assert first.line().startswith("has it")
    second = contender(work="other")
    second.said()
    first.told("end")
    assert second.line() == "has it 0 False"


def test_a_killed_writer_is_noticed_on_the_same_machine(folder, contender):
    first = contender()
    first.line()
    first.kill()
    second = contender()
    assert second.line().startswith("has it 1")
    assert "is gone" in second.said()
    second.told("end")
    assert ends(folder) == ["gone", "finished"]


@pytest.mark.full
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_killed_writer_elsewhere_loses_its_lease(folder, contender, hours):
    """Its clock does not matter."""
    first = contender(machine="other", lease=2)
    first.line()
    first.kill()
    then = time.time() + 3600 * hours
    os.utime(folder / "writers" / "lease", (then, then))
    second = contender(lease=2)
    second.said()
    assert second.line().startswith("has it 1")


@pytest.mark.full
@pytest.mark.parametrize("machine", ["", "other"])
def test_a_stopped_writer_loses_the_folder_after_its_lease(folder, contender, machine):
    first = contender(machine=machine, lease=1)
    first.line()
    assert first.told("check") == "writes"
    first.signal(signal.SIGSTOP)
    second = contender(lease=1)
    assert second.line().startswith("has it 1")
    first.signal(signal.SIGCONT)
    lost = first.told("check")
    assert lost.startswith(f"lost: {folder}: process {second.process.pid} on")
    assert second.told("check") == "writes"
    second.told("end")
    assert ends(folder) == ["gone", "finished"]


@pytest.mark.full
def test_a_writer_that_lost_the_folder_logs_no_end(folder, contender):
    first = contender(machine="other", lease=1)
    first.line()
    first.signal(signal.SIGSTOP)
    second = contender(lease=1)
    second.line()
    second.told("end")
    first.signal(signal.SIGCONT)
    assert first.told("end") == ""
    assert ends(folder) == ["gone", "finished"]


def test_a_folder_that_was_deleted_is_lost(folder, contender):
    first = contender()
    first.line()
    shutil.rmtree(folder)
    assert "was deleted" in first.told("check")


@pytest.mark.full
@pytest.mark.parametrize("text", ["", "filelock/2 lea"])
def test_an_unknown_writer_is_gone_after_its_lease(folder, contender, text):
    (folder / "writers").mkdir(parents=True)
    (folder / "writers" / "lease").write_text(text)
    (folder / "writers" / "log.jsonl").write_text('{"taken": "2026-')
    first = contender(lease=1)
    assert "an unknown process" in first.said()
    assert first.line() == "has it 0 False"
    first.kill()
    assert contender(lease=1).line().startswith("has it 1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(folder, contender, number):
    first, second = contender(), None
    first.line()
    second = contender()
    second.said()
    second.signal(number)
    assert second.line() == f"interrupted: {number.name}"
    assert first.told("check") == "writes"
    assert len(writers(folder)) == 1


@pytest.mark.full
def test_unfinished_starts_are_counted(folder, contender):
    killed = contender()
    killed.line()
    killed.kill()
    failed = contender()
    assert failed.line().startswith("has it 1 ")
    failed.told("fail")
    interrupted = contender(work="other")
    # Starts of another work do not count.
    assert interrupted.line().startswith("has it 0 ")
    interrupted.told("end")
    assert ends(folder) == ["gone", "failed", "finished"]
    again = contender(work="other")
    assert again.line().startswith("has it 0 ")


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


def test_another_study_may_run_at_the_same_time(tmp_path, other):
    runs.begin(tmp_path, "small").release()


def test_shares_of_a_study_may_run_at_the_same_time(tmp_path):
    first, second = (runs.begin(tmp_path, "tiny", share) for share in ("1/2", "2/2"))
    with pytest.raises(runs.AnotherRun):
        runs.begin(tmp_path, "tiny", "2/2")
    first.release()
    second.release()


@pytest.mark.full
def test_a_second_run_of_a_study_is_refused_with_the_reason(project: Project):
    # Long enough for the second to begin.
    project.write_study(recipe={**RECIPE, "epochs": 1000})
    first = project.start(TARGET)
    wait_until(lambda: trained_steps(project.network("baseA")) > 0, what="the training")
    status, output = project.run(TARGET)
    assert status != 0
    assert f"Another run is active in {project.folder}: process {first.pid} on" in output
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    # Nothing has to be unlocked by hand.
    project.succeed(TARGET)
