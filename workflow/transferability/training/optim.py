"""The optimizer and its learning rate.

The arithmetic is that of torch's functions: making one of its optimizers imports torch's compiler,
which takes longer than importing torch.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

SECOND_BETA, EPSILON = 0.999, 1e-8
"""Of AdamW, as in torch; its first beta is the recipe's momentum."""


class Optimizer:
    """SGD or AdamW over named parameters, as torch defines them.

    Weight decay acts on weights, and on biases and normalisation only if the recipe says so, since
    these do not overfit; recipe.bias_learning_rate multiplies the learning rate of biases, and
    `multiples` that of the parameters that it names.

    A gradient is scaled down where its norm, over all parameters, is above
    recipe.clip_gradient_norm; `gradient_norm` is what it was before.

    `state` holds the tensors that it keeps, by their kind and then by the parameter's name; it is
    empty before the first step. A parameter without a gradient does not change, and has no state.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        recipe: Mapping,
        multiples: Mapping[str, float] = MappingProxyType({}),
    ):
        self.recipe, self.parameters = recipe, parameters
        self.fused = all(p.device.type in ("cpu", "cuda") for p in parameters.values())
        # By weight decay and what multiplies the learning rate.
        self.groups: dict[tuple[float, float], dict[str, nn.Parameter]] = {}
        for name, parameter in parameters.items():
            decays = parameter.ndim > 1 or recipe["decay_biases"]
            is_bias = parameter.ndim == 1 and name.endswith("bias")
            weight_decay = recipe["weight_decay"] if decays else 0.0
            multiple = recipe["bias_learning_rate"] if is_bias else 1.0
            multiple *= multiples.get(name, 1.0)
            self.groups.setdefault((weight_decay, multiple), {})[name] = parameter
        self.state: dict[str, dict[str, torch.Tensor]] = {}
        self.gradient_norm = torch.zeros(())

    def zero_grad(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One step along the parameters' gradients."""
        limit = self.recipe["clip_gradient_norm"] or math.inf
        self.gradient_norm = clip_grad_norm_(self.parameters.values(), limit)
        step = {"sgd": self._sgd, "adamw": self._adamw}[self.recipe["optimizer"]]
        for (weight_decay, multiple), parameters in self.groups.items():
            learning = {name: p for name, p in parameters.items() if p.grad is not None}
            if learning:
                step(learning, weight_decay, learning_rate * multiple)

    def _sgd(self, parameters: dict, weight_decay: float, learning_rate: float) -> None:
        momenta, momentum = self.state.setdefault("momentum", {}), self.recipe["momentum"]
        if momentum > 0:
            for name, parameter in parameters.items():
                if name not in momenta:
                    momenta[name] = torch.zeros_like(parameter)
        sgd(
            list(parameters.values()),
            [parameter.grad for parameter in parameters.values()],
            [momenta.get(name) for name in parameters],
            weight_decay=weight_decay,
            momentum=momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=self.recipe["nesterov"] and momentum > 0,
            maximize=False,
            fused=self.fused,
        )

    def _adamw(self, parameters: dict, weight_decay: float, learning_rate: float) -> None:
        means, squares, steps = (
            self.state.setdefault(kind, {}) for kind in ("mean", "square", "step")
        )
        for name, parameter in parameters.items():
            if name not in steps:
                means[name], squares[name] = (torch.zeros_like(parameter) for _ in range(2))
                steps[name] = torch.zeros((), device=parameter.device if self.fused else "cpu")
        adamw(
            list(parameters.values()),
            [parameter.grad for parameter in parameters.values()],
            [means[name] for name in parameters],
            [squares[name] for name in parameters],
            [],
            [steps[name] for name in parameters],
            fused=self.fused,
            amsgrad=False,
            beta1=self.recipe["momentum"],
            beta2=SECOND_BETA,
            lr=learning_rate,
            weight_decay=weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """The state as one dictionary, with names such as `momentum.conv1.0.weight`."""
        return {
            f"{kind}.{name}": tensor
            for kind, kept in self.state.items()
            for name, tensor in kept.items()
        }

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from the state that `tensors` gave, in the parameters' order in memory."""
        self.state = {}
        for key, tensor in tensors.items():
            kind, name = key.split(".", 1)
            parameter = self.parameters[name]
            if kind == "step":
                kept = tensor.to(parameter.device if self.fused else "cpu")
            else:
                kept = torch.empty_like(parameter).copy_(tensor)
            self.state.setdefault(kind, {})[name] = kept.detach()


def learning_rate(recipe: Mapping, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0, of so many.

    It rises linearly over the warm-up's share of the steps, then follows the schedule.
    """
    warmup = recipe["warmup"] * steps
    if step < warmup:
        return recipe["learning_rate"] * (step + 1) / (warmup + 1)
    if recipe["schedule"] == "step":
        # Rounded, since a share such as 4/9 has no end as a decimal.
        passed = sum(step >= round(at * steps) for at in recipe["step_at"])
        return recipe["learning_rate"] * recipe["step_factor"] ** passed
    progress = (step - warmup) / (steps - warmup)
    return recipe["learning_rate"] * 0.5 * (1 + math.cos(math.pi * progress))
