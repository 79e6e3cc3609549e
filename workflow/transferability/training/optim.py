"""The optimizer and its learning rate.

torch's functions compute the steps. Its optimizer classes are not used, since they import torch's
compiler, which takes longer than importing torch.
"""

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

SECOND_BETA, EPSILON = 0.999, 1e-8
"""Constants of AdamW, as in torch; its first beta is the recipe's momentum."""


class Optimizer:
    """SGD or AdamW over named parameters, as torch defines them.

    Weight decay acts on weights. It acts on biases and normalisation only if recipe.decay_biases is
    true, since these do not overfit. recipe.bias_learning_rate multiplies the learning rate of
    biases; `multiples` has factors for single parameters, by name.

    Gradients are scaled down if their norm over all parameters is above recipe.clip_gradient_norm;
    `gradient_norm` is the norm before scaling.

    `state` has the optimizer's tensors, by names such as `momentum.conv1.0.weight`; it is empty
    before the first step. A parameter without a gradient does not change and has no state.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        recipe: Mapping,
        multiples: Mapping[str, float] = MappingProxyType({}),
    ):
        self.recipe, self.parameters = recipe, parameters
        self.fused = all(p.device.type in ("cpu", "cuda") for p in parameters.values())
        # The keys are the weight decay and the factor of the learning rate.
        self.groups: dict[tuple[float, float], dict[str, nn.Parameter]] = {}
        for name, parameter in parameters.items():
            decays = parameter.ndim > 1 or recipe["decay_biases"]
            is_bias = parameter.ndim == 1 and name.endswith("bias")
            weight_decay = recipe["weight_decay"] if decays else 0.0
            multiple = recipe["bias_learning_rate"] if is_bias else 1.0
            multiple *= multiples.get(name, 1.0)
            self.groups.setdefault((weight_decay, multiple), {})[name] = parameter
        self.state: dict[str, torch.Tensor] = {}
        self.gradient_norm = torch.zeros(())

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One step along the parameters' gradients."""
        recipe, momentum = self.recipe, self.recipe["momentum"]
        limit = recipe["clip_gradient_norm"] or math.inf
        self.gradient_norm = clip_grad_norm_(self.parameters.values(), limit)
        for (weight_decay, multiple), group in self.groups.items():
            names = [name for name, parameter in group.items() if parameter.grad is not None]
            if not names:
                continue
            learning = [group[name] for name in names]
            gradients = [parameter.grad for parameter in learning]
            rate = {"lr": learning_rate * multiple, "weight_decay": weight_decay}
            if recipe["optimizer"] == "sgd":
                sgd(
                    learning,
                    gradients,
                    self._kept("momentum", names) if momentum > 0 else [None] * len(names),
                    momentum=momentum,
                    nesterov=recipe["nesterov"] and momentum > 0,
                    dampening=0.0,
                    maximize=False,
                    fused=self.fused,
                    **rate,
                )
            else:
                adamw(
                    learning,
                    gradients,
                    *(self._kept(kind, names) for kind in ("mean", "square")),
                    [],
                    self._kept("step", names),
                    beta1=momentum,
                    beta2=SECOND_BETA,
                    eps=EPSILON,
                    amsgrad=False,
                    maximize=False,
                    fused=self.fused,
                    **rate,
                )

    def _kept(self, kind: str, names: Iterable[str]) -> list[torch.Tensor]:
        """The state's tensors of one kind for these parameters; new ones are zeros."""
        for name in names:
            if f"{kind}.{name}" not in self.state:
                tensor = torch.zeros_like(self.parameters[name])
                if kind == "step":
                    tensor = torch.zeros((), device=tensor.device if self.fused else "cpu")
                self.state[f"{kind}.{name}"] = tensor
        return [self.state[f"{kind}.{name}"] for name in names]

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Copy another optimizer's state, into tensors with the memory format of the parameters."""
        for key, tensor in state.items():
            kind, name = key.split(".", 1)
            self._kept(kind, [name])[0].copy_(tensor)


def learning_rate(recipe: Mapping, step: int, steps: int) -> float:
    """The learning rate of a step (counted from 0) in a training of `steps` steps.

    It rises linearly during the warm-up, then follows the schedule.
    """
    warmup = recipe["warmup"] * steps
    if step < warmup:
        return recipe["learning_rate"] * (step + 1) / (warmup + 1)
    if recipe["schedule"] == "step":
        # Rounded, since a share such as 4/9 is not exact as a decimal.
        passed = sum(step >= round(at * steps) for at in recipe["step_at"])
        return recipe["learning_rate"] * recipe["step_factor"] ** passed
    progress = (step - warmup) / (steps - warmup)
    return recipe["learning_rate"] * 0.5 * (1 + math.cos(math.pi * progress))
