"""Time and memory that tables, findings and figures of many networks need.

    python benchmarks/aggregation.py --networks 5000

The script makes up metrics and histories of that many networks, with the default study's networks
in each (split, seed). Then the commands of the analysis run one after the other, each in a new
process. The goal is 30 s in total and 1 GB each. Reading the files alone is timed too.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.storage.network_folder import read_history
from transferability.study import config
from transferability.study.design import Study
from transferability.study.networks import parse_name

SEEDS, LAYERS = 8, 8
GOAL_SECONDS, GOAL_BYTES = 30.0, 10**9
FIGURES = {
    "transfer": "table",
    "effects": "effects",
    "boost": "boost",
    "learning_curves": "table",
    "cost": "table",
}


def made_up(name: str, evaluations: int, draw: random.Random) -> tuple[dict, list[dict]]:
    """Metrics and history of a network, as a training writes them."""
    network = parse_name(name)
    top1 = 0.9 - 0.01 * network.n * (not network.fine_tuned) + draw.gauss(0, 0.01)
    history = [
        {
            **{"epoch": k, "iteration": 156 * k, "learning_rate": 0.01, "train_loss": 1 / k},
            **{"top1": top1 - 0.3 / k, "top5": top1, "loss": 1 / k, "images_seen": 10_000 * k},
            "seconds": float(k),
        }
        for k in range(1, evaluations + 1)
    ]
    of_halves = dict.fromkeys(("top1", "top1_selection", "top1_reporting"), top1)
    measured = {**of_halves, "top5": min(1.0, top1 + 0.05), "loss": 0.4, "train_loss": 0.3}
    speed = {"images_seen": 120_000, "seconds": 12.0 - network.n}
    speed["images_per_second"] = speed["images_seen"] / speed["seconds"]
    made_by = {"device": "cpu", "precision": "fp32", "validation_images": 2500, "classes": 50}
    made_by |= {"chance": 0.02, "learned": True, "trainable_parameters": 1000}
    made_by |= {"layer_names": ["layer"] * LAYERS, "identity": {"torch": "2", "code": "0"}}
    return {**measured, **speed, **made_by}, history


def run(*arguments: object) -> tuple[float, int]:
    """Run a command of the library; return its seconds and its peak memory in bytes."""
    command = [sys.executable, "-m", "transferability", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    start = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, environment)
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{arguments[0]} failed")
    return time.perf_counter() - start, used.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=5000, help="about so many")
    parser.add_argument("--evaluations", type=int, default=20, help="of each network")
    flags = parser.parse_args()
    study, draw = config.read(ROOT / "config.yaml"), random.Random(0)
    splits = max(1, flags.networks // len(study.network_names) // SEEDS)
    many = {"splits": {**study["splits"], "random": splits}, "seeds": [*range(SEEDS)]}
    study = Study({**study, **many})
    with tempfile.TemporaryDirectory() as temporary:
        results = Path(temporary)
        config.write(study, results / "study.yaml")
        folders = [
            results / "networks" / split / f"seed{seed}" / name
            for split, seed, name in study.trained
        ]
        for folder in folders:
            folder.mkdir(parents=True)
            metrics, history = made_up(folder.name, flags.evaluations, draw)
            (folder / "metrics.json").write_text(json.dumps(metrics))
            lines = "".join(f"{json.dumps(line)}\n" for line in history)
            (folder / "history.jsonl").write_text(lines)
        print(machine.described())
        print(f"{len(folders)} networks of {flags.evaluations} evaluations each\n")

        start = time.perf_counter()
        for folder in folders:
            json.loads((folder / "metrics.json").read_text())
            read_history(folder / "history.jsonl")
        print(f"{'reading the files alone':24}{time.perf_counter() - start:8.1f} s")

        tables = {"table": results / "networks.csv"}
        tables |= {name: results / f"{name}.csv" for name in ("effects", "boost")}
        evaluations = results / "evaluations.csv"
        commands = {
            "collect-networks": [
                *("--study", results / "study.yaml"),
                *("--table", tables["table"]),
            ],
            "estimate-effects": [
                *("--table", tables["table"], "--results", results, "--margin", study["margin"]),
                *("--page", results / "findings.html"),
            ],
        }
        for figure, table in FIGURES.items():
            inputs = [tables[table]] + [evaluations] * (figure == "learning_curves")
            commands[f"plot {figure}"] = [*inputs, "--figure", results / figure]
        seconds, most = 0.0, 0
        for command, arguments in commands.items():
            took, memory = run(*command.split(), *arguments)
            print(f"{command:24}{took:8.1f} s{memory / 1e6:8.0f} MB")
            seconds, most = seconds + took, max(most, memory)
        print(f"{'in all':24}{seconds:8.1f} s{most / 1e6:8.0f} MB at most")
        print(f"{'goal':24}{GOAL_SECONDS:8.1f} s{GOAL_BYTES / 1e6:8.0f} MB")


if __name__ == "__main__":
    main()
