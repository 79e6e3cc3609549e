"""What each subcommand of the command line does that people run, and no rule of the workflow.

As in `commands`, each imports what it needs itself.
"""

import argparse
import json
import os


def layers(flags: argparse.Namespace) -> None:
    """Print the layers of a study's architecture, its n marked."""
    from transferability import images, models
    from transferability.models import listing
    from transferability.study import config, design

    checked = config.read(flags.study)
    settings, image_size = checked["architecture"], design.input_size(checked)
    # Only the last layer depends on it; where only reading tells how many classes there are, they
    # are taken to be as many as ImageNet's.
    classes = images.info(checked["dataset"]).classes
    half = (classes or 1000) // 2
    assumed = "" if classes else ", assumed, since only reading the images tells"
    built = models.module(settings["name"]).build(settings, image_size, half)
    print(listing.table(built, image_size, design.layers(checked, len(built))))
    print(f"{image_size}×{image_size} pixels, {half} classes{assumed}")
    print("*: an n of the study; all layers down to there are copied, and the last is always new")


def plan(flags: argparse.Namespace) -> None:
    """Print what a study will take: networks, images, bytes, operations, hours."""
    import torch

    from transferability.records import plan
    from transferability.study import config
    from transferability.training import device

    # As the workflow trains, so that as many trainings as there are cores go on at once.
    device.keep_freed()
    torch.set_num_threads(1)
    checked = config.read(flags.study)
    print(plan.text(checked, flags.images_per_second, flags.seconds))


def status(flags: argparse.Namespace) -> None:
    """Show where a study stands: its networks waiting, running, done and failed."""
    from rich.console import Console

    from transferability.records import board
    from transferability.records.status import Watched

    board.show(Watched(flags.results), flags.watch, flags.json, Console())


def verify(flags: argparse.Namespace) -> None:
    """Check every network of a study, or of its archive, against its recipe, its checksums and its
    provenance."""
    from transferability.records import archive, verify

    with archive.opened(flags.results) as results:
        verdicts = verify.verify(results)
        told, is_archive = verify.table(verdicts), verify.is_archive(results)
    # What was unpacked is gone by now.
    print(told if results == flags.results else told.replace(f"{results.parent}{os.sep}", ""))
    faults = [fault for verdict in verdicts for fault in verdict.faults]
    again = "delete the folder of the network or the image store that has one, and run the study"
    if is_archive:
        again = "get the archive"
    if faults:
        raise ValueError(
            f"{flags.results}: {len(faults)} faults, each named above with its file; {again} again"
        )


def archive(flags: argparse.Namespace) -> None:
    """Write a study's results as one file to give away."""
    from transferability.records import crate

    names = crate.pack(
        flags.results, flags.to, not flags.without_weights, flags.author, flags.license
    )
    size = flags.to.stat().st_size
    print(f"written: {flags.to}, {len(names):,} files and their manifest, {size:,} bytes")


def figures(flags: argparse.Namespace) -> None:
    """Make the tables, the findings and the figures of a study, or of its archive, from its
    networks alone."""
    from transferability.cli import redraw
    from transferability.records import archive

    with archive.opened(flags.results) as results:
        redraw.redraw(results, flags.to)


def export(flags: argparse.Namespace) -> None:
    """Write a network's weights for use elsewhere, and print what else one has to know of it."""
    from transferability.images import store
    from transferability.records import export
    from transferability.study import targets
    from transferability.study.config import resolved

    of_split = flags.network.resolve().parent.parent
    results = of_split.parent.parent
    stored = flags.images
    if stored is None:
        stored = results.parent.parent / targets.store(resolved(results / targets.STUDY))
    network = export.exported(
        flags.network, results / "splits" / f"{of_split.name}.csv", store.open_store(stored)
    )
    written = export.write(network, flags.to)
    print(json.dumps(network.description, indent=2, ensure_ascii=False))
    print(f"written: {', '.join(map(str, written))}")
