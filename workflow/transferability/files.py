"""Files that are either whole or not there."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path | str) -> Iterator[Path]:
    """A temporary name in the folder of `path`; when the block ends well, its content is on the
    disk and takes the name in one step, and when it does not, nothing is left behind.

    The temporary name keeps the suffix, since some libraries choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def share(path: Path) -> None:
    """Let those read a file whom the user lets read new ones; some libraries write for the user
    alone, which hides results from colleagues on a cluster."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
