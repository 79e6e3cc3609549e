"""The whole study on a cluster: where its jobs ran, and the same numbers as on a laptop."""

import json
import shutil
import sys
from collections import Counter
from itertools import combinations

import pandas as pd
import pytest
from project import TIMEOUT, TINY, Project
from test_workflow import NOT_RESULTS, table
from waiting import wait_until

pytestmark = pytest.mark.full

TARGET = "results/tiny/networks/random0/seed0/baseA/metrics.json"
# The tables with the numbers of each network, or of each n.
TABLES = ("networks", "evaluations", "differences", "effects")
FOUR_BASES = [
    f"results/tiny/networks/random0/seed{seed}/base{half}/metrics.json"
    for seed in (1, 2)
    for half in "AB"
]


def of_training(job: dict) -> bool:
    return job["Comment"].startswith("rule_train_")


def ran_on(project: Project) -> dict[str, dict]:
    """For each network, by its file: the job that trained it, from its metrics."""
    files = project.results.glob("networks/*/*/*/metrics.json")
    return {
        str(file.relative_to(project.folder)): json.loads(file.read_text(encoding="utf-8"))["job"]
        for file in files
    }


def at_once(first: dict, second: dict) -> bool:
    return first["started"] <= second["ended"] and second["started"] <= first["ended"]


def test_the_whole_study(cluster, finished, tmp_path):
    project = Project.copied(tmp_path / "project", cluster=cluster)
    project.write_study(layers=[3])
    project.succeed()
    for name in TABLES:
        of_cluster, of_machine = (
            table(each, name).drop(columns=NOT_RESULTS, errors="ignore")
            for each in (project, finished)
        )
        # The study on the machine has other n too.
        rows = of_cluster[of_cluster.columns.intersection(["network", "effect", "n"])]
        of_machine = of_machine.merge(rows.drop_duplicates())
        pd.testing.assert_frame_equal(of_cluster, of_machine, check_exact=True)
    trained = ["A3B", "A3B+", "B3B", "B3B+", "R3B", "base2B", "baseA", "baseB"]
    assert sorted(table(project, "networks")["network"]) == trained

    jobs = {job["JobId"]: job for job in project.slurm_jobs()}
    trainings = {number: job for number, job in jobs.items() if of_training(job)}
    (other,) = [job["Comment"] for job in jobs.values() if not of_training(job)]
    assert other.startswith("rule_prepare_images")
    for job in jobs.values():
        assert job["JobState"] == "COMPLETED"
        assert job["Partition"] == ("gpu" if of_training(job) else "cpu")
        assert job.get("TresPerNode") == ("gres:gpu:1" if of_training(job) else None)
        # Exactly this environment, and no command that would set up or download one.
        script = cluster.ask(f"scontrol write batch_script {job['JobId']} -").splitlines()
        assert script[-1].startswith(f"{sys.executable} -m snakemake ")
    networks = ran_on(project)
    assert sorted(job["slurm_job_id"] for job in networks.values()) == sorted(trainings)
    for job in networks.values():
        assert job["slurm_node"] == trainings[job["slurm_job_id"]]["NodeList"]
        assert job["cuda_visible_devices"] in ("0", "1")
    for first, second in combinations(networks.values(), 2):
        same = ("slurm_node", "cuda_visible_devices")
        if [first[key] for key in same] == [second[key] for key in same]:
            assert not at_once(first, second), (first, second)


def test_four_trainings_share_two_gpus_by_shards(on_cluster):
    on_cluster.edit_profile('gres: f"gpu:{threads}"', "gres: shard:2")
    on_cluster.write_study(seeds=[1, 2])
    snakemake = on_cluster.start(*FOUR_BASES)
    wait_until(lambda: states(on_cluster) == ["RUNNING"] * 4 or snakemake.poll() is not None)
    assert states(on_cluster) == ["RUNNING"] * 4
    output, _ = snakemake.communicate(timeout=TIMEOUT)
    assert snakemake.returncode == 0, output
    networks = ran_on(on_cluster)
    shared = Counter(
        (networks[base]["slurm_node"], networks[base]["cuda_visible_devices"])
        for base in FOUR_BASES
    )
    assert list(shared.values()) == [2, 2], shared


def test_a_training_on_two_gpus_is_one_job_of_two_processes(on_cluster):
    shutil.rmtree(on_cluster.network("baseA"))
    on_cluster.write_study(recipe={**TINY["recipe"], "gpus": 2})
    on_cluster.succeed(TARGET)
    (job,) = on_cluster.slurm_jobs()
    assert (job["TresPerNode"], job["NumTasks"], job["NumCPUs"]) == ("gres:gpu:2", "1", "2")
    metrics = json.loads((on_cluster.network("baseA") / "metrics.json").read_text("utf-8"))
    assert metrics["gpus"] == 2
    assert metrics["job"]["cuda_visible_devices"] == "0,1"


def states(project: Project) -> list[str]:
    return [job["JobState"] for job in project.slurm_jobs()]


def submitted_once(project: Project, output: str) -> None:
    """One job trained each base, although Snakemake retries none, and its memory was not raised."""
    jobs = project.slurm_jobs()
    assert len(jobs) == len(FOUR_BASES), output
    assert len({job["MinMemoryNode"] for job in jobs}) == 1
    assert output.count("are submitted again until") == 1
    assert "guess" not in output


def test_jobs_beyond_a_limit_wait(finished, with_accounts, tmp_path):
    with_accounts.ask("sacctmgr --immediate modify user root set MaxSubmitJobs=1")
    project = Project.copied(tmp_path / "project", results_of=finished, cluster=with_accounts)
    project.write_study(seeds=[1, 2])
    output = project.succeed(*FOUR_BASES, "--retries", "0")
    assert "AssocMaxSubmitJobLimit" in output
    submitted_once(project, output)


def test_jobs_wait_for_an_unavailable_controller(on_cluster):
    on_cluster.write_study(seeds=[1, 2])
    on_cluster.cluster.stop_controller()
    snakemake = on_cluster.start(*FOUR_BASES, "--retries", "0")
    wait_until(lambda: "Unable to contact" in on_cluster.log(), what="a submission")
    on_cluster.cluster.start_controller()
    output, _ = snakemake.communicate(timeout=TIMEOUT)
    assert snakemake.returncode == 0, output
    submitted_once(on_cluster, output)


@pytest.mark.parametrize(
    ("right", "wrong", "words", "line"),
    [
        ("slurm_partition: gpu", "slurm_partition: gpus", "specified: gpus", "slurm_partition"),
        ('gres: f"gpu:{threads}"', "gres: gpu:a100:1", "not available", "gres, constraint, mem_mb"),
        ("# constraint: gpu80", "constraint: gpu80", "Invalid feature", "constraint"),
    ],
)
def test_a_refusal_by_the_cluster_names_the_line_to_change(on_cluster, right, wrong, words, line):
    shutil.rmtree(on_cluster.network("baseA"))
    on_cluster.edit_profile(right, wrong)
    status, output = on_cluster.run(TARGET, "--retries", "0")
    assert status != 0
    assert words in output
    assert f"What to change in profiles/slurm/profile.yaml: {line}" in output
    assert not on_cluster.network("baseA").exists()


def test_an_account_unknown_to_the_cluster_is_reported(finished, with_accounts, tmp_path):
    project = Project.copied(tmp_path / "project", results_of=finished, cluster=with_accounts)
    shutil.rmtree(project.network("baseA"))
    project.edit_profile("# slurm_account: project", "slurm_account: nobody")
    status, output = project.run(TARGET, "--retries", "0")
    assert status != 0
    assert "nobody appears to be invalid" in output
    assert "What to change in profiles/slurm/profile.yaml: slurm_account" in output
