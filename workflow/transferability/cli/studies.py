"""The commands for a study before it is run: a first one for a folder of images, and a check."""

import csv
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from transferability.cli import flags, training
from transferability.cli import images as image_commands
from transferability.cli.records import STUDY_FILE
from transferability.storage.network_folder import NetworkFolder, read_history
from transferability.study import checks, config, schema, targets
from transferability.study.design import Network, Study
from transferability.study.networks import HALVES, base_name, parse_name

SAMPLE = 512
"""Training images of a dataset that are read at least, where there are so many."""
SHOWN, MOST_CLASSES = (4, 2), 8
"""Training and validation images of a class on the sheet, and classes of a half."""


def new(
    folder: Annotated[Path, "images, in <class>/, or train/<class>/ and validation/<class>/"],
    *,
    to: Annotated[Path | None, "the file to write; by default <folder>.yaml, here"] = None,
) -> None:
    """Write a first study of a folder of images, with comments, as a starting point."""
    from transferability.reports import proposal
    from transferability.storage import files

    name = config.name_for(to.stem if to else folder.resolve().name)
    to = to or Path(f"{name}.yaml")
    if to.exists():
        raise ValueError(f"{to}: already exists; name another file with --to")
    files.write_text(to, proposal.proposal(folder, name, to))
    print(f"written: {to}; read it, then run `uv run transferability check {to}`")


def check(
    study: STUDY_FILE,
    *,
    to: Annotated[
        Path | None, "the sheet of images to write; by default <study>_check.png beside the study"
    ] = None,
    seconds: Annotated[
        float, "for how long the plan measures this machine", {"type": flags.above_zero}
    ] = 2.0,
) -> None:
    """Try a study before it is run: draw a sheet of its images as the networks see them, train each
    kind of network for one step on a few of them, and print the plan."""
    import torch

    from transferability.records import one_step, plan
    from transferability.training import device

    device.keep_freed()
    torch.set_num_threads(1)
    settings, to = config.read(study), to or study.with_name(f"{study.stem}_check.png")
    failed: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="transferability-") as folder:
        run, short = Path(folder), one_step.shortened(settings)
        file = run / "results" / short["study"] / targets.STUDY
        config.write(short, file)
        sections = {letter: source["dataset"] for letter, source in settings["sources"].items()}
        sections = {"B": settings["dataset"], **{k: s for k, s in sections.items() if s}}
        sampled = {k: _sampled(section, settings, run) for k, section in sections.items()}
        _check_counts(settings, sampled["B"][1])
        for split in short.split_names:
            drawn_from = targets.drawn_from(short, split, schema.PUBLISHED_DATA)
            image_commands.split_classes(
                study=file,
                images=run / targets.store(short),
                drawn_from=drawn_from[0] if drawn_from else None,
                split=file.parent / "splits" / f"{split}.csv",
            )
        _draw(short, file, sampled, to)
        print(f"{''.join(text for text, _ in sampled.values())}written: {to}\n")
        stops = any(_stops_at(section, run) for section in sections.values())
        for network in one_step.each_kind(short):
            base = parse_name(network[-1]).base
            if base in failed or not _try(short, network, file):
                failed.add(network[-1])
    if failed:
        raise ValueError(
            f"{study}: {', '.join(sorted(failed))} cannot be trained (see above), or copy from one "
            "that cannot; correct this and check again"
        )
    print()
    plan.show(settings, None, seconds)
    if stops:
        raise ValueError(
            f"{study}: the run will stop at the bad images listed above; remove or replace them, "
            "or set on_bad_image of their dataset to skip, and check again"
        )


def _sampled(
    section: Mapping[str, Any], study: Study, run: Path
) -> tuple[str, list[tuple[int, int]]]:
    """Make the store of a few images of a dataset in the folder of the run; what there is to say of
    the dataset, and the number of images for training and validation of each class."""
    from transferability import images
    from transferability.images import build, sample
    from transferability.reports.render import render

    everything = sample.listed(section)
    counts = sample.counts(everything)
    chosen = sample.few(everything, section, max(SAMPLE, 3 * study["recipe"]["batch_size"]))
    name = f"{images.STORES}/{images.store_name(section)}"
    settings = images.stored(section)
    if "on_bad_image" in settings:
        settings["on_bad_image"] = "skip"
    # It would name a folder that is deleted afterwards.
    logging.disable(logging.INFO)
    try:
        build.write_store(chosen, run / name, settings, min(8, os.cpu_count() or 1))
    finally:
        logging.disable(logging.NOTSET)
    is_store = Path(name, "manifest.json").exists()
    smallest = min(range(len(counts)), key=lambda label: counts[label])
    text = render(
        "check.txt.j2",
        name=section.get("path") or section.get("name") or section["source"],
        counts=counts,
        smallest=(everything.classes[smallest][0], *counts[smallest]),
        stored=section["image_size"],
        seen=study.input_size,
        is_store=is_store,
        can_be_bad="on_bad_image" in section,
        read=sum(map(sum, sample.counts(chosen))),
        notes=images.notes(Path(name) if is_store else run / name),
        stops_at=_stops_at(section, run),
    )
    return text, counts


def _stops_at(section: Mapping[str, Any], run: Path) -> list[str]:
    """The bad images among those that were tried, where a run stops at them."""
    from transferability import images

    table = run / images.STORES / images.store_name(section) / "bad_images.csv"
    if section.get("on_bad_image") != "error" or not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [name for name, _ in csv.reader(file)][1:]


def _check_counts(study: Study, counts: list[tuple[int, int]]) -> None:
    """Check what only the numbers of classes and images show. Raises StudyError as when a study is
    read."""
    from transferability import images, models

    known = images.info(study["dataset"])
    fewest = min(learned for learned, _ in counts)
    size = images.Size(len(counts), *map(sum, zip(*counts, strict=True)))
    found = images.DatasetInfo(len(counts), known.groups, fewest, size)
    checks.check(study, models.info(study["architecture"], study.input_size), found)


def _draw(study: Study, file: Path, sampled: Mapping[str, tuple[str, list]], to: Path) -> None:
    """Draw the sheet: a block for each half of the first split, and for each source that is trained
    here."""
    from transferability import figures
    from transferability.images import class_splits, store
    from transferability.records import one_step
    from transferability.storage import files

    split, seed, _ = study.trained[0]
    blocks = {}
    for letter, (_, counts) in sampled.items():
        opened = store.open_store(targets.run_folder(file) / targets.store(study, letter))
        halves = {letter: [*range(len(counts))]}
        if letter in HALVES:
            halves = class_splits.read(file.parent / "splits" / f"{split}.csv", opened.classes)
        for half, classes in halves.items():
            shown = classes[:: -(-len(classes) // MOST_CLASSES)]
            network = (split, seed, base_name(half))
            pixels = one_step.seen(study, network, opened, shown, SHOWN)
            labels = [f"{opened.classes[k][:16]}\n{counts[k][0]} + {counts[k][1]}" for k in shown]
            kind = "source" if half not in HALVES else "target" if study["sources"] else "half"
            blocks[f"{kind} {half}, split {split}"] = list(zip(labels, pixels, strict=True))
    text = "".join(text for text, _ in sampled.values())
    with figures.styled(), files.atomic_write(to) as temporary:
        figures.contact_sheet(blocks, text).savefig(temporary, dpi=figures.DOTS_PER_INCH)


def _try(study: Study, network: Network, file: Path) -> bool:
    """Train a network in one step and print its loss and how long it took, or why it cannot be
    trained; whether it can. The source that it copies is imported first."""
    split, seed, name = network
    letter = study.imported.get(parse_name(name).base or "")
    started = time.perf_counter()
    # After one step none has learned.
    logging.disable(logging.WARNING)
    try:
        if letter:
            training.import_source(study=file, source=letter)
        training.train(study=file, split=split, seed=seed, network=name)
    # A user's network can raise any exception.
    except Exception as error:
        print(f"{name:12} {parse_name(name).treatment:16} {type(error).__name__}: {error}")
        return False
    finally:
        logging.disable(logging.NOTSET)
    trained = NetworkFolder(file.parent / "networks" / split / f"seed{seed}" / name)
    loss, took = read_history(trained.history)[0]["train_loss"], time.perf_counter() - started
    print(f"{name:12} {parse_name(name).treatment:16} loss {loss:.3f}  {took:.1f} s", flush=True)
    return True
