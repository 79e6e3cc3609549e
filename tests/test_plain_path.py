"""The optimisations of training change only rounding: a step is compared with one written plainly,
in fp32 and torch's default memory format, with images one by one and without caches."""

import numpy as np
import pytest
import torch
from test_training import Recorder
from torch import nn
from torch.nn import functional as F

from transferability.images import class_splits
from transferability.images import store as image_store

ONE_STEP = {"iterations": 1, "evaluate_every": 1, "warmup": 0.0}
# Tolerance relative to a step's length, and absolute for a weight: the gradient of a convolution's
# bias before batch normalisation is only rounding.
RELATIVE, ABSOLUTE = 1e-4, 1e-6


def plain_network(weights: dict, batch_norm: bool) -> nn.Sequential:
    """The paper's layers, written plainly, with pooling after the rectifier."""
    layers: dict[str, nn.Module] = {}
    for number, kernel in enumerate((5, 3, 3, 3, 3), start=1):
        outputs, inputs = weights[f"conv{number}.0.weight"].shape[:2]
        convolution = [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)]
        convolution += [nn.BatchNorm2d(outputs)] if batch_norm else []
        convolution += [nn.ReLU()]
        convolution += [nn.MaxPool2d(2)] if number in (1, 2, 5) else []
        layers[f"conv{number}"] = nn.Sequential(*convolution)
    for number in (6, 7):
        # The first of fc6 flattens.
        place = f"fc{number}.{int(number == 6)}"
        outputs, inputs = weights[f"{place}.weight"].shape
        connected = [nn.Flatten()] if number == 6 else []
        connected += [nn.Linear(inputs, outputs)]
        connected += [nn.BatchNorm1d(outputs)] if batch_norm else []
        layers[f"fc{number}"] = nn.Sequential(*connected, nn.ReLU())
    outputs, inputs = weights["fc8.weight"].shape
    layers["fc8"] = nn.Linear(inputs, outputs)
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    network.load_state_dict(weights)
    return network


def plain_step(
    laboratory, task, initial: dict, chosen: np.ndarray, precision: str = "fp32"
) -> dict[str, torch.Tensor]:
    """The weights after one step from `initial` on the images at `chosen`."""
    opened = image_store.open_store(laboratory.images)
    half = class_splits.read(laboratory.split, opened.classes)[task.target]
    source = "A" if task.network[0] == "A" else task.target
    source = class_splits.read(laboratory.split, opened.classes)[source]
    of_half = opened.train_images[np.isin(opened.train_labels, source)].astype(np.float64)
    mean, deviation = of_half.mean((0, 1, 2)), of_half.std((0, 1, 2))
    images = np.stack([(opened.train_images[i] - mean) / deviation for i in chosen])
    pixels = torch.tensor(images.transpose(0, 3, 1, 2).copy(), dtype=torch.float32)
    labels = torch.tensor([list(half).index(opened.train_labels[i]) for i in chosen])

    network = plain_network(initial, task.architecture["batch_norm"]).train()
    frozen = network[: task.frozen_layers].eval().requires_grad_(False)
    assert len(frozen) == task.frozen_layers
    learning = [p for p in network.parameters() if p.requires_grad]
    recipe = task.recipe
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": recipe["weight_decay"]},
        {"params": [p for p in learning if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(
        groups, recipe["learning_rate"], momentum=recipe["momentum"], nesterov=recipe["nesterov"]
    )
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = network(pixels)
    F.cross_entropy(logits.float(), labels).backward()
    if recipe["clip_gradient_norm"]:
        nn.utils.clip_grad_norm_(learning, recipe["clip_gradient_norm"])
    optimizer.step()
    return network.state_dict()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("name", ["baseB", "A3B", "B5B+"])
def test_a_step_equals_that_of_a_plain_script(
    laboratory, tmp_path, monkeypatch, name, batch_norm, precision
):
    recorder = Recorder(monkeypatch)
    architecture = {"batch_norm": batch_norm, "dropout": 0.0}
    changes = {"architecture": architecture, "recipe": {**ONE_STEP, "precision": precision}}
    # In bf16 the norm is also rounded.
    changes["recipe"]["clip_gradient_norm"] = 0.5 if precision == "fp32" else None
    task = laboratory.task(name, **changes)
    base = None
    if task.base is not None:
        base = laboratory.train(task.base, tmp_path / "base", **changes)
    trained = laboratory.train(name, tmp_path / name, base, **changes)
    initial, chosen = recorder.initial, recorder.order[0]
    expected = plain_step(laboratory, task, initial, chosen)
    rounded = plain_step(laboratory, task, initial, chosen, precision)
    for key, before in initial.items():
        if before.is_floating_point():
            error = (trained.weights[key] - expected[key]).norm()
            step = (expected[key] - before).norm()
            # In bf16, this training may have the rounding error of a plain script.
            rounding = 2 * (rounded[key] - expected[key]).norm()
            allowed = RELATIVE * step + rounding + ABSOLUTE * before.numel() ** 0.5
            assert error <= allowed, (key, error, step, rounding)
    learned = [key for key in initial if not torch.equal(initial[key], expected[key])]
    assert any(key.startswith("fc8") for key in learned)
