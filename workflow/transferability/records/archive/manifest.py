"""What an archive says of its files, and whether they are that.

It may be a stranger's: what it says is read as plain JSON, and no name leads out of its folder.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from transferability.storage import files

METADATA = "ro-crate-metadata.json"
PART = r"(?!\.+(?:/|$))[\w.+@ -]+"
"""Of a path: no dots alone, no backslash, and no colon, which begins a path on Windows."""


class Listed(NamedTuple):
    """A file as the manifest has it: its bytes and its sha256."""

    size: int
    sha256: str


def stays_inside(name: str) -> bool:
    """Whether a path, written with /, leads to something below the folder that it starts from, on
    every system."""
    return re.fullmatch(f"{PART}(?:/{PART})*", name) is not None


def read(text: bytes, where: Path | str) -> dict[str, Listed]:
    """The files that the text of a manifest lists, by their paths in the archive's folder.

    Raises ValueError, which says `where` the text is from, if it is no manifest of such an archive.
    """
    try:
        entities = json.loads(text)["@graph"]
        listed = {
            unquote(entity["@id"]): Listed(int(entity["contentSize"]), str(entity["sha256"]))
            for entity in entities
            if entity["@type"] == "File"
        }
    # Whatever JSON can hold, as deep as one likes, may stand there instead.
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: is no manifest of a study's archive ({error!r}); get the archive anew"
        ) from error
    outside = [name for name in listed if not stays_inside(name)]
    if outside:
        raise ValueError(f"{where}: {outside[0]!r} would lie outside of the archive's folder")
    return listed


def faults(folder: Path) -> list[str]:
    """What in an archive's folder is not what its manifest says, each with the name of its file.

    Raises ValueError if the manifest is none.
    """
    metadata = folder / METADATA
    listed = read(metadata.read_bytes(), metadata)
    found = []
    for name, expected in listed.items():
        file = folder / name
        if not file.is_file():
            found.append(f"{file}: is missing")
        elif file.is_symlink():
            found.append(f"{file}: is a link, and an archive has none")
        elif file.stat().st_size != expected.size:
            found.append(f"{file}: has {file.stat().st_size:,} bytes, not {expected.size:,}")
        elif files.sha256(file) != expected.sha256:
            found.append(f"{file}: its bytes changed; the sha256 is not the manifest's")
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if (file.is_symlink() or not file.is_dir()) and name not in {*listed, METADATA}:
            found.append(f"{file}: is not in the manifest")
    return found
