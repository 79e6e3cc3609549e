"""Write a store: threads read or draw the images of any source into arrays.

The arrays are built in a folder next to the store, `<source>-<8 hex>.unfinished`, since Snakemake
deletes the files of a store if the job fails. Each array has a list with a row for each item: a
checksum of the item's name and of all that decides its pixels, and a checksum of its pixels, which
is 0 until they are loaded. Images are synced to the disk before the list is updated. A killed run
therefore loses only its last moments. If images are added, removed or replaced between two runs,
only these are read again.
"""

import hashlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
"""The number of images that a thread loads at a time, or one item if that has more."""
SECONDS_BETWEEN_LINES = 20
HEADER = 128
"""The size in bytes of numpy's header in an array's file, for arrays of any length."""


def write_store(
    source: ImageSource, folder: Path, settings: Mapping[str, Any], workers: int = 1, code: str = ""
) -> None:
    """Load all images of a source with `workers` threads, and write the store in `folder`.

    `code` is the version of the code that loads images. With the same settings and code, an
    interrupted run is continued. The same images give the same bytes with any number of threads.
    Bad images are listed in `<folder>/bad_images.csv`, images with the same pixels in the manifest.
    Raises ValueError if there are bad images, unless on_bad_image is skip, or if a class has no
    images (see `store.write`); OSError if the disk is too small.
    """
    # Without on_bad_image and on_duplicate: if they change, the run continues nevertheless.
    deciding = {key: value for key, value in settings.items() if not key.startswith("on_")}
    version = json.dumps([deciding, code, PIL.__version__, np.__version__], sort_keys=True)
    unfinished = folder.parent / f"{store_name(deciding)}.unfinished"
    # The lock, since stores that differ only in the images that they leave out share this folder.
    with _locked(unfinished.parent / f".{unfinished.stem}.lock"):
        unfinished.mkdir(exist_ok=True)
        # Incomplete files of a killed run.
        for left in unfinished.glob(".*.npy"):
            left.unlink()
        parts = [
            _Part(unfinished, name, source, count, version)
            for name, count in zip(store.PARTS, source.per_item, strict=True)
        ]
        # Threads help: Python's lock is free during decoding and resampling, most of the time.
        pool = ThreadPoolExecutor(workers if source.in_parallel else 1)
        try:
            with files.room(parts[0].file, sum(part.bytes_to_come for part in parts)):
                for part in parts:
                    part.fill(pool)
        finally:
            pool.shutdown(cancel_futures=True)
        bad = [image for part in parts for image in part.left_out()]
        count = sum(len(part.items) for part in parts)
        _report_bad(bad, count, folder, settings.get("on_bad_image"))
        found = _duplicates(parts, settings.get("on_duplicate") == "skip")
        facts: dict[str, Any] = {}
        # Drawn images do not have this setting, since they are never left out.
        if "on_bad_image" in settings:
            facts["left_out"] = {part.name: part.left_out() for part in parts}
            facts["left_out"] |= {"files": [*source.left_out]} if source.left_out else {}
            facts |= {"duplicates": found} if found else {}
        arrays = {part.name: part.good() for part in parts}
        store.write(folder, source.classes, arrays, settings, facts)
        shutil.rmtree(unfinished)


def _locked(file: Path) -> filelock.AcquireReturnProxy:
    """A lock, held until the end of a `with` block. Its file is not in the folder that it protects,
    since that folder is deleted while other processes wait."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(file)
    try:
        return lock.acquire(blocking=False)
    except filelock.Timeout:
        logger.info("%s: waiting for another process, which reads the same images", file)
        return lock.acquire()


class _Part:
    """The file with the images of a part that are loaded so far, and its list."""

    def __init__(self, folder: Path, name: str, source: ImageSource, count: int, version: str):
        self.name, self.items, self.load = name, getattr(source, name), source.load
        self.file, self.list_file = (folder / f"{name}.{kind}.npy" for kind in ("images", "done"))
        self.shape = (count, *source.image_size, 3)
        """The shape of an item's images."""
        self.block = max(1, BLOCK // count)
        self.bad: dict[int, str] = {}
        """The reasons why items are bad, by their indices."""
        keys = [
            _checksum(json.dumps([version, item, *source.stamp(item)])) for _, item in self.items
        ]
        listed = np.empty((0, 2), np.uint64)
        # A list without its array is left if a store took the array but was not completed.
        if self.file.exists():
            with suppress(OSError, ValueError):
                listed = np.load(self.list_file)
        row_of = {key: row for row, key in enumerate(listed[:, 0].tolist())}
        rows = [row_of.get(key) for key in keys]
        if rows != list(range(len(listed))):
            pixels = [0 if row is None else listed[row, 1] for row in rows]
            ordered = self._copied(rows)
            # The list goes first: an array without a list is not used.
            self.list_file.unlink(missing_ok=True)
            ordered.replace(self.file)
            with files.atomic_write(self.list_file) as temporary:
                np.save(temporary, np.array([keys, pixels], np.uint64).T)
        self.listed = np.load(self.list_file, mmap_mode="r+")

    @property
    def bytes_to_come(self) -> int:
        return np.count_nonzero(self.listed[:, 1] == 0) * math.prod(self.shape)

    def fill(self, pool: ThreadPoolExecutor) -> None:
        """Load the items that are not loaded yet."""
        to_do = np.flatnonzero(self.listed[:, 1] == 0).tolist()
        blocks = [to_do[i : i + self.block] for i in range(0, len(to_do), self.block)]
        per_item, there = self.shape[0], len(self.items) - len(to_do)
        if there:
            of = (there * per_item, len(self.items) * per_item)
            logger.info("%s: %d of %d images are there", self.name, *of)
        count, started = 0, time.monotonic()
        last_line = started
        for block, results in zip(blocks, pool.map(self._load, blocks), strict=True):
            for index, result in zip(block, results, strict=True):
                if isinstance(result, str):
                    self.bad[index] = result
                else:
                    self.listed[index, 1] = result
            count, now = count + len(block) * per_item, time.monotonic()
            if block is blocks[-1] or now - last_line >= SECONDS_BETWEEN_LINES:
                done = (count, len(to_do) * per_item, count / max(now - started, 1e-9))
                logger.info("%s: %d of %d images, %.0f per second", self.name, *done)
                last_line = now

    def _load(self, rows: Sequence[int]) -> list[int | str]:
        """Write the images of some items; return the checksum of each, or why the item is bad."""
        results: list[int | str] = []
        size = math.prod(self.shape)
        # Not with a memory map, which ends the process without an error if the disk is full.
        with files.room(self.file, len(rows) * size), self.file.open("r+b") as file:
            for row in rows:
                item = self.items[row][1]
                try:
                    images = self.load(item)
                except BadImage as error:
                    results.append(str(error))
                    continue
                pixels = images.tobytes()
                if images.shape[-3:] != self.shape[1:] or len(pixels) != size:
                    raise ValueError(
                        f"{item} is {images.dtype} {images.shape}; expected uint8 {self.shape}"
                    )
                file.seek(HEADER + row * size)
                file.write(pixels)
                results.append(_checksum(pixels))
            file.flush()
            os.fsync(file.fileno())
        return results

    def left_out(self) -> list[list[str]]:
        """[item, reason] for each bad item."""
        return [[str(self.items[index][1]), why] for index, why in self.bad.items()]

    def good(self) -> tuple[np.ndarray, Path]:
        """The labels (int32 N) and the file of the images that are not bad."""
        rows = [row for row in range(len(self.items)) if row not in self.bad]
        labels = np.repeat([self.items[row][0] for row in rows], self.shape[0]).astype(np.int32)
        return labels, self._copied(rows) if self.bad else self.file

    def _copied(self, rows: Sequence[int | None]) -> Path:
        """A new file with the images of these rows, and empty space where a row is None."""
        copy, size = self.file.with_suffix(".copy.npy"), math.prod(self.shape)
        with (
            files.atomic_write(copy, len(rows) * size) as temporary,
            temporary.open("wb") as written,
        ):
            header = {"descr": "|u1", "fortran_order": False}
            header["shape"] = (len(rows) * self.shape[0], *self.shape[1:])
            np.lib.format.write_array_header_1_0(written, header)
            written.truncate(HEADER + len(rows) * size)
            # Not with memory maps, whose pages would count as memory of this process.
            with open(self.file if self.file.exists() else os.devnull, "rb") as read:
                for row in rows:
                    if row is None:
                        written.seek(size, os.SEEK_CUR)
                    else:
                        read.seek(HEADER + row * size)
                        written.write(read.read(size))
        return copy


def _checksum(content: bytes | str) -> int:
    """A checksum of 64 bits that is never 0."""
    content = content.encode() if isinstance(content, str) else content
    return max(1, int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()))


def _duplicates(parts: Sequence[_Part], skip: bool) -> dict[str, list[list[str]]]:
    """Pairs [image, earlier image] with the same pixels, by kind (images.DUPLICATES). Training
    images are earlier than validation images; with `skip`, the later images are left out."""
    found = {kind: [] for kind in DUPLICATES}
    earlier: dict[int, tuple[str, int, Item]] = {}
    for part in parts:
        for index, (label, item) in enumerate(part.items):
            if index in part.bad:
                continue
            first = earlier.setdefault(int(part.listed[index, 1]), (part.name, label, item))
            if first[2] is item:
                continue
            kind = part.name if first[0] == part.name else "validation_in_train"
            kind = kind if first[1] == label else "two_classes"
            found[kind].append([str(item), str(first[2])])
            if skip:
                part.bad[index] = f"the same pixels as {first[2]}"
    return {kind: pairs for kind, pairs in found.items() if pairs}


def _report_bad(bad: list[list[str]], count: int, folder: Path, on_bad_image: str | None) -> None:
    """Write the table of bad images; raise ValueError if there are any, unless they are skipped."""
    table = folder / "bad_images.csv"
    table.unlink(missing_ok=True)
    if not bad:
        return
    files.write_table(table, ("image", "why"), bad)
    if on_bad_image != "skip":
        image, why = bad[0]
        raise ValueError(
            f"{len(bad)} of {count} images {'is' if len(bad) == 1 else 'are'} bad; {table} lists "
            f"them with reasons, the first is {image}: {why}. Replace or remove them, or set "
            "dataset.on_bad_image to skip; the others are not read again"
        )
