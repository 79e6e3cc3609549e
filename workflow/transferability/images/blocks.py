"""Images that are read one by one into an array on the disk: side by side, and again from where a
run was interrupted.

The array of a part has a row for each of its images from the start. Beside it lies the list of
what has been done: for each row the checksum of the image's name and of all else that decides its
pixels, or 0. A block of images is written, brought to the disk, and only then entered there. So a
run that was killed loses the blocks in work, and one whose images were added, removed or replaced
meanwhile reads these alone.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferability.images import processes
from transferability.images.decode import BadImage
from transferability.storage import files

logger = logging.getLogger(__name__)

BLOCK = 64
"""Images that are lost at most, in each process, when a run is killed."""
SECONDS_BETWEEN_LINES = 20


@dataclass(frozen=True)
class Pictures:
    """The images of a part, to be read one by one; any may turn out to be bad."""

    labels: np.ndarray
    """int32 N, ascending: the class index of each image."""
    items: Sequence[str | int]
    """What `load` takes, and what an image is called where it is bad."""
    stamps: np.ndarray
    """int64 N×k: these numbers change when the image behind an item does."""
    load: Callable[[str | int], np.ndarray]
    """An item's pixels, uint8 H×W×3; raises BadImage, whose message says why, if it has none."""
    in_processes: bool = True
    """Whether processes read, for which `load` is copied; else threads, which share it."""


@dataclass(frozen=True)
class Filled:
    """A part of which every image has been read, or found bad."""

    images: Path
    """The array, a row for each item; the rows of bad ones are undefined."""
    bad: dict[int, str]
    """Row → why, of the bad ones."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Work alone in a folder, which is made if need be.

    Raises ValueError if another process works in it; a lock dies with its process.
    """
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
        yield


def fill(
    folder: Path,
    part: str,
    pictures: Pictures,
    image_size: tuple[int, int],
    version: str,
    workers: int,
) -> Filled:
    """Read the images of a part into `<folder>/<part>.images.npy`, those that are not there yet.

    `version` says what decides the pixels beside the images themselves. With the same images and
    version the bytes are the same, whatever the number of workers. Raises OSError if the disk is
    too small or a worker is killed.
    """
    array, done_file = folder / f"{part}.images.npy", folder / f"{part}.done.npy"
    wanted = _checksums(pictures, version)
    _check_space(folder, array, len(wanted) * _row_bytes(image_size))
    _prepare(array, done_file, wanted, image_size)
    done = np.load(done_file, mmap_mode="r+")
    to_do = np.flatnonzero(done != wanted)
    done[to_do] = 0
    done.flush()
    if 0 < len(to_do) < len(wanted):
        logger.info("%s: %d of %d images are there", part, len(wanted) - len(to_do), len(wanted))
    bad: dict[int, str] = {}
    progress = _Progress(part, len(to_do))
    for rows, bad_in_block in _blocks_read(array, pictures, image_size, to_do, workers):
        bad.update(bad_in_block)
        good = [row for row in rows if row not in bad_in_block]
        done[good] = wanted[good]
        done.flush()
        progress.add(len(rows))
    return Filled(array, dict(sorted(bad.items())))


def without_bad(filled: Filled, image_size: tuple[int, int], count: int) -> Path:
    """The array of `count` rows without those of the bad images; itself if there are none."""
    if not filled.bad:
        return filled.images
    rows = np.delete(np.arange(count), list(filled.bad))
    kept = filled.images.with_name(f"kept.{filled.images.name}")
    with files.atomic_write(kept) as temporary:
        _copy_rows(filled.images, temporary, rows, image_size)
    return kept


def _checksums(pictures: Pictures, version: str) -> np.ndarray:
    """uint64 N, none of them 0: what decides the pixels of each row."""
    start = hashlib.blake2b(version.encode(), digest_size=8)
    found = np.empty(len(pictures.items), np.uint64)
    for row, (item, stamp) in enumerate(zip(pictures.items, pictures.stamps, strict=True)):
        checksum = start.copy()
        checksum.update(json.dumps([item, *stamp.tolist()]).encode())
        found[row] = max(1, int.from_bytes(checksum.digest()))
    return found


def _prepare(array: Path, done_file: Path, wanted: np.ndarray, image_size: tuple[int, int]) -> None:
    """Make both files, or bring the rows of earlier ones, which may be of more, fewer or other
    images, to where they are wanted now."""
    shape = (len(wanted), *image_size, 3)
    before = _earlier(array, done_file, image_size)
    if before is not None and np.array_equal(before, wanted):
        return
    if before is None:
        rows = np.full(len(wanted), -1)
    else:
        row_of = {int(checksum): row for row, checksum in enumerate(before) if checksum}
        rows = np.array([row_of.get(int(checksum), -1) for checksum in wanted])
        in_place = len(before) == len(wanted) and np.all(
            (rows < 0) | (rows == np.arange(len(rows)))
        )
        if in_place:
            return
    # While the array is replaced, nothing that is said of it counts.
    done_file.unlink(missing_ok=True)
    with files.atomic_write(array) as temporary:
        if np.all(rows < 0):
            array.unlink(missing_ok=True)
            np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        else:
            _copy_rows(array, temporary, rows, image_size)
    with files.atomic_write(done_file) as temporary:
        np.save(temporary, np.where(rows >= 0, wanted, np.uint64(0)))


def _earlier(array: Path, done_file: Path, image_size: tuple[int, int]) -> np.ndarray | None:
    """What an earlier run has done, if its files are of use."""
    try:
        done = np.load(done_file)
        images = np.load(array, mmap_mode="r")
    except (OSError, ValueError):
        return None
    fits = images.dtype == np.uint8 and images.shape == (len(done), *image_size, 3)
    return done if fits and done.dtype == np.uint64 else None


def _copy_rows(source: Path, target: Path, rows: np.ndarray, image_size: tuple[int, int]) -> None:
    """Write an array whose row k is row rows[k] of another one, or nothing where that is -1."""
    np.lib.format.open_memmap(target, "w+", np.uint8, (len(rows), *image_size, 3))
    size, start, target_start = _row_bytes(image_size), _start(source), _start(target)
    # Not by memory maps, whose pages would count as this process's memory.
    with source.open("rb") as read, target.open("r+b", buffering=0) as written:
        for row, source_row in enumerate(rows.tolist()):
            if source_row >= 0:
                image = os.pread(read.fileno(), size, start + source_row * size)
                _write_at(written.fileno(), image, target_start + row * size)


def _blocks_read(
    array: Path, pictures: Pictures, image_size: tuple[int, int], rows: np.ndarray, workers: int
) -> Iterator[tuple[list[int], dict[int, str]]]:
    """Read the images of these rows, and give those of each block with its bad ones."""

    def arguments(block: list[int]) -> tuple:
        items = [pictures.items[row] for row in block]
        return array, _start(array), image_size, pictures.load, block, items

    blocks = [rows[first : first + BLOCK].tolist() for first in range(0, len(rows), BLOCK)]
    workers = min(workers, len(blocks))
    if workers <= 1:
        for block in blocks:
            yield block, _read_block(*arguments(block))
        return
    with processes.pool(workers) if pictures.in_processes else ThreadPoolExecutor(workers) as pool:
        waiting: dict[Future, list[int]] = {}

        def finished() -> Iterator[tuple[list[int], dict[int, str]]]:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()

        try:
            for block in blocks:
                if len(waiting) >= 2 * workers:
                    yield from finished()
                waiting[pool.submit(_read_block, *arguments(block))] = block
            while waiting:
                yield from finished()
        except BrokenExecutor as error:
            raise OSError(
                "a process that reads images was killed, perhaps for lack of memory; the same "
                "command goes on with what is done, and fewer workers need less memory"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _read_block(
    array: Path,
    start: int,
    image_size: tuple[int, int],
    load: Callable[[str | int], np.ndarray],
    rows: list[int],
    items: list[str | int],
) -> dict[int, str]:
    """Write the images of some rows and bring them to the disk; the bad ones, row → why."""
    bad = {}
    size = _row_bytes(image_size)
    with array.open("r+b", buffering=0) as file:
        for row, item in zip(rows, items, strict=True):
            try:
                image = load(item)
            except BadImage as error:
                bad[row] = str(error)
                continue
            if image.dtype != np.uint8 or image.shape != (*image_size, 3):
                raise ValueError(
                    f"{item} came as {image.dtype} {image.shape}: expected uint8 {image_size} × 3"
                )
            _write_at(file.fileno(), image.tobytes(), start + row * size)
        os.fsync(file.fileno())
    return bad


def _write_at(file: int, data: bytes, position: int) -> None:
    while data:
        written = os.pwrite(file, data, position)
        data, position = data[written:], position + written


def _row_bytes(image_size: tuple[int, int]) -> int:
    return image_size[0] * image_size[1] * 3


def _start(array: Path) -> int:
    """Where in the file of an array its first row begins, in bytes."""
    return np.load(array, mmap_mode="r").offset


def _check_space(folder: Path, array: Path, size: int) -> None:
    there = array.stat().st_blocks * 512 if array.is_file() else 0
    free = shutil.disk_usage(folder).free
    if size - there > free:
        raise OSError(
            f"{folder}: the images need {size - there:,} bytes more, and the disk has {free:,}; "
            "make room, or lower dataset.image_size"
        )


class _Progress:
    """A line in the log now and then: how many images, how fast, how long it will take."""

    def __init__(self, part: str, total: int) -> None:
        self.part, self.total, self.count = part, total, 0
        self.started = self.told = time.monotonic()

    def add(self, count: int) -> None:
        self.count += count
        now = time.monotonic()
        if now - self.told < SECONDS_BETWEEN_LINES and self.count < self.total:
            return
        self.told = now
        rate = self.count / max(now - self.started, 1e-9)
        left = (self.total - self.count) / rate
        logger.info(
            "%s: %d of %d images, %.0f a second, %d:%02d:%02d left",
            *(self.part, self.count, self.total, rate),
            *(left // 3600, left // 60 % 60, left % 60),
        )
