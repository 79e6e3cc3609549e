"""Files that are either complete or not there."""

import contextlib
import csv
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

Check = Callable[[], None]
FULL = (errno.ENOSPC, errno.EDQUOT)
SAMPLES, SAMPLE_BYTES = 64, 4096
"""To compare a file, SAMPLES pieces of SAMPLE_BYTES bytes are read, evenly spread over the file.
This takes milliseconds for any size. A file of up to 256 KiB is read completely."""


@contextlib.contextmanager
def atomic_write(path: Path | str, size: int = 0, check: Check = lambda: None) -> Iterator[Path]:
    """A temporary name in the folder of `path`. When the block ends without an error, the file is
    flushed to the disk and renamed to `path` in one step; otherwise it is deleted.

    The temporary name has the same suffix, since libraries may use it to choose the format. `size`
    is the number of bytes that will be written, if known. `check` is called directly before the
    file is renamed; if it raises an error, the file is not renamed. Raises OSError, with the file
    and its size, if the disk is too small.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        with room(path, size, temporary):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            check()
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def room(path: Path, size: int, temporary: Path | None = None) -> Iterator[None]:
    """For a block that writes `size` bytes to the file `path`, or first to `temporary`. Raises
    OSError, with the file and its size, if the disk is too small."""
    try:
        # Before anything is written, since not every library reports that a disk is full.
        if shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        if temporary is not None:
            # If the size is not known: it is larger than the part that was written.
            size = max(size, 1 + (temporary.stat().st_size if temporary.exists() else 0))
            temporary.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        raise OSError(
            f"{path}: the disk or the quota is full: at least {size:,} bytes are needed, but "
            f"{free:,} are free; free some space, and the same command continues the work"
        ) from error


def share(path: Path) -> None:
    """Give a file the permissions of new files. Some libraries write files that only the user can
    read, which hides results from colleagues on a cluster."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def write_text(path: Path | str, text: str, check: Check = lambda: None) -> None:
    """Write a text file, UTF-8, completely or not at all; `check` as for `atomic_write`."""
    content = text.encode()
    with atomic_write(path, len(content), check) as temporary:
        temporary.write_bytes(content)


def link(source: Path, to: Path, check: Check = lambda: None) -> None:
    """Give a file a second name (hard link), or copy it if the file system has no hard links."""
    with atomic_write(to, check=check) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        # Snakemake expects that the outputs of a job are new.
        os.utime(temporary)


def write_table(path: Path | str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file in UTF-8, completely or not at all."""
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        for row in (columns, *rows):
            # Python before 3.13 does not quote a carriage return, and would then read two rows.
            has_return = any("\r" in str(value) for value in row)
            quoting = csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL
            csv.writer(file, lineterminator="\n", quoting=quoting).writerow(row)


def sha256(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def samples_sha256(file: Path) -> str:
    """The sha256 of samples of a file in their order, or of all of a small file."""
    last = max(0, file.stat().st_size - SAMPLE_BYTES)
    # In a small file the samples overlap and cover every byte.
    starts = sorted({round(last * k / (SAMPLES - 1)) for k in range(SAMPLES)})
    digest = hashlib.sha256()
    with file.open("rb") as f:
        for start in starts:
            f.seek(start)
            digest.update(f.read(SAMPLE_BYTES))
    return digest.hexdigest()
