"""How much faster several trainings on one device are than one at a time.

    python benchmarks/sharing.py                                      studies/glyphs100.yaml's baseB
    python benchmarks/sharing.py studies/glyphs1000.yaml --together 1 2 4 8

Several trainings of baseB, each in a separate process with another seed, start at the same time;
images per second are those of all of them, from the start of the first to the end of the last. A
small network leaves most of a large GPU idle, so trainings that share it should add up; on a
processor each needs a core.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import drawn
import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.study import config

COMMAND = (sys.executable, "-m", "transferability")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"}


def trained_together(count: int, words: Callable, place: Path) -> list[dict]:
    """Run this many trainings at the same time; return the metrics of each."""
    folders = [Path(tempfile.mkdtemp(dir=place)) for _ in range(count)]
    processes = []
    for seed, folder in enumerate(folders):
        with (folder / "log").open("wb") as log:
            command = [*COMMAND, *words(seed, folder)]
            processes.append(subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log))
    # Wait for each, even if others fail.
    failed = [process for process in processes if process.wait()]
    if failed:
        sys.exit("\n".join((folder / "log").read_text(encoding="utf-8") for folder in folders))
    return [json.loads((folder / "metrics.json").read_text("utf-8")) for folder in folders]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?", default=ROOT / "studies" / "glyphs100.yaml")
    parser.add_argument("--together", type=int, nargs="+", default=[1, 2, 4], metavar="trainings")
    parser.add_argument("--epochs", type=int, help="instead of the study's")
    flags = parser.parse_args()
    checked = config.read(flags.study)
    recipe = checked.recipe_of("random0", 0, "baseB")
    recipe["epochs"] = flags.epochs or recipe["epochs"]
    print(machine.described())
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        images, split = drawn.store_and_split(checked["dataset"], place)
        words = partial(drawn.training, {**checked, "recipe": recipe}, images, split)
        # This reads the files into the system's memory, and CUDA compiles its kernels once.
        trained_together(1, words, place)
        alone = None
        print(f"{'trainings':>9}{'seconds':>9}{'images/s':>10}{'times one':>11}{'of steps':>10}")
        for count in sorted({1, *flags.together}):
            start = time.perf_counter()
            found = trained_together(count, words, place)
            seconds = time.perf_counter() - start
            seen = sum(metrics["images_seen"] for metrics in found)
            rates = seen / seconds, sum(metrics["images_per_second"] for metrics in found)
            alone = alone or rates
            times, of_steps = (rate / one for rate, one in zip(rates, alone, strict=True))
            print(f"{count:9}{seconds:9.1f}{rates[0]:10,.0f}{times:11.2f}{of_steps:10.2f}")
        print(f"on {found[0]['device']}, in {found[0]['precision']}")


if __name__ == "__main__":
    main()
