"""Whether a study ends with the same numbers when its processes are killed again and again.

    python benchmarks/soak.py

The study runs in a temporary folder. At a fixed interval, one of its processes, Snakemake or any
below it, chosen at random, is killed (SIGKILL). When Snakemake has ended, the same command is run
again, until all is done. Then the study runs undisturbed in another folder, and the tables are
compared, except for measured times.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import machine
import pandas as pd
import psutil

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow")]

from project import Project
from test_workflow import NOT_RESULTS

from transferability.study import config

TABLES = ("networks", "evaluations", "differences", "effects", "boost")


def started(folder: Path, study: Path) -> subprocess.Popen:
    """Start Snakemake in a folder."""
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--cores", str(os.cpu_count())),
                *("--configfile", study),
            ],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def kind(process: psutil.Process) -> str:
    """The kind of a process, for the count of killed processes."""
    words = process.cmdline()
    if "transferability" in words:
        return words[words.index("transferability") + 1]
    return "snakemake" if "snakemake" in words else "another"


def harassed(folder: Path, study: Path, seconds: float, draw: random.Random) -> tuple[int, Counter]:
    """Run the study to its end while processes are killed; return how often it was started, and
    how often each kind of process was killed."""
    starts, killed = 1, Counter()
    snakemake = started(folder, study)
    while True:
        try:
            if snakemake.wait(seconds) == 0:
                return starts, killed
            snakemake, starts = started(folder, study), starts + 1
        except subprocess.TimeoutExpired:
            main = psutil.Process(snakemake.pid)
            victim = draw.choice([main, *main.children(recursive=True)])
            try:
                name = kind(victim)
                victim.kill()
            except psutil.NoSuchProcess:
                continue
            killed[name] += 1


def table(folder: Path, study: str, name: str) -> pd.DataFrame:
    read = pd.read_csv(folder / "results" / study / "tables" / f"{name}.csv")
    return read.drop(columns=NOT_RESULTS, errors="ignore")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?", default=ROOT / "config.yaml")
    parser.add_argument("--seconds", type=float, default=15, help="from one kill to the next")
    parser.add_argument("--seed", type=int, default=0, help="of what is killed")
    parser.add_argument("--against", type=Path, help="a folder where it ran in peace before")
    flags = parser.parse_args()
    study, name = flags.study.resolve(), config.read(flags.study)["study"]
    print(machine.described())
    with tempfile.TemporaryDirectory() as temporary:
        harried, quiet = Project.copied(Path(temporary, "killed")).folder, flags.against
        start = time.perf_counter()
        starts, killed = harassed(harried, study, flags.seconds, random.Random(flags.seed))
        took = time.perf_counter() - start
        what = ", ".join(f"{count} {kind}" for kind, count in killed.most_common())
        print(f"{name}: {took:.0f} s, {killed.total()} processes killed ({what}), {starts} starts")
        if quiet is None:
            quiet = Project.copied(Path(temporary, "quiet")).folder
            start = time.perf_counter()
            if started(quiet, study).wait():
                raise SystemExit((quiet / "log").read_text())
            print(f"in peace: {time.perf_counter() - start:.0f} s")
        for each in TABLES:
            pd.testing.assert_frame_equal(
                *(table(folder, name, each) for folder in (harried, quiet)), check_exact=True
            )
        print(f"equal: {', '.join(TABLES)}")


if __name__ == "__main__":
    main()
