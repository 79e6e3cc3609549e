"""How long a training takes to start and end, compared with `import torch` alone.

    python benchmarks/start.py

A training of one epoch on scikit-learn's digits is timed from the start of its process to the end,
minus the seconds that its steps took.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import drawn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.study import config


def timed(*arguments: str) -> float:
    """Seconds that a new Python process takes, on one thread."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, env=environment, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many pairs")
    flags = parser.parse_args()
    digits = config.read(ROOT / "studies" / "digits.yaml")
    recipe = {**digits.recipe_of("random0", 0, "baseB"), "epochs": 1}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images, split = drawn.store_and_split(digits["dataset"], folder)
        ratios = []
        for repeat in range(flags.repeats):
            to = folder / str(repeat)
            command = drawn.training({**digits, "recipe": recipe}, images, split, 0, to)
            whole = timed("-m", "transferability", *command)
            steps = json.loads((to / "metrics.json").read_text(encoding="utf-8"))["seconds"]
            torch_alone = timed("-c", "import torch")
            ratios.append((whole - steps) / torch_alone)
            print(f"start {whole - steps:.2f} s, import torch {torch_alone:.2f} s")
    print(f"ratio {statistics.median(ratios):.2f}, median of {flags.repeats}")


if __name__ == "__main__":
    main()
