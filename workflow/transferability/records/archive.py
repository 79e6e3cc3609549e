"""A study's archive opened and checked.

It may come from a stranger: its manifest, the RO-Crate metadata, is read as plain JSON, nothing is
written outside of a temporary folder, and nothing is unpacked that is larger than it says.
"""

import json
import lzma
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from transferability.storage import files

METADATA = "ro-crate-metadata.json"
PART = r"(?!\.+(?:/|$))[\w.+@ -]+"
"""Of a path: not dots alone, no backslash, and no colon, which begins a path on Windows."""
MOST_TIMES = 200
"""How many times its size an archive may take unpacked; a study's takes at most some ten times, and
a file made to fill a disk 1,000 times."""
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError),
)
"""What zipfile raises for bytes that changed, or are packed in a way that it cannot read."""


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a study's results: `path` itself or, of an archive, a temporary one in which
    its files lie while the block lasts.

    Raises ValueError, naming each wrong file, for an archive that is not safe or not readable.
    """
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="transferability.") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                top = _check(path, archive, Path(folder))
                _extract(path, archive, folder)
        except (*DAMAGE, OSError) as error:
            raise ValueError(
                f"{path}: cannot be read as the archive of a study ({error})"
            ) from error
        yield Path(folder) / top


def _check(path: Path, archive: zipfile.ZipFile, folder: Path) -> str:
    """Names, kinds and sizes, before anything is unpacked; the name of the archive's one folder."""
    infos = archive.infolist()
    check_names([info.filename.removesuffix("/") for info in infos], path)
    for info in infos:
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ValueError(f"{path}: {info.filename} is a link or a device, and not a file")
    # Without capitals, as some file systems compare names.
    if len({info.filename.casefold() for info in infos}) < len(infos):
        raise ValueError(f"{path}: it holds two files of one name, and an archive has each once")
    packed, unpacked = path.stat().st_size, sum(info.file_size for info in infos)
    if unpacked > MOST_TIMES * packed:
        raise ValueError(
            f"{path}: its {packed:,} bytes would unpack to {unpacked:,}, more than {MOST_TIMES} "
            "times as many; the archive of a study never does"
        )
    free = shutil.disk_usage(folder).free
    if unpacked > free:
        raise ValueError(
            f"{path}: it would unpack to {unpacked:,} bytes, and {free:,} are free in "
            f"{folder.parent}; make room, or name another folder in the variable TMPDIR"
        )
    sizes = {info.filename: info.file_size for info in infos if not info.is_dir()}
    top, *others = {name.partition("/")[0] for name in sizes} or [""]
    metadata = f"{top}/{METADATA}"
    if others or metadata not in sizes:
        raise ValueError(
            f"{path}: is no archive of a study; expected one folder with {METADATA}, as "
            "`python -m transferability archive` writes it"
        )
    listed = read_manifest(archive.read(metadata), f"{path}: {metadata}")
    expected = {f"{top}/{name}": size for name, (size, _) in listed.items()}
    wrong = [
        f"{name} has {sizes[name]:,} bytes, not {size:,}"
        for name, size in expected.items()
        if sizes.get(name, size) != size
    ]
    if wrong:
        raise ValueError(f"{path}: it is not what its manifest says: {'; '.join(wrong)}")
    return top


def _extract(path: Path, archive: zipfile.ZipFile, folder: str) -> None:
    damaged = []
    for info in archive.infolist():
        try:
            archive.extract(info, folder)
        except DAMAGE as error:
            damaged.append(f"{info.filename} ({error})")
    if damaged:
        raise ValueError(f"{path}: cannot be unpacked: {'; '.join(damaged)}; get the archive again")


def check_names(names: list[str], where: Path | str) -> None:
    """Raises ValueError, naming `where`, for a path that leads out of its folder on any system."""
    for name in names:
        if not re.fullmatch(f"{PART}(?:/{PART})*", name):
            raise ValueError(f"{where}: {name!r} would lie outside of the archive's folder")


def read_manifest(text: bytes, where: Path | str) -> dict[str, tuple[int, str]]:
    """The size in bytes and the sha256 of each file that the text of a manifest lists, by its path
    in the archive's folder.

    Raises ValueError, naming `where` the text is from, if it is not the manifest of an archive.
    """
    try:
        listed = {
            unquote(entity["@id"]): (int(entity["contentSize"]), str(entity["sha256"]))
            for entity in json.loads(text)["@graph"]
            if entity["@type"] == "File"
        }
    # Any JSON, nested to any depth, may stand there instead.
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: is no manifest of a study's archive ({error!r}); get the archive again"
        ) from error
    check_names(list(listed), where)
    return listed


def faults(folder: Path) -> list[str]:
    """What differs between an archive's folder and its manifest, each fault with its file.

    Raises ValueError if the manifest cannot be read.
    """
    metadata = folder / METADATA
    listed = read_manifest(metadata.read_bytes(), metadata)
    differences = []
    for name, (size, sha256) in listed.items():
        file = folder / name
        if not file.is_file():
            differences.append(f"{file}: is missing")
        elif file.is_symlink():
            differences.append(f"{file}: is a link, and an archive has none")
        elif file.stat().st_size != size:
            differences.append(f"{file}: has {file.stat().st_size:,} bytes, not {size:,}")
        elif files.sha256(file) != sha256:
            differences.append(f"{file}: its bytes changed; the sha256 is not the manifest's")
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if (file.is_symlink() or not file.is_dir()) and name not in {*listed, METADATA}:
            differences.append(f"{file}: is not in the manifest")
    return differences
