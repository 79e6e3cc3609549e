"""What each subcommand of the command line does that a rule of the workflow runs.

Each takes its inputs, outputs and settings as flags and imports what it needs itself, so that no
rule pays for another's libraries.
"""

import argparse
import dataclasses
import gc
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)


def prepare_images(flags: argparse.Namespace) -> None:
    """Draw or read the images of a dataset and write its store."""
    from transferability import images
    from transferability.images import build, store
    from transferability.records import fingerprint
    from transferability.storage import lease, signals

    source = flags.settings["source"]
    settings = {**flags.settings, "download": flags.download == "yes"}
    code = fingerprint.images_fingerprint(source)
    read = images.source_module(source).read(settings)
    with (
        signals.noticed(),
        lease.sole_writer(flags.folder, _work(flags.settings, code)) as writer,
        # What is read lies on the disk, a block at a time.
        signals.noticed(at_once=True),
    ):
        if writer.is_second:
            with suppress(store.StoreError):
                store.open_store(flags.folder)
                log.info("%s: the same images were written meanwhile", flags.folder)
                return
        build.write_store(read, flags.folder, flags.settings, flags.workers, code)


def split_classes(flags: argparse.Namespace) -> None:
    """Part the classes of a dataset into halves A and B."""
    from transferability.images import class_splits, groups, store

    opened = store.open_store(flags.images)
    if flags.published:
        split = class_splits.draw_published(opened.classes, flags.published, flags.split.stem)
    elif flags.groups:
        of_classes = opened.groups
        if flags.grouped_by:
            of_classes = groups.of_classes(flags.grouped_by, opened.classes)
        split = class_splits.draw_dissimilar(opened.classes, of_classes, flags.groups)
    else:
        split = class_splits.draw_random(opened.classes, flags.random)
    class_splits.write(split, flags.split)


def write_study(flags: argparse.Namespace) -> None:
    """Write the study as it is run, every key filled in, beside its results."""
    import yaml

    from transferability.storage import files

    text = yaml.safe_dump(dict(flags.study), sort_keys=False, allow_unicode=True, width=100)
    files.write_text(flags.file, f"# The study as it was run, defaults filled in.\n{text}")


def train(flags: argparse.Namespace) -> None:
    """Train one network."""
    # torch then asks for large pages; for small ones, the system takes a tenth of a step's time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from transferability.records import fingerprint, provenance
    from transferability.storage import job, lease, signals
    from transferability.storage.network_folder import NetworkFolder
    from transferability.study.training_spec import TrainingSpec

    started = job.now()
    task = TrainingSpec.of(
        flags.network, flags.split.stem, flags.seed, flags.architecture, flags.recipe
    )
    folder = NetworkFolder.of(flags.outputs)
    code = fingerprint.training_fingerprint(
        flags.architecture["name"], flags.architecture.get("build")
    )
    # Now, since the working tree may change while the network is trained.
    made_by = provenance.described(flags.arguments)
    work = _work(dataclasses.asdict(task), code)
    with (
        signals.noticed(),
        lease.sole_writer(folder.path, work, folder.resume) as writer,
    ):
        # Later, since who waits for the folder has no need of it.
        with _loading():
            import torch

            from transferability.training import device, loop, trainer

        device.keep_freed()
        torch.set_num_threads(flags.threads)
        folder = dataclasses.replace(folder, check=writer.check)
        with (
            trainer.explained(task),
            device.repeatable(task.recipe["deterministic"]),
            device.least_used(device.choose_device(task.recipe["device"])),
        ):
            metrics = loop.train(
                task,
                images=flags.images,
                split=flags.split,
                base=flags.base,
                folder=folder,
                code=code,
                keep_weights=folder.weights in flags.outputs,
            )
        # What was found finished tells of the job that finished it.
        metrics.setdefault("provenance", made_by)
        metrics.setdefault(
            "job",
            provenance.of_job(started, metrics["device"], writer.restarts, writer.seconds_lost),
        )
        folder.write_metrics(metrics)
        folder.keep_finished(metrics)


def forget_finished(flags: argparse.Namespace) -> None:
    """Remove the resume files of finished trainings, which serve a run that was killed."""
    from transferability.storage import network_folder

    network_folder.forget_finished(flags.results / "networks")


def collect_networks(flags: argparse.Namespace) -> None:
    """Gather the metrics and histories of a study's networks in two tables."""
    from transferability.analysis import collect

    networks, evaluations = collect.collect(
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
    from transferability.analysis import collect

    networks = collect.read_published(flags.study, flags.published, flags.class_splits)
    _write_table(networks, flags.table)


def estimate_effects(flags: argparse.Namespace) -> None:
    """Estimate paired effects and the boost, with intervals."""
    import numpy as np

    from transferability.analysis import boost, collect, effects

    networks = read_table(flags.table)
    correct = None
    if flags.labels:
        correct = collect.correctness(flags.results / "networks", np.load(flags.labels))
    _write_table(effects.paired_differences(networks), flags.differences)
    _write_table(effects.estimate(networks, correct), flags.effects)
    _write_table(boost.boost(networks, correct), flags.boost)


def write_findings(flags: argparse.Namespace) -> None:
    """Write what the numbers say, effect by effect, as a page."""
    from transferability.reports import findings
    from transferability.storage import files

    page = findings.page(read_table(flags.effects), read_table(flags.boost))
    files.write_text(flags.page, page)


def write_methods(flags: argparse.Namespace) -> None:
    """Write how the study was made, for the Methods section of a paper."""
    import yaml

    from transferability.reports import methods
    from transferability.storage import files
    from transferability.study import config

    text = methods.text(
        config.resolved(flags.study),
        flags.results,
        read_table(flags.effects),
        read_table(flags.boost),
        yaml.safe_load(flags.citation.read_text(encoding="utf-8")),
    )
    files.write_text(flags.text, text)


def plot_transfer(flags: argparse.Namespace) -> None:
    """Draw top-1 against n (figure 2 above)."""
    from transferability import figures
    from transferability.figures import interactive

    table = read_table(flags.table)
    _save(flags, figures.transfer, table)
    _save_page(flags, interactive.transfer, table)


def plot_effects(flags: argparse.Namespace) -> None:
    """Draw the effects against n (figure 2 below)."""
    from transferability import figures
    from transferability.figures import interactive

    effects = read_table(flags.effects)
    reference = read_table(flags.reference) if flags.reference else None
    _save(flags, figures.effects, effects, reference)
    _save_page(flags, interactive.effects, effects, reference)


def plot_boost(flags: argparse.Namespace) -> None:
    """Draw the boost by each estimator (table 1)."""
    from transferability import figures

    _save(flags, figures.boost, read_table(flags.boost))


def plot_dissimilar(flags: argparse.Namespace) -> None:
    """Draw dissimilar halves and random features (figure 3)."""
    from transferability import figures

    _save(flags, figures.dissimilar, read_table(flags.table), read_table(flags.effects))


def plot_data_size(flags: argparse.Namespace) -> None:
    """Draw the effects against the images a class of the target half."""
    from transferability import figures

    _save(flags, figures.data_size, read_table(flags.effects))


def plot_filters(flags: argparse.Namespace) -> None:
    """Draw the first-layer filters of the bases."""
    from transferability import figures
    from transferability.storage import checkpoint

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
    _save(flags, figures.filters, filters)


def plot_learning_curves(flags: argparse.Namespace) -> None:
    """Draw top-1 and training loss against the epoch."""
    from transferability import figures

    _save(flags, figures.learning_curves, read_table(flags.table), read_table(flags.evaluations))


def plot_cost(flags: argparse.Namespace) -> None:
    """Draw the seconds that each network took."""
    from transferability import figures

    _save(flags, figures.cost, read_table(flags.table))


def show_tables(flags: argparse.Namespace) -> None:
    """Write tables as pages, to be sorted in a browser."""
    from transferability.reports import tables
    from transferability.storage import files

    if len(flags.tables) != len(flags.pages):
        raise ValueError(f"{len(flags.tables)} tables but {len(flags.pages)} pages: give as many")
    for table, page in zip(flags.tables, flags.pages, strict=True):
        files.write_text(page, tables.page(read_table(table), table.name))


def read_table(path: Path):
    """A table as the project writes it; an empty cell is an empty text where texts are meant."""
    import pandas as pd

    return pd.read_csv(path, dtype={"source": str, "target_size": str}).fillna({"source": ""})


@contextmanager
def _loading() -> Iterator[None]:
    """Inside, and ever after, Python looks for no garbage among what modules bring: of torch's
    160,000 objects none is, and to find that out takes a tenth of a second a training."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _work(settings: dict, code: str) -> str:
    """What tells one work in a folder from another."""
    return hashlib.sha256(json.dumps([settings, code], sort_keys=True).encode()).hexdigest()[:16]


def _save(flags: argparse.Namespace, draw: Callable, *inputs) -> None:
    """Draw a figure as the study wants it, and write its files."""
    from transferability import figures

    with figures.used(figures.Options.of(flags.options)):
        figures.save(draw(*inputs), flags.figure)


def _save_page(flags: argparse.Namespace, draw: Callable, *inputs) -> None:
    """Draw a figure to explore, as the study wants it, beside the files of the figure."""
    from transferability import figures
    from transferability.storage import files

    with figures.used(figures.Options.of(flags.options)):
        page = draw(*inputs)
    files.write_text(flags.figure.with_name(f"{flags.figure.name}.html"), page)


def _write_table(table, path: Path) -> None:
    from transferability.storage import files

    with files.atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
