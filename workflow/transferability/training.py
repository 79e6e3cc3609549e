"""Train one network: one visible loop."""

import hashlib
import logging
import math
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from transferability import (
    batches,
    checkpoint,
    classes,
    devices,
    frozen_features,
    optimisation,
    transplant,
)
from transferability.images import store as image_store
from transferability.network_folder import NetworkFolder
from transferability.streams import Stream

log = logging.getLogger(__name__)

STEPS_PER_CHECK = 32
"""Steps between two looks at the loss; each look waits for the device."""


class TrainingError(ArithmeticError):
    """A training that cannot go on; the message names the network, the epoch and the cause."""


@dataclass(frozen=True)
class Task:
    """All that decides a network's numbers, but for images, weights, code and machine.

    `n` layers are copied (or, for random features, left as they are), and the first
    `frozen_layers` do not learn; `images_per_class` None stands for all.
    """

    network: str
    split: str
    seed: int
    target: str
    stream: str
    n: int
    frozen_layers: int
    images_per_class: int | None
    architecture: dict
    recipe: dict


def train(
    task: Task,
    images: Path,
    split: Path,
    base: Path | None,
    folder: NetworkFolder,
    code: str,
    keep_weights: bool,
) -> dict:
    """Train the network of a task and write its folder, all but metrics.json.

    `images` is the store's folder, `split` the CSV file, `base` the weights to copy from or None;
    `code` the fingerprint of the code. A training that was interrupted goes on where it last saved,
    and ends with the same bits. Returns the metrics: accuracies in [0, 1], losses in nats.
    Raises TrainingError if the loss is no longer finite, TransplantError, CheckpointError or
    StoreError if an input cannot be used.
    """
    recipe = task.recipe
    device = devices.choose_device(recipe["device"])
    precision = devices.choose_precision(recipe["precision"], device)
    stream = Stream(task.stream, task.split, task.seed, task.target)
    store = image_store.open_store(images)
    learned, validation = load_data(store, split, task, device)
    network = transplant.initialised(
        task.architecture, store.train_images.shape[1], len(learned.classes), stream
    )
    weights, base_digest = {}, None
    if base is not None:
        weights, _, base_digest = checkpoint.load(base)

    # Where the parameters come from, stated once: resume, else transplant, else new.
    identity = {
        **asdict(task),
        "images": store.digest,
        "classes": hashlib.sha256(split.read_bytes()).hexdigest(),
        "base": base_digest,
        "code": code,
        "torch": torch.__version__,
        "precision": precision,
    }
    resumed = folder.load_resume(identity)
    if resumed is not None:
        weights = {
            name.removeprefix("network."): tensor
            for name, tensor in resumed[0].items()
            if name.startswith("network.")
        }
        network.load_state_dict(weights)
    elif base is not None:
        try:
            transplant.copy_layers(network, weights, task.n)
        except transplant.TransplantError as error:
            raise transplant.TransplantError(f"{base}: {error}") from error

    network.to(device, memory_format=torch.channels_last)
    transplant.freeze(network[: task.frozen_layers])
    normalise = batches.Normalise(learned.images).to(device)
    run = Run(network, task, normalise, precision, stream)
    if resumed is not None:
        run.restore(*resumed)
        log.info("%s goes on after epoch %d", task.network, run.epoch)
    run.take(learned, validation)

    while run.epoch < recipe["epochs"]:
        train_loss = train_one_epoch(run)
        if run.epoch % recipe["evaluate_every"] == 0 or run.epoch == recipe["epochs"]:
            evaluation = evaluate(run)
            run.history.append(
                {
                    "epoch": run.epoch,
                    "learning_rate": run.learning_rate(-1),
                    "train_loss": train_loss,
                    **evaluation.numbers,
                    "images_seen": run.images_seen,
                    "seconds": round(run.seconds, 3),
                }
            )
            folder.write_history(run.history)
            log.info("%s %s", task.network, run.history[-1])
        folder.save_resume(run.tensors(), identity, run.state())

    evaluation = evaluate(run)
    folder.write_history(run.history)
    predictions = np.full(len(store.validation_labels), -1, np.int32)
    predictions[validation.indices] = validation.classes[evaluation.predictions]
    folder.write_predictions(predictions)
    digest = None
    if keep_weights:
        digest = checkpoint.save(folder.weights, network.state_dict(), identity)
    return {
        **{key: run.history[-1][key] for key in ("top1", "top5", "loss", "train_loss")},
        "images_seen": run.images_seen,
        "seconds": round(run.seconds, 3),
        "images_per_second": round(run.images_seen / run.seconds, 1),
        "device": devices.describe(device),
        "precision": precision,
        "validation_images": len(validation),
        "classes": len(learned.classes),
        "train_images": len(learned),
        "weights_sha256": digest,
        "resumed_at_epochs": run.resumed_at,
        "threads": torch.get_num_threads(),
        "identity": identity,
    }


def load_data(
    store: image_store.Store, split: Path, task: Task, device: torch.device
) -> tuple[batches.ImageSet, batches.ImageSet]:
    """The training and the validation images of the task's target half, on the device."""
    half = classes.read(split, store.classes)[task.target]
    # The few images that represent a class are the same for the bases and all treatments.
    stream = Stream("images", task.split, task.seed, task.target)
    return (
        batches.image_set(
            store.train_images, store.train_labels, half, device, task.images_per_class, stream
        ),
        batches.image_set(store.validation_images, store.validation_labels, half, device),
    )


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

    def take(self, learned: batches.ImageSet, validation: batches.ImageSet) -> None:
        """Take the images, as features of the frozen layers where these are always the same."""
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


def train_one_epoch(run: Run) -> float:
    """One pass over the training images; the mean of its losses, in nats.

    Raises TrainingError as soon as a loss is seen that is not finite.
    """
    start = time.perf_counter()
    batch_size = run.recipe["batch_size"]
    transplant.set_training(run.layers, run.frozen_layers)
    # Seeded anew each epoch, dropout needs no state of its own to go on after an interruption.
    torch.manual_seed(run.stream.number("dropout", run.epoch))
    total, steps = torch.zeros((), device=run.learned.labels.device), run.steps_per_epoch
    epoch = batches.shuffled(run.learned, batch_size, run.recipe["augment"], run.stream, run.epoch)
    for step, (images, labels) in enumerate(epoch):
        with run.autocast():
            logits = run.layers(run.entry(images))
        loss = F.cross_entropy(logits.float(), labels)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step(run.learning_rate(step))
        total += loss.detach()
        run.images_seen += len(labels)
        if (step % STEPS_PER_CHECK == 0 or step == steps - 1) and not math.isfinite(total):
            raise TrainingError(
                f"{run.task.network} ({run.task.split}, seed {run.task.seed}): the loss is no "
                f"longer finite in epoch {run.epoch + 1} at learning rate "
                f"{run.learning_rate(step):.4g}; lower recipe.learning_rate (now "
                f"{run.recipe['learning_rate']}) or raise recipe.warmup"
            )
    run.epoch += 1
    run.seconds += time.perf_counter() - start
    return total.item() / steps


@dataclass(frozen=True)
class Evaluation:
    """`numbers`: top1, top5 (the 5 best guesses, or all if there are fewer classes) and loss over
    the validation images; `predictions`: N int64, the best guess, counted within the half."""

    numbers: dict
    predictions: np.ndarray


@torch.inference_mode()
def evaluate(run: Run) -> Evaluation:
    """Classify all validation images of the target half."""
    run.layers.eval()
    with run.autocast():
        logits = torch.cat(
            [
                run.layers(run.entry(images)).float()
                for images in batches.ordered(run.validation, run.recipe["batch_size"])
            ]
        )
    labels = run.validation.labels
    best = logits.topk(min(5, logits.shape[1])).indices
    hits = best == labels[:, None]
    return Evaluation(
        {
            "top1": hits[:, 0].sum().item() / len(labels),
            "top5": hits.any(1).sum().item() / len(labels),
            "loss": F.cross_entropy(logits, labels).item(),
        },
        best[:, 0].cpu().numpy(),
    )
