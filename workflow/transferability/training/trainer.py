"""A training under way: all that changes from step to step, and how it is kept and restored."""

import logging
import math
import resource
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import get_total_norm

from transferability.study.networks import TrainingSpec
from transferability.training import data, frozen_features, optim, preprocessing
from transferability.training.data import ImageSet
from transferability.training.rng import Stream

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class TrainingError(ArithmeticError):
    """A training that cannot go on; the message names the network, the epoch and the cause."""


class Trainer:
    """A training under way: the network, its optimizer, its images, and how far it has come.

    Steps are counted from 0; `step` is the next one. Where recipe.iterations is given, it and
    recipe.evaluate_every count steps, else epochs.
    """

    def __init__(
        self,
        network: nn.Sequential,
        task: TrainingSpec,
        image_entry: preprocessing.ImageEntry,
        precision: str,
        stream: Stream,
    ):
        self.network, self.task, self.precision, self.stream = network, task, precision, stream
        self.recipe = task.recipe
        # What images are kept as, `entry` turns into what the first layer of `layers` takes.
        self.entry: preprocessing.ImageEntry | preprocessing.FeatureEntry = image_entry
        self.layers, self.frozen_layers = network, task.frozen_layers
        self.device = next(network.parameters()).device
        self.parameters = OrderedDict(
            (name, p) for name, p in network.named_parameters() if p.requires_grad
        )
        # What a step changes besides: the statistics of batch normalisation.
        self.buffers = list(network.buffers())
        self.optimizer = optim.Optimizer(self.parameters, self.recipe)
        self.dropout = stream.number("dropout")
        # Images that are on their way through the network together, at most.
        self.images_at_once = min(
            self.recipe["micro_batch"] or self.recipe["batch_size"], self.recipe["batch_size"]
        )
        self.step, self.images_seen, self.seconds = 0, 0, 0.0
        # The sum of the losses since the last multiple of `loss_steps`.
        self.total_loss = torch.zeros((), device=self.device)
        self.history: list[dict] = []
        self.resumed_at: list[int] = []
        # The gradient's norm when all was last seen to be finite, and after which step.
        self.seen_finite = ""

    def autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    def _count(self) -> None:
        """How many steps there are: in all (`steps`), in an epoch, from one evaluation to the next,
        and of which a training loss is the mean (those since an evaluation, or of an epoch)."""
        recipe = self.recipe
        per_epoch = data.steps_per_epoch(len(self.learned), recipe["batch_size"])
        self.steps_per_epoch = per_epoch
        if recipe["iterations"]:
            self.steps, self.evaluation_steps = recipe["iterations"], recipe["evaluate_every"]
            self.loss_steps = self.evaluation_steps
        else:
            self.steps = recipe["epochs"] * per_epoch
            self.evaluation_steps = recipe["evaluate_every"] * per_epoch
            self.loss_steps = per_epoch

    @property
    def is_done(self) -> bool:
        return self.step == self.steps

    @property
    def ends_epoch(self) -> bool:
        return self.step % self.steps_per_epoch == 0

    @property
    def evaluation_is_due(self) -> bool:
        """Whether the last step ends with an evaluation that is still to be made."""
        evaluated = self.history[-1]["iteration"] if self.history else 0
        return evaluated < self.step and (self.step % self.evaluation_steps == 0 or self.is_done)

    @property
    def next_pause(self) -> int:
        """The step before which the epoch ends or an evaluation is due."""
        periods = (self.steps_per_epoch, self.evaluation_steps)
        return min(self.steps, *((self.step // period + 1) * period for period in periods))

    def coming_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, slice]]:
        """What is left of the epoch, as `data.shuffled` gives it."""
        epoch, first = divmod(self.step, self.steps_per_epoch)
        return data.shuffled(self.learned, self.recipe["batch_size"], self.stream, epoch, first)

    def coming_augmentation(self) -> preprocessing.Drawn:
        """The way from images to the first layer in the epoch of the next step."""
        epoch = self.step // self.steps_per_epoch
        return self.entry.drawn(len(self.learned), self.stream, epoch, self.device)

    def learning_rate(self, step: int) -> float:
        return optim.learning_rate(self.recipe, step, self.steps)

    @property
    def train_loss(self) -> float:
        """The mean loss, in nats, of the steps before `step` of which `loss_steps` speaks."""
        return self.total_loss.item() / ((self.step - 1) % self.loss_steps + 1)

    def check_finite(self, loss: torch.Tensor) -> None:
        """Raise TrainingError if a loss, seen after the last step, or a weight that learns is not
        finite: weights may be ruined by the very step whose loss still was."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        norm = f"{get_total_norm(gradients).item():.4g}"
        learned = [*self.parameters.values(), *self.optimizer.tensors().values()]
        loss_is_finite = math.isfinite(loss)
        if loss_is_finite and math.isfinite(get_total_norm(learned, math.inf)):
            self.seen_finite = f", {norm} in iteration {self.step}"
            return
        task, last = self.task, self.step - 1
        raise TrainingError(
            f"{task.network} ({task.split}, seed {task.seed}): "
            f"{'a weight' if loss_is_finite else 'the loss'} is no longer finite in epoch "
            f"{last // self.steps_per_epoch + 1} at learning rate {self.learning_rate(last):.4g} "
            f"(gradient norm {norm} in iteration {self.step}{self.seen_finite}); lower "
            f"recipe.learning_rate (now {self.recipe['learning_rate']:g}) or raise recipe.warmup"
        )

    def with_what_fits(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, which is begun anew with half as many images at once whenever the
        device has not enough memory. Raises TrainingError where one at a time does not fit."""
        while True:
            try:
                return work()
            except torch.OutOfMemoryError as error:
                if self.images_at_once == 1:
                    raise TrainingError(
                        f"{self.task.network} ({self.task.split}, seed {self.task.seed}): there "
                        f"is not enough memory on the device ({self.device}), even for one image "
                        "at a time; lower dataset.image_size, take a smaller architecture, or let "
                        f"nothing else run there ({error})"
                    ) from error
            # Here, since an error that is being handled holds the memory of what failed.
            self.images_at_once //= 2
            log.warning(
                "%s: there is not enough memory on the device; from iteration %d on, %d images "
                "at once, their gradients added up to those of recipe.batch_size = %d",
                *(self.task.network, self.step + 1),
                *(self.images_at_once, self.recipe["batch_size"]),
            )
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def take(self, learned: ImageSet, validation: ImageSet) -> None:
        """Take the images, as features of the frozen layers where these are always the same."""
        start = time.perf_counter()
        self.learned, self.validation = learned, validation
        self._count()
        fixed = frozen_features.unchanging_layers(
            self.network[: self.frozen_layers], self.recipe["augment"]
        )
        if fixed == 0:
            return
        frozen, plain = self.network[:fixed].eval(), self.entry.plain

        def compute() -> list[ImageSet] | None:
            return frozen_features.compute(
                lambda images: frozen(plain(images)), [learned, validation], self.images_at_once
            )

        with torch.no_grad(), self.autocast():
            features = self.with_what_fits(compute)
        if features is not None:
            self.learned, self.validation = features
            self.entry = preprocessing.FeatureEntry()
            self.layers, self.frozen_layers = self.network[fixed:], self.frozen_layers - fixed
            self.buffers = list(self.layers.buffers())
        # It stands for the frozen layers' share of every epoch, and so is part of the training.
        self.seconds += time.perf_counter() - start

    def note(self, evaluation: dict) -> None:
        """Add an evaluation, made after the last step, to the history."""
        epoch = self.step / self.steps_per_epoch
        self.history.append(
            {
                "epoch": int(epoch) if epoch.is_integer() else round(epoch, 4),
                "iteration": self.step,
                "learning_rate": self.learning_rate(self.step - 1),
                "train_loss": self.train_loss,
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
            "micro_batch": self.images_at_once,
            "resumed_at_iterations": self.resumed_at,
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """The network's parameters and buffers, the optimizer's state and the sum of losses."""
        network = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        optimizer = {f"optimizer.{name}": t for name, t in self.optimizer.tensors().items()}
        return {**network, **optimizer, "total_loss": self.total_loss}

    def state(self) -> dict:
        return {
            "step": self.step,
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "history": self.history,
            "resumed_at": self.resumed_at,
            "images_at_once": self.images_at_once,
        }

    def restore(self, tensors: dict[str, torch.Tensor], state: dict) -> None:
        """Go on from what `tensors` and `state` once gave; the network has its own already."""
        self.optimizer.restore(
            {
                name.removeprefix("optimizer."): tensor
                for name, tensor in tensors.items()
                if name.startswith("optimizer.")
            }
        )
        self.total_loss = tensors["total_loss"].to(self.device)
        self.step, self.images_seen = state["step"], state["images_seen"]
        self.seconds, self.history = state["seconds"], state["history"]
        self.resumed_at = [*state["resumed_at"], self.step]
        self.images_at_once = state["images_at_once"]


IN_MESSAGES = ("DefaultCPUAllocator", "bad_alloc", "out of memory")
"""What torch says where the memory of a processor, or of Apple's MPS, is not enough; it has no
class of error for it."""


@contextmanager
def explained(task: TrainingSpec) -> Iterator[None]:
    """Raise TrainingError, with how much was in use and which key to lower, in place of what torch
    and numpy raise where there is not enough memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = " ".join(str(error).split())
        on_device = isinstance(error, torch.OutOfMemoryError)
        if not (on_device or isinstance(error, MemoryError) or any(s in told for s in IN_MESSAGES)):
            raise
        used = "" if on_device else f", of which this job used {_peak_bytes():,} bytes at its peak"
        at_once = task.recipe["micro_batch"] or task.recipe["batch_size"]
        raise TrainingError(
            f"{task.network} ({task.split}, seed {task.seed}): there is not enough memory{used}; "
            f"set recipe.micro_batch below {at_once}, lower dataset.image_size or take a smaller "
            f"architecture, or give the job more memory ({told})"
        ) from error


def _peak_bytes() -> int:
    """The most memory that this process has had at one time, as the system measured it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In kilobytes, but for Apple's systems.
    return peak if sys.platform == "darwin" else 1024 * peak
