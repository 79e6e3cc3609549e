"""How much faster bf16 is than fp32 on this machine.

    python benchmarks/precision.py                          glyphs100, on one thread
    python benchmarks/precision.py studies/cifar100.yaml    any other, without its images

Some epochs of a base on noise, and its evaluations, are timed in turns. `auto` uses bf16 where this
ratio should be more than 1.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import machine
import torch
import turns

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.records import plan
from transferability.study import config
from transferability.training import device as devices
from transferability.training import loop
from transferability.training.trainer import Trainer


def learn(run: Trainer, epochs: int) -> None:
    for _ in range(epochs):
        loop.train_one_epoch(run)


def evaluate(run: Trainer, times: int) -> None:
    for _ in range(times):
        loop.evaluate(run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, nargs="?", default=ROOT / "studies" / "glyphs100.yaml")
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many turns")
    parser.add_argument("--epochs", type=int, default=20, help="of noise, in each turn")
    parser.add_argument("--classes", type=int, default=50, help="of a half")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    devices.keep_freed()
    checked = config.read(flags.study)
    device = devices.choose_device(checked["recipe"]["device"])
    print(machine.described())
    print(f"{devices.describe(device)}; auto: {devices.choose_precision('auto', device)}")
    runs, images = {}, 0
    for precision in ("bf16", "fp32"):
        wanted = {**checked, "recipe": {**checked["recipe"], "precision": precision}}
        run = plan.on_noise(wanted, flags.classes, frozen=0)
        runs[precision], images = run, flags.epochs * len(run.learned)
    for title, work in (("a step of a base", learn), ("evaluation", evaluate)):
        actions = {precision: partial(work, run, flags.epochs) for precision, run in runs.items()}
        turns.print_table(title, turns.take_turns(actions, images, flags.repeats), "fp32")


if __name__ == "__main__":
    main()
