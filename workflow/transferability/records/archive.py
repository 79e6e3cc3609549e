"""A study's archive opened and checked. It may come from a stranger: nothing in it is run, nothing
is written outside of a temporary folder, and nothing is read that lies elsewhere."""

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
    """The folder of a study's results: `path` itself or, of an archive, a temporary one in which
    its files lie while the block lasts.

    Raises ValueError for an archive that cannot be read, or that there is no room for.
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
                # zipfile keeps every name inside of the folder, and makes no links.
                archive.extractall(temporary)
        # Bytes that changed make zipfile raise almost anything.
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
    """What differs between an archive's folder and its manifest, each fault with its file.

    Raises ValueError if the manifest cannot be read.
    """
    file = folder / METADATA
    try:
        graph = json.loads(file.read_bytes())["@graph"]
        entries = [entity for entity in graph if entity["@type"] == "File"]
        listed = {unquote(entity["@id"]): entity["sha256"] for entity in entries}
    # Any JSON, nested to any depth, may stand there instead.
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
