"""How long Snakemake takes to plan a study whose images do not exist yet.

    python benchmarks/plan.py studies/paper.yaml

The goal is at most 5 s for the experiment of 2014. The processor time is less than the elapsed time
if the machine does other work at the same time.
"""

import argparse
import os
import resource
import statistics
import tempfile
from pathlib import Path

from dag import ROOT, Project, dry_run

GOAL = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?", default=ROOT / "studies" / "paper.yaml")
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many dry runs")
    flags = parser.parse_args()
    study = flags.study.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Project.copied(Path(temporary)).folder
        clock, processor = [], []
        for _ in range(flags.repeats):
            before = _processor_seconds()
            seconds, jobs = dry_run(folder, "--configfile", str(study))
            clock.append(seconds)
            processor.append(_processor_seconds() - before)
    print(f"{study.name}: {jobs} jobs, dry run, median of {flags.repeats}, {os.cpu_count()} cores")
    print(f"clock     {statistics.median(clock):6.2f} s    goal: at most {GOAL} s")
    print(f"processor {statistics.median(processor):6.2f} s")


def _processor_seconds() -> float:
    """The processor time of all ended programs that this one started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
