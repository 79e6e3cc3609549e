"""The commands for training: one network of a study, by hand as in the workflow."""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from transferability.cli import flags
from transferability.storage import files, job, lease, signals
from transferability.storage.network_folder import NetworkFolder, Onlooker
from transferability.study import config, targets


def train(
    *,
    study: flags.STUDY,
    split: Annotated[str, "name of the class split, e.g. random0"],
    seed: Annotated[int, "the seed"],
    network: Annotated[str, "name of the network, e.g. baseA, B0B, A3B, B3B+, R5B"],
    images: Annotated[Path | None, "image store; by default the study's, in images/"] = None,
    base: Annotated[Path | None, "weights to copy; by default those of the study's base"] = None,
    to: Annotated[
        Path | None, "folder to write; by default the network's folder beside the study"
    ] = None,
    threads: Annotated[int, "threads of the processor"] = 1,
) -> None:
    """Train one network of a study, on several GPUs if its recipe says so."""
    # torch then asks for large pages; for small ones, the system takes a tenth of a step's time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from transferability.records import fingerprint, provenance

    started = job.now()
    settings = config.resolved(study)
    task = settings.training(split, seed, network)
    gpus = settings.recipe_of(split, seed, network)["gpus"]
    rank = 0
    if gpus > 1:
        from transferability.training import processes

        processes.start(gpus)
        rank = processes.rank()
    architecture, recipe = task.architecture, task.recipe
    run, is_source = targets.run_folder(study), task.target in settings["sources"]
    folder = NetworkFolder(to or study.parent / "networks" / split / f"seed{seed}" / network)
    if base is None and task.base is not None:
        base = study.parent / targets.base_folder(settings, split, seed, task.base)
        base = NetworkFolder(base).weights
    source_images = targets.source_store(settings)
    code = fingerprint.training_fingerprint(architecture["name"], architecture.get("build"))
    # Now, since the working tree may change while the network is trained.
    made_by = provenance.described(sys.argv[1:])
    work = fingerprint.of_work(asdict(task), code)
    # Of several processes, the first writes, and the others wait for it to begin.
    writing = nullcontext() if rank else lease.sole_writer(folder.path, work)
    with signals.noticed(), writing as writer:
        # Later, since a process that waits for the folder does not need it.
        import torch

        from transferability.training import device, loop, processes, trainer

        device.keep_freed()
        torch.set_num_threads(max(1, threads // gpus))
        folder = NetworkFolder(folder.path, writer.check) if writer else Onlooker(folder.path)
        chosen = device.choose_device(recipe["device"])
        with (
            trainer.torch_explained(task),
            device.repeatable(recipe["deterministic"]),
            processes.joined(chosen),
            device.least_used(chosen),
        ):
            metrics = loop.train(
                task,
                images=images or run / targets.store(settings, task.target),
                split=None if is_source else study.parent / "splits" / f"{split}.csv",
                base=base,
                folder=folder,
                code=code,
                keep_weights=settings.keeps_weights(network),
                source_images=source_images and run / source_images,
            )
        if not writer:
            return
        # What was found finished names the job that finished it.
        metrics.setdefault("provenance", made_by)
        metrics.setdefault("job", provenance.of_job(started, metrics["device"], writer.restarts))
        folder.write_metrics(metrics)
        folder.keep_finished()


def import_source(
    *,
    study: flags.STUDY,
    source: Annotated[str, "the letter of the source, e.g. P"],
) -> None:
    """Import the pretrained weights of a study's source."""
    from transferability.records import fingerprint
    from transferability.training import sources

    settings = config.resolved(study)
    if not settings["sources"].get(source, {}).get("weights"):
        raise ValueError(f"--source: {study} has no source {source!r} with weights")
    folder = study.parent / "sources" / source
    work = fingerprint.of_work(settings["sources"][source], "")
    with signals.noticed(), lease.sole_writer(folder, work) as writer:
        written = NetworkFolder(folder, writer.check)
        metrics = sources.import_source(settings, source, targets.run_folder(study), written)
        # The same text for the same file, so that networks are not trained again for a new one.
        if not written.metrics.exists() or written.read_metrics() != metrics:
            written.write_metrics(metrics)


def probe_layers(
    *,
    study: flags.STUDY,
    split: Annotated[str, "name of the class split, e.g. random0"],
    seed: Annotated[int, "the seed"],
    threads: Annotated[int, "threads of the processor"] = 1,
) -> None:
    """Score the layers that treatments copy, and test finished networks, without training."""
    import torch

    from transferability.training import device, mechanism, probes

    settings = config.resolved(study)
    if not settings["probes"]:
        raise ValueError(f"--study: {study} has no probes; add `probes: {{images: 5000}}`")
    torch.set_num_threads(threads)
    images = settings["probes"]["images"]
    with device.least_used(device.choose_device(settings["recipe"]["device"])):
        replicate = probes.Replicate(settings, split, seed, study.parent, images)
        found = {"probes": replicate.probes(), "mechanism": mechanism.measure(replicate)}
    file = study.parent / "networks" / split / f"seed{seed}" / targets.PROBES
    files.write_text(file, json.dumps(found, indent=1) + "\n")
