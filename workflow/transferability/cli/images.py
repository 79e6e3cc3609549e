"""The commands for images: the store of a dataset, and the split of its classes into halves."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Annotated

log = logging.getLogger(__name__)


def prepare_images(
    *,
    settings: Annotated[dict, "the study's section dataset, as JSON"],
    folder: Annotated[Path, "folder of the image store to write"],
    workers: Annotated[int, "processes that draw or read"] = 1,
    download: Annotated[
        str, "whether torchvision may download what is not there", {"choices": ["yes", "no"]}
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
        # What is read lies on the disk, a block at a time.
        signals.noticed(at_once=True),
    ):
        if writer.is_second:
            with suppress(store.StoreError):
                store.open_store(folder)
                log.info("%s: the same images were written meanwhile", folder)
                return
        build.write_store(content, folder, settings, workers)
        for note in images.notes(folder):
            log.warning(note)


def split_classes(
    *,
    images: Annotated[Path, "folder of the image store"],
    random: Annotated[int, "number of a random split"] = 0,
    groups: Annotated[dict | None, "groups of a dissimilar split by half, as JSON"] = None,
    grouped_by: Annotated[Path | None, "CSV file of groups, if the store lacks them"] = None,
    published: Annotated[
        Path | None, "CSV file of published splits, one named as the split"
    ] = None,
    whole: Annotated[bool, "all classes in half B, for a study with sources"] = False,
    split: Annotated[Path, "the CSV file to write; its name is the split's"],
) -> None:
    """Split the classes of a dataset into halves A and B."""
    from transferability.images import class_splits, store
    from transferability.images.groups import of_classes

    opened = store.open_store(images)
    if whole:
        halves = dict.fromkeys(opened.classes, "B")
    elif published:
        halves = class_splits.draw_published(opened.classes, published, split.stem)
    elif groups:
        group_of = of_classes(grouped_by, opened.classes) if grouped_by else opened.groups
        halves = class_splits.draw_dissimilar(opened.classes, group_of, groups)
    else:
        halves = class_splits.draw_random(opened.classes, random)
    class_splits.write(halves, split)


COMMANDS = [prepare_images, split_classes]
