"""The one writer of stores: the images of any source, read or drawn by processes, into arrays.

The arrays grow in a folder beside the store, `<source>-<8 hex>.unfinished`, since Snakemake deletes
what it knows of a store when a job fails. An array has the places of all its images from the start.
Beside it lies a list with a checksum for each item of the source, over its name and all that
decides its pixels, or 0 while the item is not done. A block of items is written, synced to the
disk, and then entered in the list. So a run that was killed loses the blocks in work, and a run
whose images were added, removed or replaced meanwhile reads only these again.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from transferability.images import store, store_name
from transferability.images.decode import BadImage
from transferability.storage import files

logger = logging.getLogger(__name__)

BAD_IMAGES = "bad_images.csv"
BLOCK = 64
"""Images that are written before they are synced; a process that is killed loses no more, or one
item where that has more."""
SECONDS_BETWEEN_LINES = 20

Item = str | int
Run = Callable[[Callable, Iterator[tuple]], Iterator[Any]]


def _no_stamp(item: Item) -> tuple[int, ...]:
    return ()


@dataclass(frozen=True)
class Items:
    """The images of one part, training or validation, as items to be loaded one by one."""

    labels: Sequence[int] | np.ndarray
    """The class index of each image, ascending."""
    items: Sequence[Item]
    """What `load` takes, and the name of a bad image. Each item gives equally many images: a file
    gives one, a character all of its drawings."""
    load: Callable[[Item], np.ndarray]
    """An item's images, uint8, n×H×W×3, or H×W×3 where it gives one; raises BadImage, whose message
    says why, if it has none."""
    stamp: Callable[[Item], Sequence[int]] = _no_stamp
    """Numbers that change when the images of an item change."""

    @property
    def images_per_item(self) -> int:
        """How many images each item gives."""
        return len(self.labels) // len(self.items)


@dataclass(frozen=True)
class ImageSource:
    """What a source gives: its classes, and the images of both parts, not loaded yet."""

    classes: Sequence[tuple[str, str]]
    """(name, group) of each class, in the order of the labels."""
    image_size: tuple[int, int]
    """Height and width in pixels."""
    train: Items
    validation: Items
    in_processes: bool = True
    """Whether processes load, each with a copy of `load`; else threads, which share it."""


def write_store(
    source: ImageSource,
    folder: Path,
    settings: Mapping[str, Any],
    workers: int = 1,
    code: str = "",
) -> None:
    """Load all images of a source, by so many workers, and write the store in `folder`.

    The same settings and `code`, the version of the code that loads, continue what was interrupted.
    With the same images the bytes are the same, whatever the number of workers. Bad images are
    listed in `<folder>/bad_images.csv`. Raises ValueError if there are any, unless the setting
    on_bad_image is skip, if another process loads the same images, or for classes that make no
    store (see `store.write`); OSError if the disk is too small or a worker is killed.
    """
    # Without on_bad_image, so that a run that skips bad images continues one that had to stop.
    deciding = {key: value for key, value in settings.items() if key != "on_bad_image"}
    version = json.dumps([deciding, code, PIL.__version__, np.__version__], sort_keys=True)
    parts: dict[str, Items] = {part: getattr(source, part) for part in store.PARTS}
    blocks = max(-(-len(items.items) // _items_a_block(items)) for items in parts.values())
    with _locked(folder.parent / f"{store_name(deciding)}.unfinished") as unfinished:
        arrays = {part: unfinished / f"{part}.images.npy" for part in parts}
        with _runner(min(workers, blocks), source.in_processes) as run:
            bad = {
                part: _fill(arrays[part], items, source.image_size, version, run)
                for part, items in parts.items()
            }
        named = {
            part: [[str(items.items[index]), why] for index, why in bad[part].items()]
            for part, items in parts.items()
        }
        if "on_bad_image" in settings:
            count = sum(len(items.items) for items in parts.values())
            _report_bad(
                [image for of_part in named.values() for image in of_part],
                count,
                folder,
                settings["on_bad_image"],
            )
        labels = {}
        for part, items in parts.items():
            of_items = np.asarray(items.labels, np.int32).reshape(len(items.items), -1)
            labels[part] = np.delete(of_items, list(bad[part]), axis=0).ravel()
            if bad[part]:
                arrays[part] = _without(arrays[part], list(bad[part]), len(items.items))
        left_out = named if "on_bad_image" in settings else None
        store.write(folder, source.classes, labels, arrays, settings, left_out)
        shutil.rmtree(unfinished)


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Work alone in a folder; a lock ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{folder}: another process reads these images at this moment; wait until it ends"
            ) from None
        # Half an array that a run was writing when it was killed.
        for left in folder.glob(".*"):
            left.unlink()
        yield folder


@contextmanager
def _runner(workers: int, in_processes: bool) -> Iterator[Run]:
    """Gives a function that calls another one with each of many arguments, by so many workers, and
    gives the results in their order."""
    if workers <= 1:
        yield lambda function, arguments: (function(*each) for each in arguments)
        return
    pool = process_pool(workers) if in_processes else ThreadPoolExecutor(workers)

    def run(function: Callable, arguments: Iterator[tuple]) -> Iterator[Any]:
        waiting: deque = deque()
        for each in arguments:
            # Few at a time, since a list of all blocks of ImageNet takes long to make.
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, *each))
        while waiting:
            yield waiting.popleft().result()

    try:
        yield run
    except BrokenExecutor as error:
        raise OSError(
            "a process that reads images was killed, perhaps for lack of memory; the same "
            "command continues with what is done, and fewer workers need less memory"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that end when the process that started them ends, even if it is killed."""
    # A forked process could inherit a lock that one of numpy's threads holds.
    return ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with_parent
    )


def _end_with_parent() -> None:
    def wait() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _fill(
    array: Path, items: Items, image_size: tuple[int, int], version: str, run: Run
) -> dict[int, str]:
    """Load the items that are not in the array yet; for each bad one, by its number, why."""
    part, per_item = array.name.partition(".")[0], items.images_per_item
    shape = (per_item, *image_size, 3)
    wanted = _checksums(items, version)
    done = _prepare(array, wanted, shape)
    to_do = np.flatnonzero(done != wanted)
    done[to_do] = 0
    done.flush()
    if 0 < len(to_do) < len(wanted):
        there = (len(wanted) - len(to_do)) * per_item
        logger.info("%s: %d of %d images are there", part, there, len(wanted) * per_item)
    step = _items_a_block(items)
    blocks = (to_do[start : start + step].tolist() for start in range(0, len(to_do), step))
    calls = ((array, items.load, shape, [(n, items.items[n]) for n in block]) for block in blocks)
    bad: dict[int, str] = {}
    count, total = 0, len(to_do) * per_item
    started = reported = time.monotonic()
    for good, bad_in_block in run(_load_block, calls):
        bad.update(bad_in_block)
        done[good] = wanted[good]
        done.flush()
        count += (len(good) + len(bad_in_block)) * per_item
        now = time.monotonic()
        if now - reported >= SECONDS_BETWEEN_LINES or count == total:
            reported, rate = now, count / max(now - started, 1e-9)
            minutes, seconds = divmod(round((total - count) / rate), 60)
            logger.info(
                "%s: %d of %d images, %.0f a second, %d:%02d:%02d left",
                *(part, count, total, rate),
                *(*divmod(minutes, 60), seconds),
            )
    return bad


def _items_a_block(items: Items) -> int:
    return max(1, BLOCK // items.images_per_item)


def _checksums(items: Items, version: str) -> np.ndarray:
    """uint64, none of them 0: what decides the pixels of each item."""
    start = hashlib.blake2b(version.encode(), digest_size=8)
    checksums = np.empty(len(items.items), np.uint64)
    for index, item in enumerate(items.items):
        checksum = start.copy()
        checksum.update(json.dumps([item, *items.stamp(item)]).encode())
        checksums[index] = max(1, int.from_bytes(checksum.digest()))
    return checksums


def _prepare(array: Path, wanted: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Make the array and its list, or bring the items of an earlier run, which may have had more,
    fewer or other items, to where they are wanted now; the list, memory-mapped."""
    list_file = array.with_name(array.name.replace("images", "done"))
    _check_space(array, len(wanted) * int(np.prod(shape)))
    earlier = _earlier(array, list_file, shape)
    place_of = {int(checksum): place for place, checksum in enumerate(earlier) if checksum}
    places = np.array([place_of.get(int(checksum), -1) for checksum in wanted])
    moved = np.any((places >= 0) & (places != np.arange(len(places))))
    if moved or len(earlier) != len(wanted):
        # While the array is replaced, its list does not count.
        list_file.unlink(missing_ok=True)
        if not place_of:
            array.unlink(missing_ok=True)
        _copy_items(array, array, places, shape)
        with files.atomic_write(list_file) as temporary:
            np.save(temporary, np.where(places >= 0, wanted, np.uint64(0)))
    return np.load(list_file, mmap_mode="r+")


def _check_space(array: Path, size: int) -> None:
    there = array.stat().st_blocks * 512 if array.is_file() else 0
    free = shutil.disk_usage(array.parent).free
    if size - there > free:
        raise OSError(
            f"{array.parent}: the images need {size - there:,} bytes more, and the disk has "
            f"{free:,}; make room, or lower dataset.image_size"
        )


def _earlier(array: Path, list_file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The list of an earlier run; an empty one if its files are of no use."""
    try:
        done = np.load(list_file)
        images = np.load(array, mmap_mode="r")
    except (OSError, ValueError):
        return np.empty(0, np.uint64)
    fits = images.dtype == np.uint8 and images.shape == (len(done) * shape[0], *shape[1:])
    return done if fits and done.dtype == np.uint64 else np.empty(0, np.uint64)


def _copy_items(source: Path, target: Path, places: np.ndarray, shape: tuple[int, ...]) -> None:
    """Write an array whose item k is item places[k] of another, or undefined where that is -1."""
    size = int(np.prod(shape))
    with files.atomic_write(target) as temporary:
        np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(places) * shape[0], *shape[1:]))
        copied = np.flatnonzero(places >= 0).tolist()
        if not copied:
            return
        start, target_start = _start(source), _start(temporary)
        # Not by memory maps, whose pages would count as this process's memory.
        with source.open("rb") as read, temporary.open("r+b") as written:
            for k in copied:
                read.seek(start + int(places[k]) * size)
                written.seek(target_start + k * size)
                written.write(read.read(size))


def _without(array: Path, bad: Sequence[int], count: int) -> Path:
    """A copy of an array of so many items without the bad ones."""
    images = np.load(array, mmap_mode="r")
    kept = array.with_name(f"kept.{array.name}")
    shape = (len(images) // count, *images.shape[1:])
    _copy_items(array, kept, np.delete(np.arange(count), bad), shape)
    return kept


def _load_block(
    array: Path,
    load: Callable[[Item], np.ndarray],
    shape: tuple[int, ...],
    block: Sequence[tuple[int, Item]],
) -> tuple[list[int], dict[int, str]]:
    """Write the images of some items and sync them to the disk; the numbers of the good items, and
    for each bad one why."""
    good, bad = [], {}
    start, size = _start(array), int(np.prod(shape))
    with array.open("r+b") as file:
        for index, item in block:
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
            good.append(index)
        file.flush()
        os.fsync(file.fileno())
    return good, bad


def _start(array: Path) -> int:
    """Where the first image begins in the file of an array, in bytes."""
    return np.load(array, mmap_mode="r").offset


def _report_bad(bad: list[list[str]], count: int, folder: Path, on_bad_image: str) -> None:
    table = folder / BAD_IMAGES
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
