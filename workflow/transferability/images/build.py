"""The one writer of stores: the images of any source, read or drawn by processes, into arrays.

The arrays grow in a folder beside the store, `<source>-<8 hex>.unfinished`, since Snakemake deletes
what it knows of a store when a job fails. An array has places for all its images from the start.
Beside it lies a list with a checksum for each item of the source, over its name and all that
decides its pixels, or 0 while the item is not done. Images are written, synced to the disk, and
then entered in the list. So a run that was killed loses the last moment, and a run whose images
were added, removed or replaced meanwhile reads only these again.
"""

import hashlib
import json
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import PIL

from transferability.images import ImageSource, Items, store, store_name
from transferability.images.decode import BadImage
from transferability.storage import files

logger = logging.getLogger(__name__)

BLOCK = 64
"""Images that a process loads at a time; one item, where that has more."""
SECONDS_BETWEEN_SYNCS, SECONDS_BETWEEN_LINES = 0.5, 20


def write_store(
    source: ImageSource, folder: Path, settings: Mapping[str, Any], workers: int = 1, code: str = ""
) -> None:
    """Load all images of a source, by so many processes, and write the store in `folder`.

    The same settings and `code`, the version of the code that loads, continue what was interrupted.
    The same images give the same bytes, whatever the number of processes. Bad images are listed in
    `<folder>/bad_images.csv`. Raises ValueError if there are any, unless the setting on_bad_image
    is skip, if another run loads the same images, or for classes that make no store (see
    `store.write`); OSError if the disk is too small or a process is killed.
    """
    # Without on_bad_image, so that a run that skips bad images continues one that had to stop.
    deciding = {key: value for key, value in settings.items() if key != "on_bad_image"}
    version = json.dumps([deciding, code, PIL.__version__, np.__version__], sort_keys=True)
    with _locked(folder.parent / f"{store_name(deciding)}.unfinished") as unfinished:
        arrays = [
            _Array(unfinished, part, getattr(source, part), source.image_size, version)
            for part in store.PARTS
        ]
        blocks = max(math.ceil(len(array.items) / array.block) for array in arrays)
        with _mapping(min(workers, blocks) if source.in_processes else 1) as run:
            left_out = {array.part: array.fill(run) for array in arrays}
        count = sum(len(array.items) for array in arrays)
        _report_bad(left_out, count, folder, settings.get("on_bad_image", "error"))
        labels = {array.part: array.good_labels() for array in arrays}
        images = {array.part: array.file for array in arrays}
        store.write(folder, source.classes, labels, images, settings, left_out)
        shutil.rmtree(unfinished)


class _Array:
    """The images of a part in a file, as far as they are loaded, and the list of those."""

    def __init__(
        self, folder: Path, part: str, images: Items, image_size: tuple[int, int], version: str
    ) -> None:
        self.part = part
        self.file, self.list_file = (folder / f"{part}.{kind}.npy" for kind in ("images", "done"))
        self.items, self.load = images.items, images.load
        self.labels = np.asarray(images.labels, np.int32).reshape(len(self.items), -1)
        self.shape = (self.labels.shape[1], *image_size, 3)
        """The shape of an item's images."""
        self.block = max(1, BLOCK // self.shape[0])
        self.wanted = np.empty(len(self.items), np.uint64)
        """The checksum of each item, none of them 0."""
        start = hashlib.blake2b(version.encode(), digest_size=8)
        for index, item in enumerate(self.items):
            checksum = start.copy()
            checksum.update(json.dumps([item, *images.stamp(item)]).encode())
            self.wanted[index] = max(1, int.from_bytes(checksum.digest()))
        self.bad: dict[int, str] = {}
        """Why an item is bad, by its index."""

    def fill(self, run: Callable[..., Iterator]) -> list[list[str]]:
        """Load the items that are not there yet; [item, why] of each bad one.

        `run` maps a function over arguments, as `map` does. Raises OSError for a full disk.
        """
        there = self.file.stat().st_blocks * 512 if self.file.is_file() else 0
        needed = math.prod(self._array_shape(len(self.items))) - there
        free = shutil.disk_usage(self.file.parent).free
        if needed > free:
            raise OSError(
                f"{self.file.parent}: the images need {needed:,} bytes more, and the disk has "
                f"{free:,}; make room, or lower dataset.image_size"
            )
        done = self._arranged(self.wanted)
        to_do = np.flatnonzero(done != self.wanted)
        done[to_do] = 0
        done.flush()
        per_item, total = self.shape[0], len(to_do) * self.shape[0]
        if 0 < len(to_do) < len(done):
            there = len(done) * per_item - total
            logger.info("%s: %d of %d images are there", self.part, there, len(done) * per_item)
        blocks = [to_do[i : i + self.block] for i in range(0, len(to_do), self.block)]
        items = ([self.items[index] for index in block] for block in blocks)
        load_block = partial(_load_block, self.file, self.load, self.shape)
        synced, count = 0, 0
        started = last_sync = last_line = time.monotonic()
        for number, bad_in_block in enumerate(run(load_block, blocks, items), start=1):
            self.bad.update(bad_in_block)
            count += len(blocks[number - 1]) * per_item
            now, last = time.monotonic(), number == len(blocks)
            if last or now - last_sync >= SECONDS_BETWEEN_SYNCS:
                with self.file.open("rb") as file:
                    os.fsync(file.fileno())
                good = np.setdiff1d(np.concatenate(blocks[synced:number]), list(self.bad))
                done[good] = self.wanted[good]
                done.flush()
                synced, last_sync = number, now
            if last or now - last_line >= SECONDS_BETWEEN_LINES:
                rate, last_line = count / max(now - started, 1e-9), now
                left = timedelta(seconds=round((total - count) / rate))
                line = "%s: %d of %d images, %.0f a second, %s left"
                logger.info(line, self.part, count, total, rate, left)
        return [[str(self.items[index]), why] for index, why in self.bad.items()]

    def good_labels(self) -> np.ndarray:
        """Take the bad items out of the file; the labels of all images that remain."""
        if self.bad:
            self._arranged(np.delete(self.wanted, list(self.bad)))
        return np.delete(self.labels, list(self.bad), axis=0).ravel()

    def _arranged(self, wanted: np.ndarray) -> np.ndarray:
        """Make the file and its list, or bring the items of an earlier run, which may have had
        others, to where they are wanted; the list, memory-mapped."""
        earlier = self._earlier_list()
        place_of = {int(checksum): place for place, checksum in enumerate(earlier) if checksum}
        places = np.array([place_of.get(int(checksum), -1) for checksum in wanted])
        moved = np.any((places >= 0) & (places != np.arange(len(places))))
        if moved or len(earlier) != len(wanted):
            # While the array is replaced, its list does not count.
            self.list_file.unlink(missing_ok=True)
            with files.atomic_write(self.file) as temporary:
                if not place_of:
                    self.file.unlink(missing_ok=True)
                self._copy_to(temporary, places)
            with files.atomic_write(self.list_file) as temporary:
                np.save(temporary, np.where(places >= 0, wanted, np.uint64(0)))
        return np.load(self.list_file, mmap_mode="r+")

    def _earlier_list(self) -> np.ndarray:
        """The list of an earlier run; an empty one if its files are of no use."""
        try:
            done, images = np.load(self.list_file), np.load(self.file, mmap_mode="r")
        except (OSError, ValueError):
            return np.empty(0, np.uint64)
        fits = images.dtype == np.uint8 and images.shape == self._array_shape(len(done))
        return done if fits and done.dtype == np.uint64 else np.empty(0, np.uint64)

    def _copy_to(self, target: Path, places: np.ndarray) -> None:
        """Write an array whose item k is item places[k] of this one, or undefined if that is -1."""
        np.lib.format.open_memmap(target, "w+", np.uint8, self._array_shape(len(places)))
        copied = np.flatnonzero(places >= 0).tolist()
        if not copied:
            return
        size, start, target_start = math.prod(self.shape), _start(self.file), _start(target)
        # Not by memory maps, whose pages would count as this process's memory.
        with self.file.open("rb") as read, target.open("r+b") as written:
            for index in copied:
                read.seek(start + int(places[index]) * size)
                written.seek(target_start + index * size)
                written.write(read.read(size))

    def _array_shape(self, items: int) -> tuple[int, ...]:
        return items * self.shape[0], *self.shape[1:]


def _load_block(
    array: Path,
    load: Callable[[str | int], np.ndarray],
    shape: tuple[int, ...],
    indices: np.ndarray,
    items: Sequence[str | int],
) -> dict[int, str]:
    """Write the images of some items; the index of each bad one, and why it is bad."""
    bad = {}
    start, size = _start(array), math.prod(shape)
    # Not by a memory map, which ends the process without a word where the disk is full.
    with array.open("r+b") as file:
        for index, item in zip(indices.tolist(), items, strict=True):
            try:
                images = load(item)
            except BadImage as error:
                bad[index] = str(error)
                continue
            if images.dtype != np.uint8 or images.size != size or images.shape[-3:] != shape[1:]:
                raise ValueError(
                    f"{item} came as {images.dtype} {images.shape}: expected uint8 {shape}"
                )
            file.seek(start + index * size)
            file.write(images.tobytes())
    return bad


def _start(array: Path) -> int:
    """Where the first image begins in the file of an array, in bytes."""
    return np.load(array, mmap_mode="r").offset


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Work alone in a folder; the lock ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / "lock", timeout=0):
            # Half an array that a run was writing when it was killed.
            for left in folder.glob(".*"):
                left.unlink()
            yield folder
    except filelock.Timeout:
        raise ValueError(
            f"{folder}: another process reads these images at this moment; wait until it ends"
        ) from None


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
            "a process that reads images was killed, perhaps for lack of memory; the same "
            "command continues with what is done, and fewer workers need less memory"
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


def _report_bad(
    left_out: Mapping[str, list[list[str]]], count: int, folder: Path, on_bad_image: str
) -> None:
    bad = [image for of_part in left_out.values() for image in of_part]
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
        f"{image}: {why}. Replace or remove them, or set dataset.on_bad_image to skip; the others "
        "need not be read again"
    )
