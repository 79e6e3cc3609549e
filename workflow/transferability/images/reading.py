"""A collection whose images are read one by one, and what becomes of bad ones.

The arrays grow in a folder of their own beside the store, `<source>-<8 hex>.unfinished`, since
Snakemake deletes what it knows of a store when a job fails. What to do with bad images is not in
its name: so a run that was told to skip them goes on where one that was not had to stop.
"""

import csv
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from transferability.images import blocks, store_name
from transferability.images.blocks import Pictures
from transferability.images.store import PARTS, Collection, Finished
from transferability.storage import files

logger = logging.getLogger(__name__)

BAD_IMAGES = "bad_images.csv"


@dataclass(frozen=True)
class Album:
    """A collection of images that are still to be read."""

    classes: list[tuple[str, str]]
    """(name, group) of each class, in the order of the labels."""
    image_size: tuple[int, int]
    """Height and width in pixels."""
    train: Pictures
    validation: Pictures


@contextmanager
def finished(
    album: Album | Collection,
    folder: Path,
    settings: Mapping[str, Any],
    workers: int,
    code: str,
) -> Iterator[Collection]:
    """An album as a collection, its images read by so many workers, for the store in `folder`; a
    collection stays as it is.

    When the block ends well, what helped to read them is removed; until then the same settings and
    `code` (which version of it reads) go on with what is there. Bad images are listed in
    `<folder>/bad_images.csv`. Raises ValueError if there are any, unless the setting on_bad_image
    is skip.
    """
    if isinstance(album, Collection):
        yield album
        return
    deciding = {key: value for key, value in settings.items() if key != "on_bad_image"}
    unfinished = folder.parent / f"{store_name(deciding)}.unfinished"
    version = json.dumps([deciding, code, PIL.__version__], sort_keys=True)
    parts: dict[str, Pictures] = {name: getattr(album, name) for name in PARTS}
    with blocks.locked(unfinished):
        filled = {
            name: blocks.fill(unfinished, name, part, album.image_size, version, workers)
            for name, part in parts.items()
        }
        bad = {
            name: [[str(parts[name].items[row]), why] for row, why in filled[name].bad.items()]
            for name in PARTS
        }
        count = sum(len(part.items) for part in parts.values())
        _tell_bad([image for images in bad.values() for image in images], count, folder, settings)
        yield Collection(
            classes=album.classes,
            image_size=album.image_size,
            **{
                name: Finished(
                    labels=np.delete(part.labels, list(filled[name].bad)),
                    images=blocks.without_bad(filled[name], album.image_size, len(part.items)),
                    left_out=bad[name],
                )
                for name, part in parts.items()
            },
        )
        shutil.rmtree(unfinished)


def _tell_bad(bad: list[list[str]], count: int, folder: Path, settings: Mapping[str, Any]) -> None:
    table = folder / BAD_IMAGES
    if not bad:
        table.unlink(missing_ok=True)
        return
    with (
        files.atomic_write(table) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as f,
    ):
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["image", "why"])
        writer.writerows(bad)
    if settings["on_bad_image"] == "skip":
        logger.info("%d of %d images are bad and left out; %s names them", len(bad), count, table)
        return
    image, why = bad[0]
    raise ValueError(
        f"{len(bad)} of {count} images are bad; {table} names each and says why, the first "
        f"{image}: {why}. Replace or remove them, or set dataset.on_bad_image to skip; the others "
        "need not be read again"
    )
