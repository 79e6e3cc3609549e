"""The training and the evaluation of one network."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from transferability.images import class_splits
from transferability.images import store as image_store
from transferability.storage import files, signals
from transferability.storage.network_folder import NetworkFolder
from transferability.study.learned import reason
from transferability.study.networks import HALVES, TrainingSpec, parse_name
from transferability.training import data, preprocessing, processes, transplant
from transferability.training import device as devices
from transferability.training.preprocessing import Preprocessing
from transferability.training.rng import Stream
from transferability.training.trainer import Trainer, micro_batch

log = logging.getLogger(__name__)

STEPS_PER_CHECK = 32
"""The number of steps between two checks that the loss is finite; a check waits for the device."""

SECONDS_PER_SAVE = 600
"""A training is saved this often, and also after each epoch if SHARE_OF_SAVES allows it."""

SHARE_OF_SAVES = 0.1
"""Saves after an epoch may take about this share of the time; not all short epochs are saved."""


def train(
    task: TrainingSpec,
    images: Path,
    split: Path | None,
    base: Path | None,
    folder: NetworkFolder,
    code: str,
    keep_weights: bool,
    source_images: Path | None = None,
) -> dict | None:
    """Train the network of a task and write its folder, except metrics.json.

    `images` is the store's folder; `split` the CSV file, or None for a source, which is trained on
    all classes; `base` the weights to copy from, or None; `code` the fingerprint of the code;
    `source_images` the store of the source, if the study trains one. An interrupted training
    continues from its last save and ends with the same bits; a finished one is not repeated.
    Returns the metrics: accuracies in [0, 1], losses in nats. With several processes, only the
    first writes and returns metrics, the others return None. Raises TrainingError if the loss is
    no longer finite; Interrupted, after a save, if a signal was received.
    """
    recipe = task.recipe
    device = devices.choose_device(recipe["device"])
    precision = devices.choose_precision(recipe["precision"], device)
    stream = Stream.of(task)
    store = image_store.open_store(images)
    halves = read_halves(task, store, split)
    learned, validation = load_data(store, halves[task.target], task, device)
    stored = store.train_images.shape[1:3]
    network = transplant.initialised(
        task.architecture, recipe["crop"] or stored[0], len(learned.classes), stream
    )
    if task.copied >= len(network):
        raise ValueError(
            f"network {task.network}: n = {task.copied}, but {task.architecture['name']} has "
            f"{len(network)} layers, of which the last is always new"
        )
    devices.use_precision(precision)
    trained_on = {"images_sha256": store.digest, "split_sha256": split and files.sha256(split)}
    source = source_images and image_store.open_store(source_images)
    of_base = trained_on
    if task.base and parse_name(task.base).target not in HALVES:
        of_base = source and {"images_sha256": source.digest, "split_sha256": None}
    weights, base_digest = transplant.load_base(task, base, of_base, network)
    identity = {
        **asdict(task),
        **trained_on,
        "base_sha256": base_digest,
        "source_images_sha256": source and source.digest,
        "code": code,
        "torch": torch.__version__,
        "precision": precision,
        "device": device.type,
    }
    finished = folder.load_finished(identity, keep_weights)
    if processes.anywhere(finished is not None):
        return finished

    # The parameters are those of the last save, else copied from the base, else new.
    resumed = folder.load_resume(identity)
    if resumed is None and task.base is not None:
        copied = transplant.shuffled(weights, network, stream) if task.shuffled else weights
        transplant.copy_layers(network, copied, task.copied)

    statistics = preprocessing.statistics_of(task, store, halves, learned.indices, source)
    preprocess = Preprocessing(recipe, stored, statistics, device)
    run = Trainer(network, task, preprocess, precision, device)
    if resumed is None:
        reestimate(network, task, learned, preprocess)
    if resumed is not None:
        run.restore(*resumed)
        log.info("%s continues after iteration %d", task.network, run.step)
    run.take(learned, validation)
    # If the run uses features in place of the images, this frees the images' memory.
    del learned, validation
    best = train_to_the_end(run, folder, identity)
    if processes.rank() > 0:
        return None
    predictions = np.full(len(store.validation_labels), -1, np.int32)
    predictions[run.validation.indices] = run.validation.classes[best]
    folder.write_predictions(predictions)
    # Weights of an earlier training with another recipe must not stay next to these results.
    folder.weights.unlink(missing_ok=True)
    digest = folder.write_weights(network.state_dict(), identity) if keep_weights else None
    metrics = {**run.metrics(), "identity": identity}
    right = predictions == store.validation_labels
    selection = image_store.selection(store.validation_labels, store.classes)
    for half, images in {"selection": selection, "reporting": ~selection}.items():
        of_target = right[images & (predictions >= 0)]
        metrics[f"top1_{half}"] = of_target.mean().item() if len(of_target) else None
    if not metrics["learned"]:
        log.warning(
            "%s did not learn: top-1 %.1f %%, chance %.1f %%, %s",
            *(task.network, 100 * metrics["top1"], 100 * metrics["chance"], reason(metrics)),
        )
    return {
        **metrics,
        "device": devices.describe(device),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "history_sha256": files.sha256(folder.history),
        "predictions_sha256": files.sha256(folder.predictions),
        "weights_sha256": digest,
    }


def train_to_the_end(run: Trainer, folder: NetworkFolder, identity: dict) -> np.ndarray:
    """Train, evaluate and save in turn; return the best guesses of the last evaluation."""
    best, saved, next_save = None, time.monotonic(), 0.0
    try:
        while run.evaluation_is_due or not run.is_done:
            if not run.evaluation_is_due:
                train_one_epoch(run, saved + SECONDS_PER_SAVE)
            if run.evaluation_is_due:
                numbers, best = evaluate(run)
                run.note(numbers)
                folder.write_history(run.history)
                log.info("%s %s", run.task.network, run.history[-1])
            start, ends_epoch = time.monotonic(), run.step % run.steps_per_epoch == 0
            is_due = start >= saved + SECONDS_PER_SAVE or (ends_epoch and start >= next_save)
            if is_due or run.is_done:
                folder.save_resume(run.tensors(), identity, run.state())
                saved = time.monotonic()
                next_save = saved + (saved - start) / SHARE_OF_SAVES
    except signals.Interrupted:
        folder.save_resume(run.tensors(), identity, run.state())
        log.info("%s is saved after iteration %d", run.task.network, run.step)
        # All processes wait here for the one that saves: when one ends, torchrun ends the others.
        processes.highest(0)
        raise
    folder.write_history(run.history)
    # None if this call only resumed a training whose last evaluation was already saved.
    return evaluate(run)[1] if best is None else best


def read_halves(
    task: TrainingSpec, store: image_store.Store, split: Path | None
) -> dict[str, Sequence[int]]:
    """The classes of each half, from the CSV file of a split; or all classes as one half if a
    source is trained, which has no split."""
    if split is None:
        return {task.target: range(len(store.classes))}
    return class_splits.read(split, store.classes)


def load_data(
    store: image_store.Store, half: Sequence[int], task: TrainingSpec, device: torch.device
) -> tuple[data.ImageSet, data.ImageSet]:
    """The training and the validation images of the task's target half, each on the device if they
    fit there. The validation images, which are fewer, are placed there first."""
    room = devices.room_for_images(device)
    images, labels = store.validation_images, store.validation_labels
    validation = data.image_set(images, labels, half, device, room)
    if isinstance(validation.images, torch.Tensor):
        room -= validation.images.nbytes
    images, labels, count = store.train_images, store.train_labels, task.images_per_class
    # With images_per_class, the drawn images are the same for the bases and all treatments.
    stream = Stream.of(task, "images")
    learned = data.image_set(images, labels, half, device, room, count, stream, store.classes)
    return learned, validation


def reestimate(
    network: nn.Sequential, task: TrainingSpec, learned: data.ImageSet, preprocess: Preprocessing
) -> None:
    """If the task asks for it, recompute the frozen layers' batch-norm statistics on its images."""
    if task.reestimated:
        # In the shuffled order of the first epoch, since the store is sorted by class.
        batches = data.shuffled(learned, micro_batch(task.recipe), Stream.of(task), epoch=0)
        inputs = (preprocess(images) for images, _, _ in batches)
        transplant.reestimate_statistics(network[: task.frozen_layers], inputs)


def train_one_epoch(run: Trainer, deadline: float = math.inf) -> None:
    """Train to the end of the epoch, the next evaluation, or the first step that ends after the
    deadline (of `time.monotonic`), whichever comes first.

    Raises TrainingError if a check finds a loss that is not finite, and Interrupted after the step
    during which a signal was received.
    """
    start = time.perf_counter()
    run.set_training()
    augment, pause = run.epoch_augmentation(), run.next_pause
    # A user's own network may have parameters that it does not use.
    all_learn = run.task.architecture["name"] != "custom"
    layers, count = processes.together(run.layers, all_learn), processes.count()
    sizes = [part.stop - part.start for part in run.parts]
    for images, labels, first in run.coming_batches():
        if run.step % run.loss_steps == 0:
            run.total_loss = torch.zeros_like(run.total_loss)
        # With a seed in each step, resuming needs no state of dropout's generator.
        devices.seed(run.device, run.dropout_seed + run.step + (processes.rank() << 40))
        run.network.zero_grad()
        for part, seen, wanted in zip(
            run.parts, images.split(sizes), labels.split(sizes), strict=True
        ):
            inputs = run.inputs(seen, augment, first + part.start)
            with run.autocast():
                logits = layers(inputs)
            loss = F.cross_entropy(
                logits.float(), wanted, label_smoothing=run.recipe["label_smoothing"]
            )
            # Times `count`, since gradients are averaged over the processes. 1 for a single part.
            loss = loss * (count * len(seen) / run.batch)
            loss.backward()
            run.total_loss += processes.mean(loss.detach())
        run.optimizer.step(run.learning_rate(run.step))
        run.step += 1
        run.images_seen += run.batch
        stop = run.step == pause or processes.anywhere(
            time.monotonic() >= deadline or signals.has_come()
        )
        if stop or run.step % STEPS_PER_CHECK == 1:
            run.check_finite(run.total_loss)
        if stop:
            break
    run.seconds += time.perf_counter() - start
    processes.check_signals()


@torch.inference_mode()
def evaluate(run: Trainer) -> tuple[dict, np.ndarray]:
    """Classify all validation images of the target half.

    Returns top1, top5 (the 5 best guesses, or all if there are fewer classes) and the mean loss;
    and the best guess for each image (N int64, counted within the half).
    """
    run.layers.eval()

    def classify(images: torch.Tensor) -> torch.Tensor:
        inputs = run.inputs(images)
        with run.autocast():
            return run.layers(inputs).float()

    found = guesses(classify, run.evaluated, run.micro_batch)
    losses, best = map(processes.gathered, found)
    loss = losses.mean()
    # The last training step may have ruined the weights, which no training loss shows yet.
    run.check_finite(loss)
    hits = best == run.validation.labels[:, None]
    top1, top5 = (found.sum().item() / len(hits) for found in (hits[:, 0], hits.any(1)))
    return {"top1": top1, "top5": top5, "loss": loss.item()}, best[:, 0].cpu().numpy()


def guesses(
    classify: Callable[[torch.Tensor], torch.Tensor], images: data.ImageSet, batch_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of each image (N), and its 5 best guesses (N×5, or fewer if there are fewer
    classes), from the logits that `classify` returns for a batch."""
    losses, best = [], []
    batches = data.ordered(images, batch_size)
    for batch, labels in zip(batches, images.labels.split(batch_size), strict=True):
        logits = classify(batch)
        # Keeping all logits would need memory that grows with images times classes.
        losses.append(F.cross_entropy(logits, labels, reduction="none"))
        best.append(logits.topk(min(5, logits.shape[1])).indices)
    return torch.cat(losses), torch.cat(best)
