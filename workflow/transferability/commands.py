"""What each subcommand of the command line does: one per rule of the workflow, and some for people.

Each takes its inputs, outputs and settings as flags and imports what it needs itself, so that no
rule pays for another's libraries.
"""

import argparse
import dataclasses
import hashlib
import json
import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)


def prepare_images(flags: argparse.Namespace) -> None:
    """Draw or read the images of a dataset and write its store."""
    from transferability import fingerprint, images, interruption, writing
    from transferability.images import reading, store

    source = flags.settings["source"]
    settings = {**flags.settings, "download": flags.download == "yes"}
    code = fingerprint.of_images(source)
    found = images.source_module(source).read(settings, flags.workers)
    with (
        interruption.noticed(),
        writing.sole_writer(flags.folder, _work(flags.settings, code)) as writer,
        # What is read lies on the disk, a block at a time.
        interruption.noticed(at_once=True),
    ):
        if writer.is_second:
            with suppress(store.StoreError):
                store.open_store(flags.folder)
                log.info("%s: the same images were written meanwhile", flags.folder)
                return
        with reading.finished(
            found, flags.folder, flags.settings, flags.workers, code
        ) as collection:
            store.write(collection, flags.folder, flags.settings)


def split_classes(flags: argparse.Namespace) -> None:
    """Part the classes of a dataset into halves A and B."""
    from transferability import classes
    from transferability.images import groups, store

    opened = store.open_store(flags.images)
    if flags.published:
        split = classes.draw_published(opened.classes, flags.published, flags.split.stem)
    elif flags.groups:
        of_classes = opened.groups
        if flags.grouped_by:
            of_classes = groups.of_classes(flags.grouped_by, opened.classes)
        split = classes.draw_dissimilar(opened.classes, of_classes, flags.groups)
    else:
        split = classes.draw_random(opened.classes, flags.random)
    classes.write(split, flags.split)


def layers(flags: argparse.Namespace) -> None:
    """Print the layers of a study's architecture, its n marked."""
    from transferability import architectures, images, study, study_file
    from transferability.architectures import listing

    checked = study_file.read(flags.study)
    settings, image_size = checked["architecture"], study.input_size(checked)
    # Only the last layer depends on it; where only reading tells how many classes there are, they
    # are taken to be as many as ImageNet's.
    classes = images.facts(checked["dataset"]).classes
    half = (classes or 1000) // 2
    assumed = "" if classes else ", assumed, since only reading the images tells"
    built = architectures.module(settings["name"]).build(settings, image_size, half)
    print(listing.table(built, image_size, study.layers(checked, len(built))))
    print(f"{image_size}×{image_size} pixels, {half} classes{assumed}")
    print("*: an n of the study; all layers down to there are copied, and the last is always new")


def plan(flags: argparse.Namespace) -> None:
    """Print what a study will take: networks, images, bytes, operations, hours."""
    import torch

    from transferability import plan, study_file

    # As the workflow trains, so that as many trainings as there are cores go on at once.
    torch.set_num_threads(1)
    checked = study_file.read(flags.study)
    print(plan.text(checked, flags.images_per_second, flags.seconds))


def train(flags: argparse.Namespace) -> None:
    """Train one network."""
    # torch then asks for large pages; for small ones, the system takes a tenth of a step's time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from transferability import fingerprint, interruption, job, writing
    from transferability.network_folder import NetworkFolder
    from transferability.task import Task

    started = job.now()
    task = Task.of(flags.network, flags.split.stem, flags.seed, flags.architecture, flags.recipe)
    folder = NetworkFolder.of(flags.outputs)
    code = fingerprint.of_training(flags.architecture["name"], flags.architecture.get("build"))
    work = _work(dataclasses.asdict(task), code)
    with (
        interruption.noticed(),
        writing.sole_writer(folder.path, work, folder.resume) as writer,
    ):
        # Later, since who waits for the folder has no need of it.
        import torch

        from transferability import devices, out_of_memory, training

        torch.set_num_threads(flags.threads)
        folder = dataclasses.replace(folder, check=writer.check)
        with (
            out_of_memory.explained(task),
            devices.least_used(devices.choose_device(task.recipe["device"])),
        ):
            metrics = training.train(
                task,
                images=flags.images,
                split=flags.split,
                base=flags.base,
                folder=folder,
                code=code,
                keep_weights=folder.weights in flags.outputs,
            )
        # What was found finished tells of the job that finished it.
        metrics.setdefault(
            "job",
            job.described(started, metrics["device"], writer.restarts, writer.seconds_lost),
        )
        folder.write_metrics(metrics)
        folder.keep_finished()
        folder.remove_resume()


def forget_finished(flags: argparse.Namespace) -> None:
    """Remove the second copies of what trainings left, which serve a run that was killed."""
    from transferability import network_folder

    network_folder.forget_finished(flags.results / "networks")


def verify(flags: argparse.Namespace) -> None:
    """Check every network of a study against its recipe, its checksums and its provenance."""
    from transferability import verify

    verdicts = verify.verify(flags.results)
    print(verify.table(verdicts))
    faults = [fault for verdict in verdicts for fault in verdict.faults]
    if faults:
        raise ValueError(
            f"{flags.results}: {len(faults)} faults, each named above with its file; delete the "
            "folder of the network or the image store that has one, and run the study again"
        )


def collect_networks(flags: argparse.Namespace) -> None:
    """Gather the metrics and histories of a study's networks in two tables."""
    from transferability import results

    networks, evaluations = results.collect(
        flags.study,
        flags.results / "networks",
        flags.splits,
        flags.seeds,
        flags.networks,
        flags.score,
        flags.omitted,
    )
    _write_table(networks, flags.table)
    _write_table(evaluations, flags.evaluations)


def read_published(flags: argparse.Namespace) -> None:
    """Read the published networks of 2014 into a table like a study's."""
    from transferability import published

    networks = published.read(flags.study, flags.published, flags.class_splits)
    _write_table(networks, flags.table)


def estimate_effects(flags: argparse.Namespace) -> None:
    """Estimate paired effects and the boost, with intervals."""
    import numpy as np

    from transferability import boost, effects, results

    networks = read_table(flags.table)
    correct = None
    if flags.labels:
        correct = results.correctness(flags.results / "networks", np.load(flags.labels))
    _write_table(effects.paired_differences(networks), flags.differences)
    _write_table(effects.estimate(networks, correct), flags.effects)
    _write_table(boost.boost(networks, correct), flags.boost)


def write_findings(flags: argparse.Namespace) -> None:
    """Write what the numbers say, effect by effect, as a page."""
    from transferability import files, findings

    page = findings.page(read_table(flags.effects), read_table(flags.boost))
    files.write_text(flags.page, page)


def plot_transfer(flags: argparse.Namespace) -> None:
    """Draw top-1 against n (figure 2 above, in the paper)."""
    from transferability import figures

    figures.save(figures.transfer(read_table(flags.table)), flags.figure)


def plot_effects(flags: argparse.Namespace) -> None:
    """Draw the effects against n (figure 2 below)."""
    from transferability import figures

    reference = read_table(flags.reference) if flags.reference else None
    figures.save(figures.effects(read_table(flags.effects), reference), flags.figure)


def plot_boost(flags: argparse.Namespace) -> None:
    """Draw the boost by each estimator (table 1)."""
    from transferability import figures

    figures.save(figures.boost(read_table(flags.boost)), flags.figure)


def plot_dissimilar(flags: argparse.Namespace) -> None:
    """Draw dissimilar halves and random features (figure 3)."""
    from transferability import figures

    figures.save(
        figures.dissimilar(read_table(flags.table), read_table(flags.effects)), flags.figure
    )


def plot_data_size(flags: argparse.Namespace) -> None:
    """Draw the effects against the images a class of the target half."""
    from transferability import figures

    figures.save(figures.data_size(read_table(flags.effects)), flags.figure)


def plot_filters(flags: argparse.Namespace) -> None:
    """Draw the first-layer filters of the bases."""
    from transferability import checkpoint, figures

    filters = {}
    for path in flags.weights:
        tensors, _, _ = checkpoint.load(path)
        # Whatever the architecture: it is the first convolution that sees three colours.
        seeing = [
            tensor.numpy()
            for _, tensor in sorted(tensors.items())
            if tensor.ndim == 4 and tensor.shape[1] == 3
        ]
        if seeing:
            filters[path.parent.name] = seeing[0]
    figures.save(figures.filters(filters), flags.figure)


def plot_learning_curves(flags: argparse.Namespace) -> None:
    """Draw top-1 and training loss against the epoch."""
    from transferability import figures

    figures.save(
        figures.learning_curves(read_table(flags.table), read_table(flags.evaluations)),
        flags.figure,
    )


def plot_cost(flags: argparse.Namespace) -> None:
    """Draw the seconds that each network took."""
    from transferability import figures

    figures.save(figures.cost(read_table(flags.table)), flags.figure)


def read_table(path: Path):
    """A table as the project writes it; an empty cell is an empty text where texts are meant."""
    import pandas as pd

    return pd.read_csv(path, dtype={"source": str, "target_size": str}).fillna({"source": ""})


def _work(settings: dict, code: str) -> str:
    """What tells one work in a folder from another."""
    return hashlib.sha256(json.dumps([settings, code], sort_keys=True).encode()).hexdigest()[:16]


def _write_table(table, path: Path) -> None:
    from transferability import files

    with files.whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
