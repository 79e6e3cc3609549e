"""How long CaffeNet's local response normalisation takes, compared with torch's own.

    python benchmarks/normalisation.py

The outputs of conv1 for 64 images of 227 × 227 are normalised in each precision, on one thread or,
if there is one, on the GPU: the values, then values and gradients. Then a whole training step of
CaffeNet is timed with each.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import machine
import torch
import turns
from torch import nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.records import plan
from transferability.study import config
from transferability.training import device as devices
from transferability.training import loop
from transferability.training.trainer import Trainer

CLASSES = 500
OURS, TORCHS = "this project", "torch"


def run_of(checked: dict, normalisation: str) -> Trainer:
    """A training of CaffeNet on noise, with our normalisation or with torch's own."""
    run = plan.on_noise(checked, CLASSES, frozen=0)
    if normalisation == TORCHS:
        for layer in run.network:
            for place, part in enumerate(layer):
                if isinstance(part, nn.LocalResponseNorm):
                    settings = part.size, part.alpha, part.beta, part.k
                    layer[place] = nn.LocalResponseNorm(*settings)
    return run


def normalise(features: torch.Tensor, gradient: torch.Tensor | None, run: Trainer) -> None:
    """Normalise features as conv1 does, and propagate the gradient back if one is given."""
    with torch.set_grad_enabled(gradient is not None), run.autocast():
        normalised = run.network[0][-1](features)
    if gradient is not None:
        normalised.backward(gradient.to(normalised.dtype))
        features.grad = None
    if features.device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many turns")
    parser.add_argument("--batch", type=int, default=64, help="images in a step")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    devices.keep_freed()
    checked = config.read(ROOT / "studies" / "paper.yaml")
    checked["recipe"] = {**checked["recipe"], "batch_size": flags.batch}
    device = devices.choose_device(checked["recipe"]["device"])
    print(machine.described())
    print(devices.describe(device))
    for precision in ("fp32", "bf16"):
        checked["recipe"]["precision"] = precision
        runs = {name: run_of(checked, name) for name in (OURS, TORCHS)}
        generator = torch.Generator().manual_seed(0)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        features = 50 * torch.randn(flags.batch, 96, 27, 27, generator=generator).relu()
        features = features.to(device, dtype, memory_format=devices.memory_format(device))
        features.requires_grad_()
        gradient = torch.randn_like(features)
        parts = {
            "values": partial(normalise, features, None),
            "values and gradients": partial(normalise, features, gradient),
            "a step of CaffeNet": partial(loop.train_one_epoch, deadline=0.0),
        }
        for part, work in parts.items():
            actions = {name: partial(work, run) for name, run in runs.items()}
            measured = turns.take_turns(actions, flags.batch, flags.repeats)
            turns.print_table(f"{part}, {precision}", measured, TORCHS)


if __name__ == "__main__":
    main()
