"""The command for training: one network of a study, by hand as in the workflow."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from transferability.cli.flags import add, at_least_one, flag, flags


def register(subparsers) -> None:
    add(subparsers, train, forget_finished)


@flags(
    flag("--study", "results/<study>/study.yaml; its splits and bases lie beside it"),
    flag("--split", "name of the class split, e.g. random0", str),
    flag("--seed", "the seed", int),
    flag("--network", "name of the network, e.g. baseA, B0B, A3B, B3B+, R5B", str),
    flag("--images", "folder of the image store; by default the study's, in images/", default=None),
    flag("--base", "weights to copy from; by default those of the study's base", default=None),
    flag("--to", "folder to write; by default the network's own, beside the study", default=None),
    flag("--threads", "threads of the processor", at_least_one, default=1),
)
def train(
    study: Path,
    split: str,
    seed: int,
    network: str,
    images: Path | None,
    base: Path | None,
    to: Path | None,
    threads: int,
) -> None:
    """Train one network of a study."""
    # torch then asks for large pages; for small ones, the system takes a tenth of a step's time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from transferability.records import fingerprint, provenance
    from transferability.storage import job, lease, signals
    from transferability.storage.network_folder import NetworkFolder
    from transferability.study import config, targets
    from transferability.study.networks import TrainingSpec

    started = job.now()
    settings = config.resolved(study)
    architecture = settings["architecture"]
    recipe = settings.recipe_of(split, seed, network)
    task = TrainingSpec.of(network, split, seed, architecture, recipe)
    trained = study.parent / "networks" / split / f"seed{seed}"
    folder = NetworkFolder(to or trained / network)
    if base is None and task.base is not None:
        base = NetworkFolder(trained / task.base).weights
    code = fingerprint.training_fingerprint(architecture["name"], architecture.get("build"))
    # Now, since the working tree may change while the network is trained.
    made_by = provenance.described(sys.argv[1:])
    work = fingerprint.of_work(asdict(task), code)
    with (
        signals.noticed(),
        lease.sole_writer(folder.path, work, folder.resume) as writer,
    ):
        # Later, since who waits for the folder has no need of it.
        with _loading():
            import torch

            from transferability.training import device, loop, trainer

        device.keep_freed()
        torch.set_num_threads(threads)
        folder = NetworkFolder(folder.path, writer.check)
        with (
            trainer.out_of_memory_explained(task),
            device.repeatable(recipe["deterministic"]),
            device.least_used(device.choose_device(recipe["device"])),
        ):
            metrics = loop.train(
                task,
                images=images or targets.run_folder(study) / targets.store(settings),
                split=study.parent / "splits" / f"{split}.csv",
                base=base,
                folder=folder,
                code=code,
                keep_weights=network.startswith("base") or settings["keep_weights"] == "all",
            )
        # What was found finished tells of the job that finished it.
        metrics.setdefault("provenance", made_by)
        metrics.setdefault(
            "job",
            provenance.of_job(started, metrics["device"], writer.restarts, writer.seconds_lost),
        )
        folder.write_metrics(metrics)
        folder.keep_finished(metrics)


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


@flags(flag("--results", "folder of the study, results/<study>"))
def forget_finished(results: Path) -> None:
    """Remove the resume files of finished trainings, which serve a run that was killed."""
    from transferability.storage import network_folder

    network_folder.forget_finished(results / "networks")
