"""The commands for records: what a study will take, where it stands, and what is kept of it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from transferability.cli.flags import Section, above_zero, add, flag, flags, section

STUDY_FILE = flag("study", "the study file")
RESULTS = flag("results", "folder of the study, results/<study>")
RESULTS_OR_ARCHIVE = flag("results", "folder of the study, results/<study>, or its archive")


def register(subparsers) -> None:
    add(subparsers, layers, plan, write_study, status, verify, archive, export)


@flags(STUDY_FILE)
def layers(study: Path) -> None:
    """Print the layers of a study's architecture, its n marked."""
    from transferability import images, models
    from transferability.models import summary
    from transferability.study import config

    checked = config.read(study)
    settings, image_size = checked["architecture"], checked.input_size
    # Only the last layer depends on it; where only reading tells how many classes there are, they
    # are taken to be as many as ImageNet's.
    classes = images.info(checked["dataset"]).classes
    half = (classes or 1000) // 2
    assumed = "" if classes else ", assumed, since only reading the images tells"
    built = models.module(settings["name"]).build(settings, image_size, half)
    print(summary.table(built, image_size, checked["layers"]))
    print(f"{image_size}×{image_size} pixels, {half} classes{assumed}")
    print("*: an n of the study; all layers down to there are copied, and the last is always new")


@flags(
    STUDY_FILE,
    flag(
        "--images-per-second",
        "of a network that learns with all layers, on the device that is thought of; without it, "
        "this machine is tried",
        above_zero,
        default=None,
    ),
    flag(
        "--seconds",
        "for how long this machine is tried with each number of frozen layers",
        above_zero,
        default=2.0,
    ),
)
def plan(study: Path, images_per_second: float | None, seconds: float) -> None:
    """Print what a study will take: networks, images, bytes, operations, hours."""
    import torch

    from transferability.records import plan
    from transferability.study import config
    from transferability.training import device

    # As the workflow trains, so that as many trainings as there are cores go on at once.
    device.keep_freed()
    torch.set_num_threads(1)
    print(plan.text(config.read(study), images_per_second, seconds))


@flags(
    flag("--study", "the whole study, complete, its layers written out, as JSON", section),
    flag("--file", "the YAML file to write, results/<study>/study.yaml"),
)
def write_study(study: Section, file: Path) -> None:
    """Write the study as it is run, every key filled in, beside its results."""
    import yaml

    from transferability.storage import files

    text = yaml.safe_dump(dict(study), sort_keys=False, allow_unicode=True, width=100)
    files.write_text(file, f"# The study as it was run, defaults filled in.\n{text}")


@flags(
    RESULTS,
    flag("--watch", "again and again, until it has ended", action="store_true"),
    flag("--json", "for programs: a line of JSON a look", action="store_true"),
)
def status(results: Path, watch: bool, json: bool) -> None:
    """Show where a study stands: its networks waiting, running, done and failed."""
    from rich.console import Console

    from transferability.records import board

    board.show(results, watch, json, Console())


@flags(RESULTS_OR_ARCHIVE)
def verify(results: Path) -> None:
    """Check every network of a study, or of its archive, against its recipe, its checksums and its
    provenance."""
    from transferability.records import archive, verify

    with archive.opened(results) as folder:
        verdicts = verify.verify(folder)
        table, is_archive = verify.table(verdicts), verify.is_archive(folder)
    # What was unpacked is gone by now.
    print(table if folder == results else table.replace(f"{folder.parent}{os.sep}", ""))
    faults = [fault for verdict in verdicts for fault in verdict.faults]
    again = "delete the folder of the network or the image store that has one, and run the study"
    if is_archive:
        again = "get the archive"
    if faults:
        raise ValueError(
            f"{results}: {len(faults)} faults, each named above with its file; {again} again"
        )


@flags(
    flag("--to", "the file to write, .zip"),
    flag(
        "--license",
        "what others may do with the results: a name of spdx.org/licenses, e.g. CC-BY-4.0, or a "
        "web address",
        str,
        default=None,
    ),
    flag("--author", "who made the study; may be given again", str, action="append", default=[]),
    RESULTS,
    flag("--without-weights", "leave out the weights that were kept", action="store_true"),
)
def archive(
    to: Path, license: str | None, author: Sequence[str], results: Path, without_weights: bool
) -> None:
    """Write a study's results as one file to give away."""
    from transferability.records import crate

    names = crate.pack(results, to, not without_weights, author, license)
    print(f"written: {to}, {len(names):,} files and their manifest, {to.stat().st_size:,} bytes")


@flags(
    flag("--to", "the file to write: .safetensors or .pt"),
    flag(
        "--images",
        "folder of the image store that it was trained on; without it, the one in images/",
        default=None,
    ),
    flag("network", "its folder, results/<study>/networks/<split>/seed<seed>/<network>"),
)
def export(to: Path, images: Path | None, network: Path) -> None:
    """Write a network's weights for use elsewhere, and print what else one has to know of it."""
    from transferability.images import store
    from transferability.records import export
    from transferability.study import config, targets

    of_split = network.resolve().parent.parent
    study = of_split.parent.parent / targets.STUDY
    stored = images or targets.run_folder(study) / targets.store(config.resolved(study))
    split = study.parent / "splits" / f"{of_split.name}.csv"
    description, written = export.export(network, split, store.open_store(stored), to)
    print(json.dumps(description, indent=2, ensure_ascii=False))
    print(f"written: {', '.join(map(str, written))}")
