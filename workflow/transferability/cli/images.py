"""The commands for images: the store of a dataset, and the split of its classes into halves."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from transferability.cli import flags
from transferability.study import config, design

log = logging.getLogger(__name__)


def prepare_images(
    *,
    settings: Annotated[dict, "the study's section dataset, as JSON"],
    folder: Annotated[Path, "folder of the image store to write"],
    workers: Annotated[int, "threads that draw or read"] = 1,
    download: Annotated[
        str, "whether torchvision may download missing data", {"choices": ["yes", "no"]}
    ] = "no",
) -> None:
    """Draw or read the images of a dataset and write its store."""
    from transferability import images
    from transferability.images import build, store
    from transferability.records import fingerprint
    from transferability.storage import lease, signals

    code = fingerprint.images_fingerprint(settings["source"])
    source = images.source_module(settings["source"])
    content = source.read({**settings, "download": download == "yes"})
    with (
        signals.noticed(),
        lease.sole_writer(folder, fingerprint.of_work(settings, code)) as writer,
        # What was read is on the disk, block by block.
        signals.noticed(at_once=True),
    ):
        if writer.is_second:
            with suppress(store.StoreError):
                store.open_store(folder)
                log.info("%s: another process has written the same images", folder)
                return
        build.write_store(content, folder, settings, workers, code)
        for note in images.notes(folder):
            log.warning(note)


def split_classes(
    *,
    study: flags.STUDY,
    images: Annotated[Path, "folder of the image store"],
    drawn_from: Annotated[
        Path | None,
        "CSV file of published splits, or of groups that the store lacks; omit it if there is none",
        {"nargs": "?"},
    ] = None,
    split: Annotated[Path, "the CSV file to write; its name is the split's"],
) -> None:
    """Split the classes of a dataset into halves A and B."""
    from transferability.images import class_splits, groups, store

    opened = store.open_store(images)
    settings, name = config.resolved(study), split.stem
    if name == design.WHOLE:
        halves = dict.fromkeys(opened.classes, "B")
    elif name == "dissimilar":
        group_of = groups.of_classes(drawn_from, opened.classes) if drawn_from else opened.groups
        wanted = settings["splits"]["dissimilar"]
        wanted = {half: design.as_list(wanted[half]) for half in wanted}
        halves = class_splits.draw_dissimilar(opened.classes, group_of, wanted)
    elif drawn_from:
        halves = class_splits.draw_published(opened.classes, drawn_from, name)
    else:
        halves = class_splits.draw_random(opened.classes, int(name.removeprefix("random")))
    class_splits.write(halves, split)
