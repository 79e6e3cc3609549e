"""The state of a training: all that changes from step to step, how it is saved and restored."""

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import get_total_norm

from transferability.study.learned import why_not
from transferability.study.networks import TrainingSpec, steps_per_epoch
from transferability.training import data, frozen_features, optim, processes, transplant
from transferability.training import device as devices
from transferability.training.augmentation import Augmentation
from transferability.training.preprocessing import Preprocessing
from transferability.training.rng import Stream

log = logging.getLogger(__name__)

OUT_OF_MEMORY = ("DefaultCPUAllocator", "bad_alloc", "out of memory")
"""Words in torch's errors when the memory of the CPU or of Apple's MPS is exhausted; there is no
special class for these errors."""


class TrainingError(ArithmeticError):
    """A training that cannot continue; the message names the network and the cause."""


class Trainer:
    """The state of a training: the network, its optimizer, its images and its progress.

    Steps are counted from 0; `step` is the next one. If recipe.iterations is given, it and
    recipe.evaluate_every count steps, otherwise recipe.epochs and recipe.evaluate_every epochs.
    """

    def __init__(
        self,
        network: nn.Sequential,
        task: TrainingSpec,
        preprocess: Preprocessing,
        precision: str,
        device: torch.device,
    ):
        devices.place(network, device)
        # Without a gradient, frozen layers have no weight decay and no momentum either.
        network[: task.frozen_layers].requires_grad_(False)
        self.network, self.task, self.precision, self.device = network, task, precision, device
        self.recipe, self.preprocess, self.stream = task.recipe, preprocess, Stream.of(task)
        # The layers that images, or the features of frozen layers, go through in each step.
        self.layers, self.frozen_layers = network, task.frozen_layers
        self.parameters = OrderedDict(
            (name, p) for name, p in network.named_parameters() if p.requires_grad
        )
        # The copied layers that are trained. If there are none, the recipe may lack the keys below.
        self.copied = network[task.frozen_layers : task.copied] if task.base else network[:0]
        self.copied_rate = self.recipe.get("copied_learning_rate", 1.0)
        self.probe_epochs = self.recipe.get("probe_epochs", 0)
        self.optimizer = optim.Optimizer(self.parameters, self.recipe, self.rate_multiples())
        self.dropout_seed = self.stream.number("dropout")
        self.micro_batch = micro_batch(self.recipe)
        self.step, self.images_seen, self.seconds = 0, 0, 0.0
        # The sum of the losses since the last multiple of `loss_steps`.
        self.total_loss = torch.zeros((), device=self.device)
        self.history: list[dict] = []
        self.resumed_at: list[int] = []
        # For errors: the gradient's norm and the step of the last check where all was finite.
        self.seen_finite = ""

    def take(self, learned: data.ImageSet, validation: data.ImageSet) -> None:
        """Set the images and compute the numbers of steps. If the features of frozen layers never
        change, they replace the images."""
        start, network = time.perf_counter(), self.network.eval()
        with torch.no_grad():
            # `depends_on_batch` passes twice this number through the layers at once.
            few = max(1, min(16, self.micro_batch // 2))
            sample = self.inputs(next(data.ordered(learned, few)))
            if self.precision == "bf16" and self.device.type == "cpu":
                devices.keep_small_maps_in_fp32(network, sample.clone())
            # In fp32, since the rounding errors of bf16 add up over layers.
            self.shuffles_validation = frozen_features.depends_on_batch(network, sample)
            with self.autocast():
                fixed = frozen_features.unchanging_layers(
                    self.network[: self.frozen_layers], self.recipe["augment"], sample
                )
        if self.shuffles_validation:
            # In the order of the store, a batch would have only one class or few.
            generator = self.stream.generator("validation order")
            order = torch.randperm(len(validation), generator=generator)
            validation = data.reordered(validation, order)
            log.info(
                "%s: its output for an image depends on the others in the batch, or on chance; "
                "validation images are evaluated in a shuffled order",
                self.task.network,
            )
        if fixed:
            frozen = self.network[:fixed].eval()
            with torch.no_grad(), self.autocast():
                sets = frozen_features.compute(
                    lambda x: frozen(self.inputs(x)), [learned, validation], self.micro_batch
                )
            if sets is not None:
                learned, validation = sets
                self.layers, self.frozen_layers = self.network[fixed:], self.frozen_layers - fixed
            # This counts as training time, since it replaces the frozen layers' work in each epoch.
            self.seconds += time.perf_counter() - start
        self.learned, self.validation = learned, validation
        self.evaluated = validation
        if processes.count() > 1:
            if len(validation) < processes.count():
                raise ValueError(
                    f"recipe.gpus: {processes.count()} are more than the {len(validation)} "
                    f"validation images of {self.task.network}; lower it"
                )
            own = processes.share(slice(0, len(validation)))
            self.evaluated = data.reordered(validation, torch.arange(own.start, own.stop))
        processes.synchronise(self.layers)
        recipe = self.recipe
        self.batch = min(recipe["batch_size"], len(learned))
        self.parts = parts_of_step(self.batch, self.micro_batch)
        self.share = torch.cat([torch.arange(part.start, part.stop) for part in self.parts])
        self.steps_per_epoch = steps_per_epoch(len(learned), recipe["batch_size"])
        # The number of steps in the unit of recipe.epochs or iterations, and evaluate_every.
        period = 1 if recipe["iterations"] else self.steps_per_epoch
        self.steps = recipe["iterations"] or recipe["epochs"] * period
        probed = self.probe_epochs * self.steps_per_epoch
        if probed >= self.steps:
            raise ValueError(
                f"recipe.probe_epochs: {self.probe_epochs} are {probed} of the {self.steps} steps "
                f"of {self.task.network}, which leaves none to train its copied layers; lower it, "
                f"or raise recipe.{'iterations' if recipe['iterations'] else 'epochs'}"
            )
        self.evaluation_steps = recipe["evaluate_every"] * period
        # Each training loss in the history is a mean over at most this number of steps.
        self.loss_steps = self.evaluation_steps if recipe["iterations"] else period

    def rate_multiples(self) -> dict[str, float]:
        """The factor of the learning rate for each parameter of the trained copied layers."""
        decay, head = self.recipe.get("layer_decay", 1.0), len(self.network) - 1
        above = {name: head - i for i, (name, _) in enumerate(self.network.named_children())}
        return {
            name: self.copied_rate * decay ** above[name.partition(".")[0]]
            for name, _ in self.copied.named_parameters()
        }

    def set_training(self) -> None:
        """Set training mode for the layers that are trained in the epoch of the next step.

        In the probe epochs only new layers are trained, and copied layers are frozen. With a
        learning rate of 0 they also get no gradient, which would affect the clipping of gradients.
        """
        probing = self.step < self.probe_epochs * self.steps_per_epoch
        self.copied.requires_grad_(not probing and self.copied_rate > 0)
        fixed = self.frozen_layers + (len(self.copied) if probing else 0)
        transplant.set_training(self.layers, fixed)

    def autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        )

    def inputs(
        self, images: torch.Tensor, augment: Augmentation | None = None, first: int = 0
    ) -> torch.Tensor:
        """The input of the first of `layers`: stored images are augmented and normalised; features
        b×h×w×C become b×C×h×w, and features b×C are unchanged."""
        if self.layers is self.network:
            return self.preprocess(images, augment, first)
        return devices.channels_first(images) if images.ndim == 4 else images

    def epoch_augmentation(self) -> Augmentation | None:
        """The augmentation for the epoch of the next step; None if the recipe has none."""
        if not self.recipe["augment"]:
            return None
        stored, epoch = self.preprocess.stored, self.step // self.steps_per_epoch
        return Augmentation(self.recipe, stored, len(self.learned), self.stream, epoch, self.device)

    def coming_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
        """The remaining batches of the epoch, from `data.shuffled`."""
        at = divmod(self.step, self.steps_per_epoch)
        return data.shuffled(self.learned, self.batch, self.stream, *at, self.share)

    @property
    def is_done(self) -> bool:
        return self.step == self.steps

    @property
    def evaluation_is_due(self) -> bool:
        """Whether an evaluation after the last step is planned and not yet done."""
        evaluated = self.history[-1]["iteration"] if self.history else 0
        return evaluated < self.step and (self.step % self.evaluation_steps == 0 or self.is_done)

    @property
    def next_pause(self) -> int:
        """The next step count at which the epoch ends or an evaluation is due."""
        step, periods = self.step, (self.steps_per_epoch, self.evaluation_steps)
        return min(self.steps, *(step - step % period + period for period in periods))

    def learning_rate(self, step: int) -> float:
        return optim.learning_rate(self.recipe, step, self.steps)

    def check_finite(self, loss: torch.Tensor) -> None:
        """Raise TrainingError if the loss or a trained weight is not finite after the last step. A
        step can ruin weights although its loss was finite."""
        norm = f"{self.optimizer.gradient_norm.item():.4g}"
        learned = [*self.parameters.values(), *self.optimizer.state.values()]
        loss_is_finite = math.isfinite(loss)
        if loss_is_finite and math.isfinite(get_total_norm(learned, math.inf)):
            self.seen_finite = f", {norm} in iteration {self.step}"
            return
        task, last = self.task, self.step - 1
        leave_out = (
            "; or remove this value from search.learning_rate, or leave out this candidate alone, "
            f"with omit: [{{network: {task.network}}}]"
        )
        candidate = leave_out if "_" in task.network else ""
        raise TrainingError(
            f"{task.network} ({task.split}, seed {task.seed}): "
            f"{'a weight' if loss_is_finite else 'the loss'} is no longer finite in epoch "
            f"{last // self.steps_per_epoch + 1} at learning rate {self.learning_rate(last):.4g} "
            f"(gradient norm {norm} in iteration {self.step}{self.seen_finite}); lower "
            f"recipe.learning_rate (now {self.recipe['learning_rate']:g}) or raise recipe.warmup"
            f"{candidate}"
        )

    def note(self, evaluation: dict) -> None:
        """Add an evaluation, done after the last step, to the history."""
        epoch = self.step / self.steps_per_epoch
        summed = (self.step - 1) % self.loss_steps + 1
        self.history.append(
            {
                "epoch": int(epoch) if epoch.is_integer() else round(epoch, 4),
                "iteration": self.step,
                "learning_rate": self.learning_rate(self.step - 1),
                "train_loss": self.total_loss.item() / summed,
                **evaluation,
                "images_seen": self.images_seen,
                "seconds": round(self.seconds, 3),
            }
        )

    def metrics(self) -> dict:
        """The numbers of a finished training, for metrics.json."""
        last, images = self.history[-1], len(self.validation)
        # The best accuracy of a classifier that does not look at the images.
        chance = self.validation.labels.bincount().max().item() / images
        classes = len(self.learned.classes)
        return {
            **{key: last[key] for key in ("top1", "top5", "loss", "train_loss")},
            "chance": chance,
            "learned": not why_not(
                *(last["top1"], images, chance, classes, last["train_loss"]),
                smoothing=self.recipe["label_smoothing"],
            ),
            "images_seen": self.images_seen,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_seen / self.seconds, 1),
            "validation_images": images,
            "trainable_parameters": sum(p.numel() for p in self.parameters.values()),
            "shuffled_validation": self.shuffles_validation,
            "train_images": len(self.learned),
            "classes": classes,
            "layer_names": list(dict(self.network.named_children())),
            "micro_batch": self.micro_batch,
            "gpus": processes.count(),
            "resumed_at_iterations": self.resumed_at,
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """The network's parameters and buffers, the optimizer's state and the sum of losses."""
        network = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        optimizer = {f"optimizer.{name}": t for name, t in self.optimizer.state.items()}
        return {**network, **optimizer, "total_loss": self.total_loss}

    def state(self) -> dict:
        """The rest of the state that a training needs to continue."""
        keys = ("step", "images_seen", "seconds", "history", "resumed_at")
        return {key: getattr(self, key) for key in keys}

    def restore(self, tensors: dict[str, torch.Tensor], state: dict) -> None:
        """Continue from the results of `tensors` and `state`."""

        def of(prefix: str) -> dict[str, torch.Tensor]:
            return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}

        self.network.load_state_dict(of("network."))
        self.optimizer.restore(of("optimizer."))
        self.total_loss = tensors["total_loss"].to(self.device)
        vars(self).update(state)
        self.resumed_at = [*self.resumed_at, self.step]


def micro_batch(recipe: dict) -> int:
    """The largest number of images that go through the network at once."""
    return min(recipe["micro_batch"] or recipe["batch_size"], recipe["batch_size"])


def micro_batches(images: int, at_once: int) -> list[slice]:
    """Parts of at most `at_once` images, of sizes as equal as possible, since batch normalisation
    does not work with a last part of one image."""
    parts = -(-images // at_once)
    return [slice(i * images // parts, (i + 1) * images // parts) for i in range(parts)]


def parts_of_step(batch: int, at_once: int) -> list[slice]:
    """The parts of a batch that this process computes, one after the other.

    Each micro-batch is divided among the processes, so that its images do not depend on the number
    of processes.
    """
    parts = [processes.share(part) for part in micro_batches(batch, at_once)]
    if any(part.start == part.stop for part in parts):
        raise ValueError(
            f"recipe.gpus: {processes.count()} are more than the images of a micro-batch; lower "
            "it, or raise recipe.batch_size or recipe.micro_batch"
        )
    return parts


@contextmanager
def torch_explained(task: TrainingSpec) -> Iterator[None]:
    """Replace errors of torch and numpy about too little memory, or about batch normalisation of a
    single image, with a TrainingError that names the keys to change."""
    tried, label = micro_batch(task.recipe), f"{task.network} ({task.split}, seed {task.seed})"
    try:
        yield
    except (ValueError, MemoryError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if "more than 1 value per channel" in reason:
            sizes = ", ".join(f"{key} {task.recipe[key]}" for key in ("batch_size", "micro_batch"))
            raise TrainingError(
                f"{label}: batch normalisation needs more than one image at a time; raise "
                f"recipe.batch_size or recipe.micro_batch (now {sizes}) so that each part of a "
                "batch has several"
            ) from error
        is_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not is_memory and not any(words in reason for words in OUT_OF_MEMORY):
            raise
        smaller = f"set recipe.micro_batch below {tried}, " if tried > 1 else ""
        raise TrainingError(
            f"{label}: there is not enough memory for {tried} images at once; {smaller}lower "
            "dataset.image_size, use a smaller architecture, or give the job more memory "
            f"({reason})"
        ) from error
