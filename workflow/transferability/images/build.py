"""The one writer of stores: the images of any source, read or drawn by processes, into arrays.

The arrays grow in a folder beside the store, `<source>-<8 hex>.unfinished`, since Snakemake deletes
what it knows of a store when a job fails. Each item has a place in the array from the start, and an
entry in a list beside it: a checksum over its name and all that decides its pixels, and one over
its pixels, 0 while these are not there. Images are written, synced to the disk, and then entered
in the list. So a run that was killed loses the last moment, and a run whose images were added,
removed or replaced meanwhile reads only these again.
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

from transferability.images import DUPLICATES, ImageSource, Item, store, store_name
from transferability.images.decode import BadImage
from transferability.storage import files

logger = logging.getLogger(__name__)

BLOCK = 64
"""Images that a process loads at a time; one item, where that has more."""
SECONDS_BETWEEN_SYNCS, SECONDS_BETWEEN_LINES = 0.5, 20
HEADER = 128
"""The bytes of numpy's header in the file of an array, whatever its length."""


def write_store(
    source: ImageSource, folder: Path, settings: Mapping[str, Any], workers: int = 1, code: str = ""
) -> None:
    """Load all images of a source, by so many processes, and write the store in `folder`.

    The same settings and `code`, the version of the code that loads, continue what was interrupted.
    The same images give the same bytes, whatever the number of processes. Bad images are listed in
    `<folder>/bad_images.csv`, images with the same pixels in the manifest. Raises ValueError if
    there are bad images, unless the setting on_bad_image is skip, if another run loads the same
    images, or for classes that make no store (see `store.write`); OSError if the disk is too small
    or a process is killed.
    """
    # A run that leaves images out continues one that had to stop.
    deciding = {key: value for key, value in settings.items() if not key.startswith("on_")}
    version = json.dumps([deciding, code, PIL.__version__, np.__version__], sort_keys=True)
    with _locked(folder.parent / f"{store_name(deciding)}.unfinished") as unfinished:
        arrays = [
            _Array(unfinished, part, source, count, version)
            for part, count in zip(store.PARTS, source.per_item, strict=True)
        ]
        blocks = max(math.ceil(len(array.items) / array.block) for array in arrays)
        with _mapping(min(workers, blocks) if source.in_processes else 1) as run:
            for array in arrays:
                array.fill(run)
        bad = [image for array in arrays for image in array.left_out()]
        count = sum(len(array.items) for array in arrays)
        _report_bad(bad, count, folder, settings.get("on_bad_image", "error"))
        found = _duplicates(arrays, settings.get("on_duplicate") == "skip")
        parts = {array.part: array.ordered() for array in arrays}
        facts = {}
        # Drawn images are never left out.
        if "on_bad_image" in settings:
            facts["left_out"] = {array.part: array.left_out() for array in arrays}
            facts["left_out"] |= {"files": [*source.left_out]} if source.left_out else {}
            facts |= {"duplicates": found} if found else {}
        store.write(folder, source.classes, parts, settings, facts)
        shutil.rmtree(unfinished)


class _Array:
    """The images of a part in a file, as far as they are loaded, and the list of those."""

    def __init__(self, folder: Path, part: str, source: ImageSource, count: int, version: str):
        self.part, self.items, self.load = part, getattr(source, part), source.load
        self.file, self.list_file = (folder / f"{part}.{kind}.npy" for kind in ("images", "done"))
        self.shape = (count, *source.image_size, 3)
        """The shape of an item's images."""
        self.block = max(1, BLOCK // count)
        self.bad: dict[int, str] = {}
        """Why an item is bad, by its index."""
        start = hashlib.blake2b(version.encode(), digest_size=8)
        names = (json.dumps([item, *source.stamp(item)]) for _, item in self.items)
        keys = [_checksum(name.encode(), start) for name in names]
        try:
            listed = np.load(self.list_file)
        except (OSError, ValueError):
            listed = np.empty((0, 2), np.uint64)
        if not np.isin(keys, listed[:, 0]).any():
            self.file.unlink(missing_ok=True)
            listed = listed[:0]
        place_of = {key: place for place, key in enumerate(listed[:, 0].tolist())}
        new = [[key, 0] for key in keys if key not in place_of]
        listed = np.concatenate([listed, np.array(new, np.uint64).reshape(-1, 2)])
        place_of |= {key: len(place_of) + k for k, (key, _) in enumerate(new)}
        self.places = np.array([place_of[key] for key in keys])
        with files.atomic_write(self.list_file) as temporary:
            np.save(temporary, listed)
        self.listed = np.load(self.list_file, mmap_mode="r+")

    def fill(self, run: Callable[..., Iterator]) -> None:
        """Load the items that are not there yet.

        `run` maps a function over arguments, as `map` does. Raises OSError for a full disk.
        """
        there = self.file.stat().st_blocks * 512 if self.file.is_file() else 0
        needed = math.prod(self.shape) * len(self.listed) - there
        free = shutil.disk_usage(self.file.parent).free
        if needed > free:
            raise OSError(
                f"{self.file.parent}: the images need {needed:,} bytes more, and the disk has "
                f"{free:,}; make room, or lower dataset.image_size"
            )
        _set_length(self.file, len(self.listed), self.shape)
        to_do = np.flatnonzero(self.listed[self.places, 1] == 0)
        per_item = self.shape[0]
        total, of_all = len(to_do) * per_item, len(self.items) * per_item
        if 0 < total < of_all:
            logger.info("%s: %d of %d images are there", self.part, of_all - total, of_all)
        blocks = [to_do[i : i + self.block] for i in range(0, len(to_do), self.block)]
        items = ([self.items[index][1] for index in block] for block in blocks)
        places = [self.places[block].tolist() for block in blocks]
        load_block = partial(_load_block, self.file, self.load, self.shape)
        count, waiting = 0, []
        started = last_sync = last_line = time.monotonic()
        for number, results in enumerate(run(load_block, places, items)):
            waiting += zip(blocks[number].tolist(), places[number], results, strict=True)
            count += len(results) * per_item
            now, last = time.monotonic(), number == len(blocks) - 1
            if last or now - last_sync >= SECONDS_BETWEEN_SYNCS:
                with self.file.open("rb") as file:
                    os.fsync(file.fileno())
                for index, place, result in waiting:
                    if isinstance(result, str):
                        self.bad[index] = result
                    else:
                        self.listed[place, 1] = result
                self.listed.flush()
                waiting, last_sync = [], now
            if last or now - last_line >= SECONDS_BETWEEN_LINES:
                rate, last_line = count / max(now - started, 1e-9), now
                left = timedelta(seconds=round((total - count) / rate))
                line = "%s: %d of %d images, %.0f a second, %s left"
                logger.info(line, self.part, count, total, rate, left)

    def left_out(self) -> list[list[str]]:
        """[item, why] of each bad one."""
        return [[str(self.items[index][1]), why] for index, why in self.bad.items()]

    def ordered(self) -> tuple[np.ndarray, Path]:
        """The good images in the order of the items: their labels, int32 N, and their file."""
        good = [index for index in range(len(self.items)) if index not in self.bad]
        labels = np.repeat([self.items[index][0] for index in good], self.shape[0])
        places, size = self.places[good].tolist(), math.prod(self.shape)
        if places == list(range(len(self.listed))):
            return labels.astype(np.int32), self.file
        ordered = self.file.with_suffix(".ordered.npy")
        with files.atomic_write(ordered, len(places) * size) as temporary:
            _set_length(temporary, len(places), self.shape)
            # Not by memory maps, whose pages would count as this process's memory.
            with self.file.open("rb") as read, temporary.open("r+b") as written:
                written.seek(HEADER)
                for place in places:
                    read.seek(HEADER + place * size)
                    written.write(read.read(size))
        return labels.astype(np.int32), ordered


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
    places: Sequence[int],
    items: Sequence[Item],
) -> list[int | str]:
    """Write the images of some items; the checksum of each item's pixels, or why it is bad."""
    results: list[int | str] = []
    size = math.prod(shape)
    # Not by a memory map, which ends the process without a word where the disk is full.
    with array.open("r+b") as file:
        for place, item in zip(places, items, strict=True):
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
            results.append(_checksum(pixels))
    return results


def _checksum(content: bytes, start: Any = None) -> int:
    """Of 64 bits, and never 0."""
    digest = start.copy() if start else hashlib.blake2b(digest_size=8)
    digest.update(content)
    return max(1, int.from_bytes(digest.digest()))


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


def _duplicates(arrays: Sequence[_Array], skip: bool) -> dict[str, list[list[str]]]:
    """[image, an earlier one] of images with the same pixels, by kind (images.DUPLICATES), training
    before validation; with `skip`, the later ones are left out."""
    found = {kind: [] for kind in DUPLICATES}
    earlier: dict[int, tuple[str, int, Item]] = {}
    for array in arrays:
        contents = array.listed[array.places, 1].tolist()
        for index, ((label, item), content) in enumerate(zip(array.items, contents, strict=True)):
            if index in array.bad:
                continue
            if content not in earlier:
                earlier[content] = array.part, label, item
                continue
            part, of_class, same = earlier[content]
            kind = array.part if array.part == part else "validation_in_train"
            found["two_classes" if label != of_class else kind].append([str(item), str(same)])
            if skip:
                array.bad[index] = f"the same pixels as {same}"
    return {kind: pairs for kind, pairs in found.items() if pairs}


def _report_bad(bad: list[list[str]], count: int, folder: Path, on_bad_image: str) -> None:
    table = folder / "bad_images.csv"
    if not bad:
        table.unlink(missing_ok=True)
        return
    files.write_table(table, ("image", "why"), bad)
    are = "is" if len(bad) == 1 else "are"
    if on_bad_image == "skip":
        logger.info(
            "%d of %d images %s bad and left out; %s names each", len(bad), count, are, table
        )
        return
    image, why = bad[0]
    raise ValueError(
        f"{len(bad)} of {count} images {are} bad; {table} names each and says why, the first "
        f"{image}: {why}. Replace or remove them, or set dataset.on_bad_image to skip; the others "
        "need not be read again"
    )
