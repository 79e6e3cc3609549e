"""What each subcommand of the command line does that people run, and no rule of the workflow.

As in `commands`, each imports what it needs itself.
"""

import argparse
import json


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

    from transferability import memory, plan, study_file

    # As the workflow trains, so that as many trainings as there are cores go on at once.
    memory.keep_freed()
    torch.set_num_threads(1)
    checked = study_file.read(flags.study)
    print(plan.text(checked, flags.images_per_second, flags.seconds))


def status(flags: argparse.Namespace) -> None:
    """Show where a study stands: its networks waiting, running, done and failed."""
    from rich.console import Console

    from transferability import board
    from transferability.status import Watched

    board.show(Watched(flags.results), flags.watch, flags.json, Console())


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


def export(flags: argparse.Namespace) -> None:
    """Write a network's weights for use elsewhere, and print what else one has to know of it."""
    from transferability import export, images
    from transferability.images import store
    from transferability.study_file import resolved

    of_split = flags.network.resolve().parent.parent
    results = of_split.parent.parent
    stored = flags.images
    if stored is None:
        stored = results.parent.parent / images.STORES
        stored /= images.store_name(resolved(results / "study.yaml")["dataset"])
    network = export.exported(
        flags.network, results / "splits" / f"{of_split.name}.csv", store.open_store(stored)
    )
    written = export.write(network, flags.to)
    print(json.dumps(network.description, indent=2, ensure_ascii=False))
    print(f"written: {', '.join(map(str, written))}")
