"""An archive opened, which may be a stranger's: nothing is written outside of a folder of its own,
and nothing is unpacked that is larger than it says."""

import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transferability.records.archive import manifest

MOST_TIMES = 200
"""How many times its size the files of an archive may take; those of a study take some ten times at
most, and 1,000 times is what a file made for it can."""
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError),
)
"""What zipfile raises where bytes are not what they were, or are packed as it cannot read."""


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a study's results: `path` itself or, of an archive, one in which its files lie
    while the block lasts.

    Raises ValueError if it is no such archive, or one that must not or cannot be unpacked.
    """
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="transferability.") as folder:
        yield unpack(path, Path(folder))


def unpack(path: Path, folder: Path) -> Path:
    """Unpack an archive into a folder that is there, and return that of the study in it.

    Raises ValueError, which names the archive and each file that is wrong.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            _check_entries(path, archive, folder)
            top = _top(path, entries)
            _check_sizes(path, archive, entries, top)
            _unpack(path, archive, entries, folder)
    except (*DAMAGE, OSError) as error:
        raise ValueError(f"{path}: cannot be read as the archive of a study ({error})") from error
    return folder / top


def _check_entries(path: Path, archive: zipfile.ZipFile, folder: Path) -> None:
    """Before a byte is unpacked: names, kinds and the size of all."""
    infos = archive.infolist()
    for info in infos:
        if not manifest.stays_inside(info.filename.removesuffix("/")):
            raise ValueError(f"{path}: {info.filename!r} would lie outside of the archive's folder")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(f"{path}: {info.filename} is a link or a device, and not a file")
    # As file systems compare names that do not tell capitals apart.
    if len({info.filename.casefold() for info in infos}) < len(infos):
        raise ValueError(f"{path}: it holds two files of one name, and an archive has each once")
    held, unpacked = path.stat().st_size, sum(info.file_size for info in infos)
    if unpacked > MOST_TIMES * held:
        raise ValueError(
            f"{path}: its {held:,} bytes would unpack to {unpacked:,}, more than {MOST_TIMES} "
            "times as many, which no study's do"
        )
    free = shutil.disk_usage(folder).free
    if unpacked > free:
        raise ValueError(
            f"{path}: it would unpack to {unpacked:,} bytes, and {free:,} are free in "
            f"{folder.parent}; make room, or name another folder in the variable TMPDIR"
        )


def _top(path: Path, entries: dict[str, zipfile.ZipInfo]) -> str:
    """The name of the one folder of an archive."""
    tops = list({name.partition("/")[0] for name in entries})
    if len(tops) != 1 or f"{tops[0]}/{manifest.METADATA}" not in entries:
        raise ValueError(
            f"{path}: is no archive of a study; expected one folder with {manifest.METADATA}, as "
            "`python -m transferability archive` writes it"
        )
    return tops[0]


def _check_sizes(
    path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], top: str
) -> None:
    """Against the manifest, before the files are unpacked."""
    metadata = f"{top}/{manifest.METADATA}"
    listed = manifest.read(archive.read(metadata), f"{path}: {metadata}")
    wrong = []
    for name, expected in listed.items():
        entry = entries.get(f"{top}/{name}")
        if entry and entry.file_size != expected.size:
            wrong.append(f"{entry.filename} has {entry.file_size:,} bytes, not {expected.size:,}")
    if wrong:
        raise ValueError(f"{path}: it is not what its manifest says: {'; '.join(wrong)}")


def _unpack(
    path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], folder: Path
) -> None:
    damaged = []
    for name, info in entries.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with archive.open(info) as packed, file.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        except DAMAGE as error:
            damaged.append(f"{name} ({error})")
    if damaged:
        raise ValueError(f"{path}: cannot be unpacked: {'; '.join(damaged)}; get the archive anew")
