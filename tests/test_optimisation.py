"""The optimizer is torch's, and the learning rate follows its schedule."""

import copy
from itertools import pairwise

import laboratory
import pytest
import torch
from torch import nn

from transferability.training import optim

RECIPE = {**laboratory.RECIPE, "learning_rate": 0.1, "weight_decay": 0.01}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    ).to(memory_format=torch.channels_last)


MULTIPLES = {"0.weight": 0.1, "1.weight": 0.5, "4.bias": 0.1}


def theirs_of(recipe: dict, theirs: nn.Sequential, fused: bool) -> torch.optim.Optimizer:
    """torch's own optimizer; its learning rates are multiples of the recipe's."""
    biases = {name for name, _ in theirs.named_parameters() if name.endswith("bias")}
    groups = [
        {
            "params": [parameter],
            "lr": (recipe["bias_learning_rate"] if name in biases else 1.0)
            * MULTIPLES.get(name, 1.0),
            "weight_decay": (
                recipe["weight_decay"] if parameter.ndim > 1 or recipe["decay_biases"] else 0.0
            ),
        }
        for name, parameter in theirs.named_parameters()
    ]
    momentum = recipe["momentum"]
    if recipe["optimizer"] == "adamw":
        return torch.optim.AdamW(groups, betas=(momentum, 0.999), fused=fused)
    nesterov = recipe["nesterov"] and momentum > 0
    return torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov, fused=fused)


RECIPES = {
    "sgd": {},
    "clipped": {"clip_gradient_norm": 0.3},
    "less momentum": {"momentum": 0.5},
    "no momentum": {"momentum": 0.0},
    "plain momentum": {"nesterov": False},
    "biases decay": {"decay_biases": True},
    "biases learn faster": {"bias_learning_rate": 2.0},
    "adamw": {"optimizer": "adamw"},
    "adamw, biases apart": {
        **{"optimizer": "adamw", "momentum": 0.8, "weight_decay": 0.1},
        **{"decay_biases": True, "bias_learning_rate": 0.5},
    },
}


def learn(model: nn.Sequential, step: int) -> None:
    """Set the gradients of a step."""
    generator = torch.Generator().manual_seed(step)
    images = torch.randn(8, 3, 4, 4, generator=generator)
    labels = torch.randint(0, 3, (8,), generator=generator)
    nn.functional.cross_entropy(model(images), labels).backward()


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("fused", [True, False])
def test_a_step_equals_torch_s_own(changes, fused):
    recipe = {**RECIPE, **changes}
    mine = network()
    theirs = copy.deepcopy(mine)
    optimizer = optim.Optimizer(dict(mine.named_parameters()), recipe, MULTIPLES)
    assert optimizer.fused
    optimizer.fused = fused
    reference = theirs_of(recipe, theirs, fused)
    multiples = [group["lr"] for group in reference.param_groups]
    for step in range(6):
        rate = 0.1 / (step + 1)
        for group, multiple in zip(reference.param_groups, multiples, strict=True):
            group["lr"] = rate * multiple
        if step == 3:
            # It continues from the saved state.
            kept = {name: tensor.clone() for name, tensor in optimizer.state.items()}
            optimizer = optim.Optimizer(dict(mine.named_parameters()), recipe, MULTIPLES)
            optimizer.fused = fused
            optimizer.restore(kept)
        mine.zero_grad()
        learn(mine, step)
        optimizer.step(rate)
        reference.zero_grad()
        learn(theirs, step)
        if recipe["clip_gradient_norm"]:
            nn.utils.clip_grad_norm_(theirs.parameters(), recipe["clip_gradient_norm"])
        reference.step()
        for name, parameter in mine.named_parameters():
            assert torch.equal(parameter, theirs.get_parameter(name)), (step, name)
    for name, parameter in mine.named_parameters():
        assert not torch.equal(parameter, network().get_parameter(name))


def test_a_parameter_that_nothing_uses_stays_as_it_is():
    mine = network()
    mine.unused = nn.Linear(2, 2)
    before = copy.deepcopy(mine.unused)
    optimizer = optim.Optimizer(dict(list(mine.named_parameters())), RECIPE)
    mine[:5](torch.ones(2, 3, 4, 4)).sum().backward()
    optimizer.step(0.1)
    assert torch.equal(mine.unused.weight, before.weight)
    assert not any("unused" in name for name in optimizer.state)


def rates(steps: int = 1000, **changes: object) -> list[float]:
    recipe = {**RECIPE, **changes}
    return [optim.learning_rate(recipe, step, steps) for step in range(steps)]


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_the_rate_warms_up_linearly_to_the_highest(schedule):
    rising = rates(schedule=schedule)[:101]
    assert rising[0] == pytest.approx(0.1 / 101)
    rises = [later - sooner for sooner, later in pairwise(rising)]
    assert rises == pytest.approx([0.1 / 101] * 100)
    assert rising[100] == pytest.approx(0.1)


def test_a_cosine_falls_to_near_0():
    found = rates()
    assert max(found) == pytest.approx(0.1)
    falling = found[100:]
    assert all(later < sooner for sooner, later in pairwise(falling))
    assert found[550] == pytest.approx(0.05)
    assert 0 < found[-1] < 1e-6


def test_the_step_schedule_follows_the_recipe():
    # The paper's schedule: divided by ten every 100,000 of 450,000 iterations.
    shares = [0.22222222, 0.44444444, 0.66666667, 0.88888889]
    recipe = {**RECIPE, "schedule": "step", "warmup": 0.0, "step_at": shares}
    steps = (0, 99_999, 100_000, 299_999, 300_000, 399_999, 400_000)
    found = [optim.learning_rate(recipe, step, 450_000) for step in steps]
    assert found == pytest.approx([0.1, 0.1, 0.01, 1e-3, 1e-4, 1e-4, 1e-5])
    halved = rates(schedule="step", step_at=[0.5], step_factor=0.5, warmup=0.0)
    assert halved == [0.1] * 500 + [0.05] * 500


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_few_steps_are_enough(steps, schedule):
    assert all(0 < rate <= 0.1 for rate in rates(steps, schedule=schedule))
