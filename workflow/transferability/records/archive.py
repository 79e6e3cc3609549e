"""Opens and checks a study's archive. It may come from a stranger: nothing in it is run, nothing is
written outside a temporary folder, and no files outside the archive are read."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from transferability.storage import files

METADATA = "ro-crate-metadata.json"


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a study's results: `path` itself or, for an archive, a temporary folder with
    its files, which is removed at the end of the block.

    Raises ValueError if an archive cannot be read or the disk has too little space for it.
    """
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="transferability.") as temporary:
        try:
            with zipfile.ZipFile(path) as archive:
                needed = sum(info.file_size for info in archive.infolist())
                free = shutil.disk_usage(temporary).free
                if needed > free:
                    raise ValueError(
                        f"it unpacks to {needed:,} bytes, but {free:,} are free in "
                        f"{Path(temporary).parent}; free some space, or set TMPDIR"
                    )
                # zipfile keeps all files inside the folder and creates no links.
                archive.extractall(temporary)
        # For changed bytes, zipfile can raise almost any exception.
        except Exception as error:
            raise ValueError(
                f"{path}: cannot be read as the archive of a study ({error}); if it is damaged, "
                "get it again"
            ) from error
        manifests = list(Path(temporary).glob(f"*/{METADATA}"))
        if len(manifests) != 1:
            raise ValueError(
                f"{path}: is not an archive of a study; expected one folder with {METADATA}, as "
                "the command archive writes it"
            )
        yield manifests[0].parent


def faults(folder: Path) -> list[str]:
    """The differences between an archive's folder and its manifest, each with the name of its file.

    Raises ValueError if the manifest cannot be read.
    """
    file = folder / METADATA
    try:
        graph = json.loads(file.read_bytes())["@graph"]
        entries = [entity for entity in graph if entity["@type"] == "File"]
        listed = {unquote(entity["@id"]): entity["sha256"] for entity in entries}
    # The file may contain any other JSON instead, nested to any depth.
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file}: is not a manifest of a study's archive ({error!r}); get the archive again"
        ) from error
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return [
        *(f"{folder / name}: is missing" for name in sorted(listed.keys() - found)),
        *(
            f"{folder / name}: is not in the manifest"
            for name in sorted(found - listed.keys() - {METADATA})
        ),
        *(
            f"{folder / name}: its bytes changed; the sha256 is not the manifest's"
            for name in sorted(found & listed.keys())
            if files.sha256(folder / name) != listed[name]
        ),
    ]
