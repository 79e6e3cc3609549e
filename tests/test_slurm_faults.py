"""A training on a cluster finishes with the same bits, whatever happens to its job."""

import os
import shutil
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from project import TIMEOUT, TINY, Project
from test_interruption import TARGET, results, trained_steps
from waiting import wait_until, writers

pytestmark = pytest.mark.full

# About 15 s, evaluated at other epochs than those that are saved.
RECIPE = {**TINY["recipe"], "epochs": 400, "evaluate_every": 70, "augment": ["crop"]}


@pytest.fixture(scope="module")
def uninterrupted(finished, tmp_path_factory) -> Path:
    """The folder of a baseA that was trained without interruption, on this machine."""
    project = Project.copied(tmp_path_factory.mktemp("uninterrupted") / "project", finished)
    project.write_study(recipe=RECIPE)
    project.succeed(TARGET)
    return project.network("baseA")


def cancelled(project: Project, job: dict) -> None:
    project.cluster.ask(f"scancel {job['JobId']}")


def requeued(project: Project, job: dict) -> None:
    project.cluster.ask(f"scontrol requeue {job['JobId']}")


def out_of_time(project: Project, job: dict) -> None:
    """The job's time limit ends long before its training would, on any machine."""
    training = training_of(project, job)
    training.suspend()
    # SLURM checks time limits every 30 s, sends the signal 60 s before, and SIGCONT with it.
    project.cluster.ask(f"scontrol update JobId={job['JobId']} TimeLimit=1")
    training.wait(60)


def eight_jobs_out_of_time(project: Project, job: dict) -> None:
    """More jobs than attempts after a failure; all except two get only the signal from SLURM."""
    network = project.network("baseA")
    out_of_time(project, job)
    for _ in range(6):
        job = job_at_work(project, beyond=trained_steps(network) + 20)
        training = training_of(project, job)
        project.cluster.ask(f"scancel --signal=TERM {job['JobId']}")
        training.wait(60)
    out_of_time(project, job_at_work(project, beyond=trained_steps(network) + 20))


def preempted(project: Project, job: dict) -> None:
    """A job of a partition with priority takes the node, and ends at once."""
    urgent = f"--partition=urgent --nodelist={job['NodeList']} --exclusive --time=1"
    project.cluster.ask(f"sbatch {urgent} --output=/dev/null --wrap=true")


def node_dead(project: Project, job: dict) -> None:
    project.cluster.kill_node(job["NodeList"])


def daemon_dead(project: Project, job: dict) -> None:
    """Only the daemon ends: the job starts again elsewhere while its training still runs."""
    training = training_of(project, job)
    # So that it has not ended when SLURM notices the lost node.
    training.suspend()
    project.cluster.kill_daemon(job["NodeList"])
    log = project.results / "logs" / "networks" / "random0" / "seed0" / "baseA.log"
    waiting = f"waiting for process {training.pid}"
    wait_until(lambda: log.exists() and waiting in log.read_text(), what=waiting)
    training.resume()


def controller_away(project: Project, job: dict) -> None:
    """Until Snakemake has asked without an answer, and the job has ended."""
    project.cluster.stop_controller()
    training_of(project, job).wait(TIMEOUT)
    wait_until(lambda: "SLURM does not answer" in project.log(), what="Snakemake to ask")
    project.cluster.start_controller()


def forgotten(project: Project, job: dict) -> None:
    """Snakemake is stopped until the controller has forgotten its job."""
    (snakemake,) = (p for p in psutil.Process().children() if "snakemake" in p.cmdline())
    snakemake.suspend()
    project.cluster.set("MinJobAge", 2)
    wait_until(lambda: not project.slurm_jobs(), what="the controller to forget")
    project.cluster.set("MinJobAge", 600)
    snakemake.resume()


def started(project: Project, *arguments: str) -> tuple[subprocess.Popen, dict]:
    """Snakemake while it trains baseA, after some steps, and the training's job."""
    shutil.rmtree(project.network("baseA"))
    project.write_study(recipe=RECIPE)
    return project.start(TARGET, *arguments), job_at_work(project, beyond=50)


def job_at_work(project: Project, beyond: int) -> dict:
    """The job that trains baseA, as soon as it has made this many steps."""
    network = project.network("baseA")
    wait_until(lambda: trained_steps(network) >= beyond, what=f"{beyond} steps of {network}")
    (job,) = (job for job in project.slurm_jobs() if job["JobState"] == "RUNNING")
    return job


def training_of(project: Project, job: dict) -> psutil.Process:
    (training,) = project.cluster.processes(job["NodeList"], "transferability", "train")
    return training


def ends_in_turn(network: Path) -> list[str]:
    """How each writer of a network ended; none began before the previous one had ended."""
    said = writers(network)
    for (_, end), (taken, _) in pairwise(said):
        # If a writer is gone, its successor records the end.
        assert end["how"] == "gone" or end["ended"] <= taken["taken"], said
    return [end["how"] for _, end in said]


@pytest.mark.parametrize(
    ("fault", "retries", "ends"),
    [
        pytest.param(cancelled, 1, ["interrupted", "finished"], id="scancel"),
        pytest.param(requeued, 0, ["interrupted", "finished"], id="scontrol requeue"),
        pytest.param(eight_jobs_out_of_time, 0, ["interrupted"] * 8 + ["finished"], id="nine jobs"),
        pytest.param(preempted, 0, ["interrupted", "finished"], id="preempted"),
        pytest.param(node_dead, 0, ["gone", "finished"], id="node dead"),
        pytest.param(daemon_dead, 0, ["finished", "finished"], id="slurmd dead, training alive"),
        pytest.param(controller_away, 0, ["finished"], id="job ended, controller away"),
        pytest.param(forgotten, 0, ["finished"], id="job ended, forgotten by SLURM"),
    ],
)
def test_a_training_continues_after(on_cluster, uninterrupted, fault, retries, ends):
    snakemake, job = started(on_cluster, "--retries", str(retries))
    fault(on_cluster, job)
    output, _ = snakemake.communicate(timeout=TIMEOUT)
    assert snakemake.returncode == 0, output
    assert ends_in_turn(on_cluster.network("baseA")) == ends
    assert results(on_cluster.network("baseA")) == results(uninterrupted)


def test_a_second_snakemake_continues_after_a_killed_one(on_cluster, uninterrupted):
    snakemake, _ = started(on_cluster)
    os.killpg(snakemake.pid, signal.SIGKILL)
    snakemake.communicate()
    on_cluster.succeed(TARGET)
    assert len(on_cluster.slurm_jobs()) == 2
    assert ends_in_turn(on_cluster.network("baseA")) == ["finished", "finished"]
    assert results(on_cluster.network("baseA")) == results(uninterrupted)


def test_a_training_continues_after_scancel_with_accounts(
    finished, uninterrupted, with_accounts, tmp_path
):
    project = Project.copied(tmp_path / "project", results_of=finished, cluster=with_accounts)
    project.edit_profile("# slurm_account: project", "slurm_account: study")
    snakemake, job = started(project)
    assert job["Account"] == "study"
    cancelled(project, job)
    output, _ = snakemake.communicate(timeout=TIMEOUT)
    assert snakemake.returncode == 0, output
    assert ends_in_turn(project.network("baseA")) == ["interrupted", "finished"]
    assert results(project.network("baseA")) == results(uninterrupted)
