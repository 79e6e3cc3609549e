"""What a cluster adds to a study: waiting between its levels, and requests to the controller.

    python benchmarks/slurm.py --levels        waits, with profiles/slurm as shipped
    python benchmarks/slurm.py --networks 200  many networks of one step each
    python benchmarks/slurm.py --ways 500      500 networks of a second each, one job per network
                                               and in two allocations; each way, four at a time

It starts a SLURM on this machine, as the tests do (with accounts only for --ways). This needs
root.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from machine import described

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow")]

from cluster import Cluster, running
from project import TINY, Project

EPOCHS_A_SECOND = 60
"""Epochs per second of a training of the tiny study, alone on a core."""
LEVELS = ("prepare_images", "train_base", "train_treatment")
NETWORKS_A_SEED = 4
FEW = {"layers": [3], "treatments": ["selffer", "transfer"], "controls": ["baseB", "B0B"]}
# Snakemake's requests to the controller: submissions, squeue, scontrol; others are SLURM's own.
ASKED = re.compile(
    r"^\s*(REQUEST_(?:SUBMIT_BATCH_JOB|JOB_INFO|BUILD_INFO|PARTITION_INFO))\b.*? count:(\d+)",
    re.MULTILINE,
)


def ran(cluster: Cluster, folder: Path, **study) -> tuple[Project, float]:
    """A project whose study has run on the cluster, and the seconds that this took."""
    project = Project.copied(folder, cluster=cluster)
    project.write_study(**FEW, **study)
    cluster.ask("sdiag --reset")
    start = time.perf_counter()
    snakemake = project.start()
    output, _ = snakemake.communicate()
    if snakemake.returncode:
        sys.exit(output)
    return project, time.perf_counter() - start


def when(job: dict, what: str) -> datetime:
    return datetime.fromisoformat(job[what])


def report_levels(cluster: Cluster, folder: Path) -> None:
    """Print how long each level of the graph waited for the one before it."""
    # About 10 s each, alone on a core.
    recipe = {**TINY["recipe"], "epochs": 300, "augment": ["crop"]}
    project, seconds = ran(cluster, folder, recipe=recipe)
    levels = [
        [job for job in project.slurm_jobs() if job["Comment"].startswith(f"rule_{rule}")]
        for rule in LEVELS
    ]
    for (before, after), rule in zip(pairwise(levels), LEVELS[1:], strict=True):
        ended = max(when(job, "EndTime") for job in before)
        wait = min(when(job, "StartTime") for job in after) - ended
        print(f"{rule} began {wait.total_seconds():.0f} s after the level before it    goal: 15 s")
    longest = 0.0
    for names in (("baseA", "baseB"), ("B3B", "A3B")):
        longest += max(metrics(project, name)["seconds"] for name in names)
    print(f"the study took {seconds:.0f} s, {seconds - longest:.0f} s beyond its trainings' own")


def metrics(project: Project, network: str) -> dict:
    text = (project.network(network) / "metrics.json").read_text(encoding="utf-8")
    return json.loads(text)


def report_many(cluster: Cluster, folder: Path, networks: int) -> None:
    """Print the requests to the controller while this many short trainings ran."""
    seeds = list(range(-(-networks // NETWORKS_A_SEED)))
    recipe = {**TINY["recipe"], "iterations": 1}
    project, seconds = ran(cluster, folder, seeds=seeds, recipe=recipe)
    trained = len(list(project.results.glob("networks/*/*/*/metrics.json")))
    counts = {name: int(count) for name, count in ASKED.findall(cluster.ask("sdiag"))}
    print(f"{trained} networks in {seconds:.0f} s, jobs: 50, without accounts")
    for name, count in counts.items():
        print(f"{name:28} {count:6} {count / seconds:6.2f} a second")
    print(f"{'all':28} {sum(counts.values()):6} {sum(counts.values()) / seconds:6.2f} a second")


def report_ways(cluster: Cluster, folder: Path, networks: int, minutes: float) -> None:
    """Print the time of short trainings, with one job per network and in two allocations."""
    seeds = list(range(-(-networks // NETWORKS_A_SEED)))
    recipe = {**TINY["recipe"], "epochs": EPOCHS_A_SECOND, "augment": ["crop"]}
    profile, allocation = "profiles/slurm/profile.yaml", "profiles/slurm/allocation.sh"
    for way in ("jobs", "allocations"):
        project = Project.copied(folder / way, cluster=cluster)
        project.write_study(**FEW, seeds=seeds, recipe=recipe)
        prepared = ("--omit-from", "train_base", "train_treatment", "train_source")
        replace(project, cluster=None).succeed(*prepared)
        script = project.folder / allocation
        script.write_text(script.read_text("utf-8").replace("at_once=16", "at_once=2"), "utf-8")
        start, before = time.perf_counter(), processor_seconds(cluster)
        if way == "jobs":
            command = f"{sys.executable} -m snakemake --workflow-profile {Path(profile).parent}"
            command += " --config share=1/1"
        else:
            environment = f"ALL,UV_PROJECT={ROOT}"
            command = f"sbatch --wait --array=1-2 --gres=gpu:2 --export={environment} {allocation}"
        run = subprocess.Popen(
            [*command.split(), "--configfile", "study.yaml"],
            cwd=project.folder,
            env=cluster.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with suppress(subprocess.TimeoutExpired):
            run.wait(60 * minutes)
        seconds = time.perf_counter() - start
        files = list(project.results.glob("networks/*/*/*/metrics.json"))
        run.kill()
        run.wait()
        cluster.clear()
        spent = processor_seconds(cluster) - before
        done = len(files)
        if not files:
            sys.exit(f"{way}: none was trained in {seconds:.0f} s; raise --minutes")
        own = sum(json.loads(file.read_text("utf-8"))["seconds"] for file in files)
        print(f"{way}: {done} trainings in {seconds:.0f} s, {3600 * done / seconds:.0f} an hour")
        print(f"    of each {own / done:.2f} s training, {spent / done:.2f} s of processor in all")


def processor_seconds(cluster: Cluster) -> float:
    """The processor time of the cluster's jobs, and of this process's finished children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    options = "--noheader --parsable2 --format=JobID,TotalCPU --starttime=now-1days"
    rows = [line.split("|") for line in cluster.ask(f"sacct {options}").splitlines()]
    # [days-][hours:]minutes:seconds; steps, with a dot, are included in the sums of their jobs.
    parts = [re.split("[-:]", time)[::-1] for job, time in rows if "." not in job]
    return (
        used.ru_utime
        + used.ru_stime
        + sum(
            float(part) * unit
            for line in parts
            for part, unit in zip(line, (1, 60, 3600, 86400), strict=False)
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--levels", action="store_true", help="waits between levels")
    what.add_argument("--networks", type=int, help="so many networks of one step")
    what.add_argument("--ways", type=int, help="so many networks of a second, both ways")
    parser.add_argument("--minutes", type=float, default=15, help="the longest time of a way")
    flags = parser.parse_args()
    print(described())
    with tempfile.TemporaryDirectory() as temporary, running(bool(flags.ways)) as cluster:
        if flags.levels:
            report_levels(cluster, Path(temporary, "project"))
        elif flags.ways:
            report_ways(cluster, Path(temporary), flags.ways, flags.minutes)
        else:
            report_many(cluster, Path(temporary, "project"), flags.networks)


if __name__ == "__main__":
    main()
