"""A training under way: all that changes from step to step, and how it is kept and restored."""

import math
import time
from collections import OrderedDict

import torch
from torch import nn

from transferability import batches, frozen_features, optimisation
from transferability.streams import Stream
from transferability.task import Task


class TrainingError(ArithmeticError):
    """A training that cannot go on; the message names the network, the epoch and the cause."""


class Run:
    """A training under way: the network, its optimizer, its images, and how far it has come."""

    def __init__(
        self,
        network: nn.Sequential,
        task: Task,
        normalise: batches.Normalise,
        precision: str,
        stream: Stream,
    ):
        self.network, self.task, self.precision, self.stream = network, task, precision, stream
        self.recipe = task.recipe
        # `entry` turns what the images are kept as into what the first layer of `layers` takes.
        self.entry: nn.Module = normalise
        self.layers, self.frozen_layers = network, task.frozen_layers
        self.device_type = next(network.parameters()).device.type
        self.parameters = OrderedDict(
            (name, p) for name, p in network.named_parameters() if p.requires_grad
        )
        self.optimizer = optimisation.Optimizer(self.parameters, self.recipe)
        self.epoch, self.images_seen, self.seconds = 0, 0, 0.0
        self.history: list[dict] = []
        self.resumed_at: list[int] = []

    def autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device_type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    @property
    def steps_per_epoch(self) -> int:
        return batches.steps_per_epoch(len(self.learned), self.recipe["batch_size"])

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, counted from the first of the coming epoch."""
        per_epoch = self.steps_per_epoch
        total = per_epoch * self.recipe["epochs"]
        return optimisation.learning_rate(self.recipe, self.epoch * per_epoch + step, total)

    def check_finite(self, loss: torch.Tensor, step: int) -> None:
        """Raise TrainingError if a loss, seen at a step of the coming epoch, is not finite."""
        if math.isfinite(loss):
            return
        task, epoch = self.task, self.epoch + (step >= 0)
        raise TrainingError(
            f"{task.network} ({task.split}, seed {task.seed}): the loss is no longer finite in "
            f"epoch {epoch} at learning rate {self.learning_rate(step):.4g}; lower "
            f"recipe.learning_rate (now {self.recipe['learning_rate']:g}) or raise recipe.warmup"
        )

    def take(self, learned: batches.ImageSet, validation: batches.ImageSet) -> None:
        """Take the images, as features of the frozen layers where these are always the same."""
        start = time.perf_counter()
        self.learned, self.validation = learned, validation
        fixed = frozen_features.unchanging_layers(
            self.network[: self.frozen_layers], self.recipe["augment"]
        )
        if fixed == 0:
            return
        with torch.no_grad(), self.autocast():
            features = frozen_features.compute(
                nn.Sequential(self.entry, self.network[:fixed]),
                [learned, validation],
                self.recipe["batch_size"],
            )
        if features is not None:
            self.learned, self.validation = features
            self.entry = frozen_features.ChannelsFirst()
            self.layers, self.frozen_layers = self.network[fixed:], self.frozen_layers - fixed
        # It stands for the frozen layers' share of every epoch, and so is part of the training.
        self.seconds += time.perf_counter() - start

    def note(self, train_loss: float, evaluation: dict) -> None:
        """Add an evaluation, made after the last epoch, to the history."""
        self.history.append(
            {
                "epoch": self.epoch,
                "learning_rate": self.learning_rate(-1),
                "train_loss": train_loss,
                **evaluation,
                "images_seen": self.images_seen,
                "seconds": round(self.seconds, 3),
            }
        )

    def metrics(self) -> dict:
        """The numbers of a training that has come to its end."""
        last = self.history[-1]
        return {
            **{key: last[key] for key in ("top1", "top5", "loss", "train_loss")},
            "images_seen": self.images_seen,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_seen / self.seconds, 1),
            "validation_images": len(self.validation),
            "train_images": len(self.learned),
            "classes": len(self.learned.classes),
            "resumed_at_epochs": self.resumed_at,
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """The network's parameters and buffers and the optimizer's momenta."""
        momenta = {
            f"momentum.{name}": momentum
            for name, momentum in self.optimizer.momenta.items()
            if momentum is not None
        }
        network = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        return network | momenta

    def state(self) -> dict:
        return {
            "epoch": self.epoch,
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "history": self.history,
            "resumed_at": self.resumed_at,
        }

    def restore(self, tensors: dict[str, torch.Tensor], state: dict) -> None:
        """Go on from what `tensors` and `state` once gave; the network has its own already."""
        for name, parameter in self.parameters.items():
            if f"momentum.{name}" in tensors:
                momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
                self.optimizer.momenta[name] = momentum
        self.epoch, self.images_seen = state["epoch"], state["images_seen"]
        self.seconds, self.history = state["seconds"], state["history"]
        self.resumed_at = [*state["resumed_at"], self.epoch]
