"""A study's archive written: the same results give the same bytes."""

import hashlib
import json
import stat
import zipfile
from pathlib import Path

from transferability.records import verify
from transferability.records.archive import contents, crate, manifest
from transferability.storage import files
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, targets

SUFFIX = ".zip"
CHUNK = 2**20
# Numbers that look random: to compress them takes long and saves nothing.
NOT_COMPRESSED = ".safetensors"
UNDATED = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def pack(
    results: Path, to: Path, citation: dict, with_weights: bool, about: crate.About
) -> list[str]:
    """Write the archive of a study that is done; the names of its files.

    `citation` is what CITATION.cff of this software says. Raises ValueError if the study is not
    done, if its networks are not what their trainings wrote, or if there is a file of that name.
    """
    if to.suffix != SUFFIX:
        raise ValueError(f"--to: {to} is no name of an archive; expected one that ends in {SUFFIX}")
    if to.exists():
        raise ValueError(f"--to: {to} is there already; name another file, or delete it")
    about.check()
    checked = config.resolved(results / targets.STUDY)
    chosen = contents.contents(results, checked, with_weights)
    wrong = [
        fault for verdict in verify.verify(results, whole_images=False) for fault in verdict.faults
    ]
    if wrong:
        raise ValueError(f"{results}: it is not as it was written, so not archived: {wrong[0]}")
    metrics = [
        NetworkFolder(file.parent).read_metrics()
        for name, file in chosen.items()
        if name.endswith("/metrics.json")
    ]
    top = checked["study"]
    with files.atomic_write(to) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        listed = {name: _add(archive, f"{top}/{name}", file) for name, file in chosen.items()}
        described = crate.metadata(checked, listed, metrics, citation, about)
        text = json.dumps(described, indent=2, ensure_ascii=False) + "\n"
        archive.writestr(_entry(f"{top}/{manifest.METADATA}"), text)
    return list(chosen)


def _add(archive: zipfile.ZipFile, name: str, file: Path) -> manifest.Listed:
    """Add a file; what it was found to be while it was added."""
    entry, digest = _entry(name), hashlib.sha256()
    # By its size it is decided how sizes are written.
    entry.file_size = file.stat().st_size
    with file.open("rb") as source, archive.open(entry, "w") as packed:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            packed.write(chunk)
    return manifest.Listed(entry.file_size, digest.hexdigest())


def _entry(name: str) -> zipfile.ZipInfo:
    """A file in an archive, the same whenever and wherever it is written."""
    entry = zipfile.ZipInfo(name, UNDATED)
    entry.create_system = UNIX
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    stored = name.endswith(NOT_COMPRESSED)
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return entry
