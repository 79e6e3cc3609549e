"""The optimizer and its learning rate."""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.optim.sgd import sgd

STEP_AT, STEP_FACTOR = (0.5, 0.75), 0.1
"""The step schedule: at these shares of training the learning rate is multiplied by the factor."""


class Optimizer:
    """Stochastic gradient descent with Nesterov momentum over named parameters.

    Weight decay acts on weights only: on biases and normalisation it restrains nothing that
    overfits. The arithmetic is torch's own; its class torch.optim.SGD is left out because to make
    one imports torch's compiler, which takes longer than to import torch.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], recipe: dict):
        self.momentum = recipe["momentum"]
        self.fused = all(p.device.type in ("cpu", "cuda") for p in parameters.values())
        weights = {name: p for name, p in parameters.items() if p.ndim > 1}
        others = {name: p for name, p in parameters.items() if p.ndim <= 1}
        self.groups = [(weights, recipe["weight_decay"]), (others, 0.0)]
        self.momenta: dict[str, torch.Tensor | None] = dict.fromkeys(parameters)

    def zero_grad(self) -> None:
        for parameters, _ in self.groups:
            for parameter in parameters.values():
                parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One step along the parameters' gradients."""
        for parameters, weight_decay in self.groups:
            momenta = [self.momenta[name] for name in parameters]
            sgd(
                list(parameters.values()),
                [parameter.grad for parameter in parameters.values()],
                momenta,
                weight_decay=weight_decay,
                momentum=self.momentum,
                lr=learning_rate,
                dampening=0.0,
                nesterov=self.momentum > 0,
                maximize=False,
                fused=self.fused,
            )
            # The first step makes the momenta and leaves them in the list.
            self.momenta.update(zip(parameters, momenta, strict=True))


def learning_rate(recipe: dict, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0, of so many.

    It rises linearly over the warm-up's share of the steps, then follows the schedule.
    """
    warmup = recipe["warmup"] * steps
    if step < warmup:
        return recipe["learning_rate"] * (step + 1) / (warmup + 1)
    if recipe["schedule"] == "step":
        passed = sum(step >= at * steps for at in STEP_AT)
        return recipe["learning_rate"] * STEP_FACTOR**passed
    progress = (step - warmup) / (steps - warmup)
    return recipe["learning_rate"] * 0.5 * (1 + math.cos(math.pi * progress))
