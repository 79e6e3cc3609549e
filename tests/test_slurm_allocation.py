"""Many trainings in a few allocations of a cluster: profiles/slurm/allocation.sh on SLURM."""

import os
from dataclasses import replace
from datetime import datetime

import pytest
from project import ROOT, TINY, Project
from test_interruption import trained_steps
from waiting import ends, wait_until

pytestmark = pytest.mark.full

NODES = 2
STUDY = {
    "seeds": [1, 2],
    "layers": [0, 3],
    "treatments": ["transfer"],
    "controls": ["baseB", "B0B"],
}
NAMES = {"baseA", "baseB", "B0B", "A3B"}
LONG = {**TINY["recipe"], "epochs": 150, "evaluate_every": 50, "augment": ["crop"]}


@pytest.fixture
def prepared(cluster, tmp_path) -> Project:
    """A project with images and splits, and without networks."""
    project = Project.copied(tmp_path / "project", cluster=cluster)
    project.write_study(**STUDY)
    on_login_node = replace(project, cluster=None)
    on_login_node.succeed("--omit-from", "train_base", "train_treatment", "train_source")
    return project


def submitted(project: Project) -> list[dict]:
    """The jobs that the documented command submits, for the nodes of this cluster."""
    flags = f"--array=1-{NODES} --gres=gpu:2 --export=ALL,UV_PROJECT={ROOT}"
    script = "profiles/slurm/allocation.sh --configfile study.yaml"
    before = {job["JobId"] for job in project.slurm_jobs()}
    folder = os.getcwd()
    os.chdir(project.folder)
    try:
        project.cluster.ask(f"sbatch {flags} {script}")
    finally:
        os.chdir(folder)
    wait_until(lambda: len(project.slurm_jobs()) == len(before) + NODES, what="the jobs")
    return [job for job in project.slurm_jobs() if job["JobId"] not in before]


def ended(project: Project, jobs: list[dict]) -> list[str]:
    """The final states of these jobs."""
    names = {job["JobId"] for job in jobs}

    def states() -> list[str]:
        return [job["JobState"] for job in project.slurm_jobs() if job["JobId"] in names]

    wait_until(lambda: {*states()} <= {"COMPLETED", "FAILED", "TIMEOUT"}, what="their end")
    return states()


def said(project: Project) -> str:
    files = sorted((project.folder / ".snakemake").glob("allocation-*.log"))
    return "".join(file.read_text(encoding="utf-8") for file in files)


def folders(project: Project) -> list:
    return [
        project.results / "networks" / "random0" / f"seed{seed}" / name
        for seed in STUDY["seeds"]
        for name in sorted(NAMES)
    ]


def test_allocations_divide_a_study(prepared):
    jobs = submitted(prepared)
    assert ended(prepared, jobs) == ["COMPLETED"] * NODES, said(prepared)
    assert [ends(folder) for folder in folders(prepared)] == [["finished"]] * len(folders(prepared))
    # No training is left for the login node.
    count = len(prepared.slurm_jobs())
    prepared.succeed("results/tiny/tables/networks.csv")
    assert len(prepared.slurm_jobs()) == count


def test_the_next_allocation_continues(prepared):
    prepared.write_study(**STUDY, recipe=LONG)
    jobs = submitted(prepared)
    bases = [folder for folder in folders(prepared) if folder.name.startswith("base")]
    wait_until(lambda: all(trained_steps(folder) > 0 for folder in bases), what="the bases")
    for job in prepared.slurm_jobs():
        for training in prepared.cluster.processes(job["NodeList"], "-m", "transferability"):
            # Stopped until SLURM, which checks limits every 30 s, sends the signal with SIGCONT.
            training.suspend()
        began = datetime.fromisoformat(job["StartTime"])
        limit = 3 + (datetime.now() - began).seconds // 60
        prepared.cluster.ask(f"scontrol update JobId={job['JobId']} TimeLimit={limit}")
    # On a slow machine a node may not have ended a minute after the signal.
    assert {*ended(prepared, jobs)} <= {"FAILED", "TIMEOUT"}, said(prepared)
    assert [ends(folder) for folder in bases] == [["interrupted"]] * len(bases)
    assert ended(prepared, submitted(prepared)) == ["COMPLETED"] * NODES, said(prepared)
    assert [ends(folder)[-1] for folder in folders(prepared)] == ["finished"] * 8
