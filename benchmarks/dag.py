"""How long Snakemake takes to plan a study of many networks, and to plan as many plain jobs.

    python benchmarks/dag.py --networks 5000

The bare workflow has the same jobs, files and dependencies, in rules with wildcards and nothing
else: no study, params, logs or environments. These cost the additional time of the project's own
workflow; the goal is a ratio of at most 1.5.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow")]

from project import Project

from transferability.study import config
from transferability.study.networks import parse_name

SEEDS = 10
LAYERS = 8
GOAL = 1.5

RULES = """
ARRAYS = ["images/" + part + "." + kind + ".npy"
          for part in ("train", "validation") for kind in ("images", "labels")]
REPLICATES = [(split, seed) for split in {splits} for seed in {seeds}]
EVERY = [f"networks/{{split}}/seed{{seed}}/{{network}}/"
         for split, seed in REPLICATES for network in {networks}]

wildcard_constraints:
    split="random[0-9]+",
    seed="[0-9]+",

rule all:
    input: {tables}, {figures}, {pages}, "findings.html", "METHODS.md"

rule prepare_images:
    output: "images/manifest.json", "images/classes.csv", ARRAYS
    shell: "touch {{output}}"

rule split_classes:
    input: "images/manifest.json", "images/classes.csv"
    output: "splits/{{split}}.csv"
    shell: "touch {{output}}"

rule collect_networks:
    input: [network + "metrics.json" for network in EVERY]
    output: "tables/networks.csv", "tables/evaluations.csv",
        "tables/networks.html", "tables/evaluations.html"
    shell: "touch {{output}}"

rule estimate_effects:
    input: "tables/networks.csv", "images/validation.labels.npy"
    output: "tables/differences.csv", "tables/effects.csv", "tables/boost.csv",
        "tables/differences.html", "tables/effects.html", "tables/boost.html", "findings.html"
    shell: "touch {{output}}"

rule write_methods:
    input: [network + "metrics.json" for network in EVERY],
        "tables/effects.csv", "tables/boost.csv"
    output: "METHODS.md"
    shell: "touch {{output}}"
"""
TRAINING = """
rule {name}:
    input: "images/manifest.json", ARRAYS, "splits/{{split}}.csv", {base}
    output: "{folder}/metrics.json", "{folder}/history.jsonl", "{folder}/predictions.npy", {weights}
    shell: "touch {{output}}"
"""
SHOWN = """
rule {name}:
    input: {inputs}
    output: {outputs}
    shell: "touch {{output}}"
"""


def many_replicates(networks: int) -> dict:
    """The default study with enough random splits, of ten seeds each, for this many networks."""
    one = config.read(ROOT / "config.yaml")
    of_a_replicate = len(one.network_names)
    splits = -(-networks // (of_a_replicate * SEEDS))
    return {"study": "many", "splits": {"random": splits}, "seeds": list(range(SEEDS))}


def bare_workflow(checked: dict) -> str:
    """A Snakefile with the jobs of a study of random splits, with files and nothing else."""
    replicate = "networks/{split}/seed{seed}"
    networks = checked.network_names
    tables = {
        name: f"tables/{name}.csv"
        for name in ("networks", "evaluations", "differences", "effects", "boost")
    }
    bases = [name for name in networks if parse_name(name).kind == "base"]
    figures = {
        "transfer": [tables["networks"]],
        "effects": [tables["effects"]],
        "boost": [tables["boost"]],
        "filters": [f"networks/random0/seed0/{base}/weights.safetensors" for base in bases],
        "learning_curves": [tables["networks"], tables["evaluations"]],
        "cost": [tables["networks"]],
        "dissimilar": [tables["networks"], tables["effects"]],
    }
    drawings = {
        name: [f"figures/{name}.{suffix}" for suffix in ("svg", "pdf", "png")] for name in figures
    }
    for name in ("transfer", "effects"):
        drawings[name].append(f"figures/{name}.html")
    text = RULES.format(
        splits=checked.split_names,
        seeds=checked["seeds"],
        networks=networks,
        tables=list(tables.values()),
        pages=[table.replace(".csv", ".html") for table in tables.values()],
        figures=[file for files in drawings.values() for file in files],
    )
    for name, base, pattern in _trainings(networks):
        folder = f"{replicate}/{{network,{pattern}}}"
        files = [f"{replicate}/{base}/{file}" for file in ("metrics.json", "weights.safetensors")]
        weights = f'"{folder}/weights.safetensors"' if name == "train_base" else ""
        text += TRAINING.format(
            name=name, base=files if base else [], folder=folder, weights=weights
        )
    for name, inputs in figures.items():
        text += SHOWN.format(name=f"plot_{name}", inputs=inputs, outputs=drawings[name])
    return text


def _trainings(networks: list[str]) -> Iterator[tuple[str, str | None, str]]:
    """One rule for the bases and one for the treatments of each base: name, base, networks."""
    yield "train_base", None, "base.+"
    treatments = [name for name in networks if not parse_name(name).is_base]
    for base in dict.fromkeys(parse_name(name).base for name in treatments):
        names = [name for name in treatments if parse_name(name).base == base]
        pattern = "|".join(name.replace("+", "[+]") for name in names)
        yield f"train_from_{base or 'nothing'}", base, pattern


def dry_run(folder: Path, *arguments: str) -> tuple[float, int]:
    """The seconds of a dry run, and the number of its jobs."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", *arguments]
    start = time.perf_counter()
    # Snakemake's own text, which contains the number of jobs.
    environment = {**os.environ, "PLAIN": "1"}
    run = subprocess.run(command, cwd=folder, text=True, capture_output=True, env=environment)
    seconds = time.perf_counter() - start
    if run.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{run.stdout}{run.stderr}")
    totals = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("total ")]
    return seconds, int(totals[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=5000, help="at least so many")
    parser.add_argument("--repeats", type=int, default=3, help="the median of so many dry runs")
    flags = parser.parse_args()
    many = many_replicates(flags.networks)
    with tempfile.TemporaryDirectory() as temporary:
        ours, bare = Project.copied(Path(temporary, "ours")).folder, Path(temporary, "bare")
        bare.mkdir()
        (ours / "study.yaml").write_text(yaml.safe_dump(many), encoding="utf-8")
        bare_snakefile = bare_workflow(config.complete(many))
        (bare / "Snakefile").write_text(bare_snakefile, encoding="utf-8")
        times: dict[str, list[float]] = {"this workflow": [], "bare": []}
        jobs = {}
        # In turns, so that other work on the machine slows down both.
        for _ in range(flags.repeats):
            for name, folder, arguments in (
                ("this workflow", ours, ["--configfile", "study.yaml"]),
                ("bare", bare, []),
            ):
                seconds, jobs[name] = dry_run(folder, *arguments)
                times[name].append(seconds)
    if len(set(jobs.values())) != 1:
        sys.exit(f"The two are no longer the same jobs: {jobs}")
    median = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"{jobs['bare']} jobs, dry run, median of {flags.repeats}, {os.cpu_count()} cores")
    for name, seconds in median.items():
        print(f"{name:14} {seconds:6.2f} s")
    print(f"{'ratio':14} {median['this workflow'] / median['bare']:6.2f}    goal: at most {GOAL}")


if __name__ == "__main__":
    main()
