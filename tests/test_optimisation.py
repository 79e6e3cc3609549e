"""The optimizer is torch's, and the learning rate follows its schedule."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from transferability import optimisation

RECIPE = {
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.01,
    "schedule": "cosine",
    "warmup": 0.1,
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    ).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("momentum", [0.9, 0.5, 0.0])
@pytest.mark.parametrize("fused", [True, False])
def test_a_step_is_torch_s_own_with_weight_decay_on_weights_alone(momentum, fused):
    mine = network()
    theirs = copy.deepcopy(mine)
    optimizer = optimisation.Optimizer(
        dict(mine.named_parameters()), {**RECIPE, "momentum": momentum}
    )
    assert optimizer.fused
    optimizer.fused = fused
    reference = torch.optim.SGD(
        [
            {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in theirs.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=1.0,
        momentum=momentum,
        nesterov=momentum > 0,
        fused=fused,
    )
    generator = torch.Generator().manual_seed(1)
    for step in range(6):
        rate = 0.1 / (step + 1)
        images = torch.randn(8, 3, 4, 4, generator=generator)
        labels = torch.randint(0, 3, (8,), generator=generator)
        for group in reference.param_groups:
            group["lr"] = rate
        for model, clear, advance in (
            (mine, optimizer.zero_grad, lambda rate=rate: optimizer.step(rate)),
            (theirs, reference.zero_grad, reference.step),
        ):
            clear()
            nn.functional.cross_entropy(model(images), labels).backward()
            advance()
        for name, parameter in mine.named_parameters():
            assert torch.equal(parameter, theirs.get_parameter(name)), (step, name)
    for name, parameter in mine.named_parameters():
        assert not torch.equal(parameter, network().get_parameter(name))


def test_momenta_are_kept_by_name():
    mine = network()
    optimizer = optimisation.Optimizer(dict(mine.named_parameters()), RECIPE)
    assert set(optimizer.momenta.values()) == {None}
    mine(torch.ones(2, 3, 4, 4)).sum().backward()
    optimizer.step(0.1)
    for name, parameter in mine.named_parameters():
        assert optimizer.momenta[name].shape == parameter.shape


def rates(steps: int = 1000, **changes: object) -> list[float]:
    recipe = {**RECIPE, **changes}
    return [optimisation.learning_rate(recipe, step, steps) for step in range(steps)]


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_it_warms_up_linearly_to_the_highest(schedule):
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


def test_steps_are_a_tenth_each_after_a_half_and_three_quarters():
    found = rates(schedule="step")
    for step, expected in ((100, 0.1), (499, 0.1), (500, 0.01), (749, 0.01), (750, 0.001)):
        assert found[step] == pytest.approx(expected)
    assert found[-1] == pytest.approx(0.001)


def test_without_warm_up_it_begins_at_the_highest():
    assert rates(warmup=0.0)[0] == 0.1


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_few_steps_are_enough(steps, schedule):
    assert all(0 < rate <= 0.1 for rate in rates(steps, schedule=schedule))
