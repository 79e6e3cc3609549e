"""Whether a study's effects are the same when its networks are trained in fp32.

    python benchmarks/agreement.py

The study runs in two folders: unchanged, which uses bf16 if the processor or GPU is fast at it, and
in fp32. Rounding alone changes each training as another seed does. Effects are therefore compared
by their intervals, which include the noise of training only if there are several replicates.
"""

import argparse
import tempfile
import time
from pathlib import Path

import machine
import yaml
from soak import ROOT, Project, started, table

from transferability.study import config

PRECISIONS = ("auto", "fp32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?", default=ROOT / "studies" / "glyphs100.yaml")
    flags = parser.parse_args()
    checked = config.read(flags.study)
    print(machine.described())
    with tempfile.TemporaryDirectory() as temporary:
        effects, networks = [], []
        for precision in PRECISIONS:
            folder = Project.copied(Path(temporary, precision)).folder
            checked["recipe"]["precision"] = precision
            study = folder / "study.yaml"
            study.write_text(yaml.safe_dump(checked, sort_keys=False), encoding="utf-8")
            start = time.perf_counter()
            if started(folder, study).wait():
                raise SystemExit((folder / "log").read_text(encoding="utf-8"))
            networks.append(table(folder, checked["study"], "networks"))
            effects.append(table(folder, checked["study"], "effects"))
            used = ", ".join(sorted(set(networks[-1]["precision"])))
            print(f"{precision} ({used}): {time.perf_counter() - start:.0f} s")
    as_it_is, plain = effects
    both = as_it_is["mean"].notna() & plain["mean"].notna()
    as_it_is, plain = as_it_is[both], plain[both]
    inside = plain["mean"].between(as_it_is["low"], as_it_is["high"])
    meet = (as_it_is["low"] <= plain["high"]) & (plain["low"] <= as_it_is["high"])
    apart = (plain["mean"] - as_it_is["mean"]).abs()
    top1 = (networks[1]["top1"] - networks[0]["top1"]).abs()
    print(
        f"{len(both)} effects: the intervals of {meet.sum()} meet, and {inside.sum()} of those in"
    )
    print(f"fp32 lie within the interval of the study as it is; they are {apart.mean():.4f} apart")
    print(f"in the mean, {apart.max():.4f} at most. Networks: top-1 {top1.mean():.4f} apart in the")
    print(f"mean, {top1.max():.4f} at most")


if __name__ == "__main__":
    main()
