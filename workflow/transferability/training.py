"""Train one network: one visible loop."""

import hashlib
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from transferability import batches, checkpoint, classes, devices, transplant
from transferability.images import store as image_store
from transferability.network_folder import NetworkFolder
from transferability.run import Run
from transferability.streams import Stream
from transferability.task import Task

log = logging.getLogger(__name__)

STEPS_PER_CHECK = 32
"""Steps between two looks at the loss; each look waits for the device."""


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
    if task.n >= len(network):
        raise ValueError(
            f"network {task.network}: n = {task.n}, and {task.architecture['name']} has "
            f"{len(network)} layers, of which the last is always new"
        )
    devices.use_precision(precision)
    trained_on = {
        "images_sha256": store.digest,
        "split_sha256": hashlib.sha256(split.read_bytes()).hexdigest(),
    }
    weights, base_digest = load_base(task, base, trained_on)

    # Where the parameters come from, stated once: resume, else transplant, else new.
    identity = {
        **asdict(task),
        **trained_on,
        "base_sha256": base_digest,
        "code": code,
        "torch": torch.__version__,
        "precision": precision,
        "device": device.type,
    }
    resumed = folder.load_resume(identity)
    if resumed is not None:
        weights = {
            name.removeprefix("network."): tensor
            for name, tensor in resumed[0].items()
            if name.startswith("network.")
        }
        network.load_state_dict(weights)
    elif task.base is not None:
        try:
            transplant.copy_layers(network, weights, task.n)
        except transplant.TransplantError as error:
            raise transplant.TransplantError(f"{base}: {error}") from error

    network.to(device, memory_format=devices.memory_format(device))
    transplant.freeze(network[: task.frozen_layers])
    normalise = batches.Normalise(learned.images).to(device)
    run = Run(network, task, normalise, precision, stream)
    if resumed is not None:
        run.restore(*resumed)
        log.info("%s goes on after epoch %d", task.network, run.epoch)
    run.take(learned, validation)
    # Where these are features now, nothing holds the images any more.
    learned, validation = run.learned, run.validation

    evaluation = None
    while run.epoch < recipe["epochs"]:
        train_loss = train_one_epoch(run)
        if run.epoch % recipe["evaluate_every"] == 0 or run.epoch == recipe["epochs"]:
            evaluation = evaluate(run)
            run.note(train_loss, evaluation.numbers)
            folder.write_history(run.history)
            log.info("%s %s", task.network, run.history[-1])
        folder.save_resume(run.tensors(), identity, run.state())

    if evaluation is None:
        # It went on after its last epoch.
        evaluation = evaluate(run)
    folder.write_history(run.history)
    predictions = np.full(len(store.validation_labels), -1, np.int32)
    predictions[validation.indices] = validation.classes[evaluation.predictions]
    folder.write_predictions(predictions)
    # Weights of an earlier training, by another recipe, must not lie beside these results.
    folder.weights.unlink(missing_ok=True)
    digest = None
    if keep_weights:
        digest = checkpoint.save(folder.weights, network.state_dict(), identity)
    return {
        **run.metrics(),
        "device": devices.describe(device),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "weights_sha256": digest,
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


def load_base(
    task: Task, path: Path | None, trained_on: dict
) -> tuple[dict[str, torch.Tensor], str | None]:
    """The weights that the task copies from, and their sha256; none if it copies none.

    Raises ValueError if they are missing, not wanted, or of another network, split, seed or
    image store than the task's base.
    """
    if path is None or task.base is None:
        if path is None and task.base is None:
            return {}, None
        wanted = f"the weights of {task.base}" if task.base else "no weights"
        given = f"got {path}" if path else "got none; give --base"
        raise ValueError(f"--base: network {task.network} copies {wanted}, and {given}")
    weights, header, digest = checkpoint.load(path)
    wanted = {
        "network": task.base,
        "split": task.split,
        "seed": task.seed,
        **trained_on,
    }
    differing = [key for key in wanted if header.get(key) != wanted[key]]
    if differing:
        raise ValueError(
            f"--base: network {task.network} copies {task.base} of its own study, and {path} "
            f"differs in {', '.join(differing)} (network {header.get('network')})"
        )
    return weights, digest


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
        if step % STEPS_PER_CHECK == 0 or step == steps - 1:
            run.check_finite(total, step)
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
    loss = F.cross_entropy(logits, labels)
    # The last step before may have ruined the weights, and no training loss tells of it.
    run.check_finite(loss, step=-1)
    best = logits.topk(min(5, logits.shape[1])).indices
    hits = best == labels[:, None]
    return Evaluation(
        {
            "top1": hits[:, 0].sum().item() / len(labels),
            "top5": hits.any(1).sum().item() / len(labels),
            "loss": loss.item(),
        },
        best[:, 0].cpu().numpy(),
    )
