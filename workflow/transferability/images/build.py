"""The one writer of stores: the images of any source, read or drawn by processes, into arrays.

The arrays grow in a folder beside the store, `<store>.unfinished`, since Snakemake deletes what it
knows of a store when a job fails. Each item has its place in the array from the start, so that the
processes that load may write.
"""

import hashlib
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from transferability.images import DUPLICATES, ImageSource, Item, store
from transferability.images.decode import BadImage
from transferability.storage import files

logger = logging.getLogger(__name__)

BLOCK = 64
"""Images that a process loads at a time; one item, where that has more."""
SECONDS_BETWEEN_LINES = 20
HEADER = 128
"""The bytes of numpy's header in the file of an array, whatever its length."""


def write_store(
    source: ImageSource, folder: Path, settings: Mapping[str, Any], workers: int = 1
) -> None:
    """Load all images of a source, by so many processes, and write the store in `folder`.

    The same images give the same bytes, whatever the number of processes. Bad images are listed in
    `<folder>/bad_images.csv`, images with the same pixels in the manifest. Raises ValueError if
    there are bad images, unless the setting on_bad_image is skip, or for classes that make no store
    (see `store.write`); OSError if the disk is too small or a process is killed.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    # Of a run that was killed.
    shutil.rmtree(unfinished, ignore_errors=True)
    parts = [
        _Part(name, getattr(source, name), unfinished / f"{name}.npy", (n, *source.image_size, 3))
        for name, n in zip(store.PARTS, source.per_item, strict=True)
    ]
    try:
        with _mapping(workers if source.in_processes else 1) as run:
            for part in parts:
                part.load(source.load, run)
        bad = [image for part in parts for image in part.left_out()]
        count = sum(len(part.items) for part in parts)
        _report_bad(bad, count, folder, settings.get("on_bad_image", "error"))
        found = _duplicates(parts, settings.get("on_duplicate") == "skip")
        facts = {}
        # Drawn images are never left out.
        if "on_bad_image" in settings:
            facts["left_out"] = {part.name: part.left_out() for part in parts}
            facts["left_out"] |= {"files": [*source.left_out]} if source.left_out else {}
            facts |= {"duplicates": found} if found else {}
        arrays = {part.name: (part.labels(), part.compacted()) for part in parts}
        store.write(folder, source.classes, arrays, settings, facts)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@dataclass
class _Part:
    """The items of a part, and the file of their images."""

    name: str
    items: Sequence[tuple[int, Item]]
    file: Path
    shape: tuple[int, ...]
    """The shape of an item's images."""
    contents: list[int] = field(default_factory=list)
    """The checksum of each item's pixels; 0 where it is bad."""
    bad: dict[int, str] = field(default_factory=dict)
    """Why an item is left out, by its index."""

    def load(self, load: Callable[[Item], np.ndarray], run: Callable[..., Iterator]) -> None:
        """Load all items; `run` maps a function over arguments, as `map` does.

        Raises OSError for a full disk.
        """
        count, per_item = len(self.items), self.shape[0]
        step = max(1, BLOCK // per_item)
        starts = range(0, count, step)
        blocks = ([item for _, item in self.items[start : start + step]] for start in starts)
        with files.atomic_write(self.file, count * math.prod(self.shape)) as temporary:
            _set_length(temporary, count, self.shape)
            started = last_line = time.monotonic()
            for results in run(partial(_load_block, temporary, load, self.shape), starts, blocks):
                for result in results:
                    if isinstance(result, str):
                        self.bad[len(self.contents)] = result
                    self.contents.append(0 if isinstance(result, str) else result)
                now, done = time.monotonic(), len(self.contents)
                if done == count or now - last_line >= SECONDS_BETWEEN_LINES:
                    rate, last_line = done / max(now - started, 1e-9), now
                    left = timedelta(seconds=round((count - done) / rate))
                    line = "%s: %d of %d images, %.0f a second, %s left"
                    numbers = done * per_item, count * per_item, rate * per_item
                    logger.info(line, self.name, *numbers, left)

    def left_out(self) -> list[list[str]]:
        """[item, why] of each one that is left out."""
        return [[str(self.items[index][1]), why] for index, why in self.bad.items()]

    def labels(self) -> np.ndarray:
        """Of the images that stay, int32 N."""
        kept = [label for k, (label, _) in enumerate(self.items) if k not in self.bad]
        return np.repeat(kept, self.shape[0]).astype(np.int32)

    def compacted(self) -> Path:
        """The file, without the images that are left out."""
        kept = [index for index in range(len(self.items)) if index not in self.bad]
        size = math.prod(self.shape)
        # Not by memory maps, whose pages would count as this process's memory.
        with self.file.open("r+b") as file:
            for place, index in enumerate(kept):
                if place != index:
                    file.seek(HEADER + index * size)
                    pixels = file.read(size)
                    file.seek(HEADER + place * size)
                    file.write(pixels)
        _set_length(self.file, len(kept), self.shape)
        return self.file


def _set_length(file: Path, items: int, shape: tuple[int, ...]) -> None:
    """Give the array in a file room for so many items."""
    with file.open("r+b" if file.exists() else "w+b") as opened:
        header = {"descr": "|u1", "fortran_order": False}
        header["shape"] = (items * shape[0], *shape[1:])
        np.lib.format.write_array_header_1_0(opened, header)
        opened.truncate(HEADER + items * math.prod(shape))


def _load_block(
    array: Path,
    load: Callable[[Item], np.ndarray],
    shape: tuple[int, ...],
    start: int,
    items: Sequence[Item],
) -> list[int | str]:
    """Write the images of some items, from the place `start` on; the checksum of each item's
    pixels, or why it is bad."""
    results: list[int | str] = []
    size = math.prod(shape)
    # Not by a memory map, which ends the process without a word where the disk is full.
    with array.open("r+b") as file:
        for place, item in enumerate(items, start):
            try:
                images = load(item)
            except BadImage as error:
                results.append(str(error))
                continue
            if images.dtype != np.uint8 or images.size != size or images.shape[-3:] != shape[1:]:
                raise ValueError(
                    f"{item} came as {images.dtype} {images.shape}: expected uint8 {shape}"
                )
            pixels = images.tobytes()
            file.seek(HEADER + place * size)
            file.write(pixels)
            results.append(int.from_bytes(hashlib.blake2b(pixels, digest_size=8).digest()))
    return results


@contextmanager
def _mapping(processes: int) -> Iterator[Callable[..., Iterator]]:
    """`map`, or the same by so many processes."""
    if processes == 1:
        yield map
        return
    pool = process_pool(processes)
    try:
        yield pool.map
    except BrokenExecutor as error:
        raise OSError(
            "a process that reads images was killed, perhaps for lack of memory, of which fewer "
            "workers need less"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def process_pool(processes: int) -> ProcessPoolExecutor:
    """Processes that end when the process that started them ends, even if it is killed."""
    # A forked process could inherit a lock that one of numpy's threads holds.
    context = get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    def wait() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _duplicates(parts: Sequence[_Part], skip: bool) -> dict[str, list[list[str]]]:
    """[image, an earlier one] of images with the same pixels, by kind (images.DUPLICATES), training
    before validation; with `skip`, the later ones are left out."""
    found = {kind: [] for kind in DUPLICATES}
    earlier: dict[int, tuple[str, int, Item]] = {}
    for part in parts:
        for index, ((label, item), content) in enumerate(
            zip(part.items, part.contents, strict=True)
        ):
            if index in part.bad:
                continue
            if content not in earlier:
                earlier[content] = part.name, label, item
                continue
            name, of_class, same = earlier[content]
            kind = name if name == part.name else "validation_in_train"
            found["two_classes" if label != of_class else kind].append([str(item), str(same)])
            if skip:
                part.bad[index] = f"the same pixels as {same}"
    return {kind: pairs for kind, pairs in found.items() if pairs}


def _report_bad(bad: list[list[str]], count: int, folder: Path, on_bad_image: str) -> None:
    table = folder / "bad_images.csv"
    if not bad:
        table.unlink(missing_ok=True)
        return
    files.write_table(table, ("image", "why"), bad)
    if on_bad_image == "skip":
        logger.info("%d of %d images are bad and left out; %s names them", len(bad), count, table)
        return
    image, why = bad[0]
    raise ValueError(
        f"{len(bad)} of {count} images are bad; {table} names each and says why, the first "
        f"{image}: {why}. Replace or remove them, or set dataset.on_bad_image to skip"
    )
