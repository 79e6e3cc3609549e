"""The commands for records: what a study will need, its progress, and what is kept of it."""

import json
import os
from pathlib import Path
from typing import Annotated

from transferability.cli import flags
from transferability.records import archive as archives
from transferability.study import config, targets
from transferability.study.networks import HALVES, parse_name

STUDY_FILE = Annotated[Path, "the study file"]


def layers(study: STUDY_FILE) -> None:
    """Print the layers of a study's architecture and mark the n of the study."""
    from transferability import images, models
    from transferability.models import summary

    checked = config.read(study)
    settings, image_size = checked["architecture"], checked.input_size
    # Only the last layer depends on it. ImageNet's number where it is not known before reading.
    classes = images.info(checked["dataset"]).classes
    half = (classes or 1000) // (1 if checked["sources"] else 2)
    assumed = "" if classes else " (assumed: the images have not been read)"
    built = models.module(settings["name"]).build(settings, image_size, half)
    print(summary.table(built, image_size, checked["layers"]))
    print(f"{image_size}×{image_size} pixels, {half} classes{assumed}")
    print("*: an n of the study; all layers up to there are copied, and the last one is always new")


def plan(
    study: STUDY_FILE,
    *,
    images_per_second: Annotated[
        float | None,
        "speed of a network that trains all layers, on the device that you plan to use; without "
        "it, this machine is measured",
        {"type": flags.above_zero},
    ] = None,
    seconds: Annotated[
        float,
        "for how long this machine is measured",
        {"type": flags.above_zero},
    ] = 2.0,
) -> None:
    """Print what a study will need: networks, images, bytes, operations, hours."""
    import torch

    from transferability.records import plan
    from transferability.training import device

    # As the workflow trains: one training per core at the same time.
    device.keep_freed()
    torch.set_num_threads(1)
    plan.show(config.read(study), images_per_second, seconds)


def status(
    results: flags.RESULTS,
    *,
    watch: Annotated[bool, "refresh until the study has ended"] = False,
    json: Annotated[bool, "for programs: one line of JSON per look"] = False,
) -> None:
    """Show the progress of a study: its networks waiting, running, done and failed."""
    from rich.console import Console

    from transferability.records import board

    # A study may be given by its name.
    named = Path("results") / results
    results = named if not results.exists() and named.exists() else results
    board.show(results, watch, json, Console())


def verify(
    results: Annotated[Path, "folder of the study, results/<study>, or its archive"],
) -> None:
    """Check each network of a study or of its archive: its recipe, its inputs, its checksums."""
    from transferability.records import verify

    with archives.opened(results) as folder:
        verdicts = verify.verify(folder)
    table = verify.table(verdicts)
    # What was unpacked is deleted by now.
    print(table if folder == results else table.replace(f"{folder.parent}{os.sep}", ""))
    if faults := sum(len(verdict.faults) for verdict in verdicts):
        raise ValueError(
            f"{results}: {faults} faults, listed above with their files; delete the folders of the "
            "networks or the image store concerned and run the study, or get the archive again"
        )


def archive(
    results: flags.RESULTS,
    *,
    to: Annotated[Path, "the file to write, .zip"],
    license: Annotated[
        str | None,
        "what others may do with the results: a name of spdx.org/licenses, e.g. CC-BY-4.0, or a "
        "web address",
    ] = None,
    author: Annotated[
        list[str] | None, "who made the study; repeat it for several people", {"action": "append"}
    ] = None,
    without_weights: Annotated[bool, "leave out the kept weights"] = False,
    without_figures: Annotated[
        bool, "leave out the figures; the command figures can draw them again"
    ] = False,
) -> None:
    """Write a study's results as one file to share."""
    from transferability.records import crate

    names = crate.pack(
        results,
        to,
        author or [],
        license,
        with_weights=not without_weights,
        with_figures=not without_figures,
    )
    print(f"written: {to}, {len(names):,} files and their manifest, {to.stat().st_size:,} bytes")


def export(
    network: Annotated[Path, "folder results/<study>/networks/<split>/seed<seed>/<network>"],
    *,
    to: Annotated[Path, "the file to write, .safetensors"],
    images: Annotated[Path | None, "its image store; by default the study's, in images/"] = None,
) -> None:
    """Write a network's weights for use in other programs, and print what is needed to use them."""
    from transferability.images import store
    from transferability.records import export

    network = Path(os.path.abspath(network))
    of_split = network.parent.parent
    study = of_split.parent.parent / targets.STUDY
    target, source = parse_name(network.name).target, None
    # A network that was trained by hand, with its images named, has no study.
    if images is None or study.exists():
        settings, run = config.resolved(study), targets.run_folder(study)
        images = images or run / targets.store(settings, target)
        if normalised_by := targets.source_store(settings):
            source = store.open_store(run / normalised_by)
    split = study.parent / "splits" / f"{of_split.name}.csv" if target in HALVES else None
    description = export.export(network, split, store.open_store(images), to, source)
    print(json.dumps(description, indent=2, ensure_ascii=False))
