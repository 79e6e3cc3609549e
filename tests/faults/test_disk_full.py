"""A disk that becomes full during a save: existing files stay, and the command continues."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from laboratory import same
from project import program

from transferability.storage import checkpoint, files
from transferability.storage.network_folder import NetworkFolder

# A resume file of this training has about 700 KB; while one is replaced, there are two.
WIDE = {"units": [256, 256]}


def mount(*arguments: str) -> None:
    run = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.skip(f"only root can mount a small tmpfs: {run.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path) -> Path:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def train(laboratory, folder: Path) -> subprocess.CompletedProcess:
    return program(*laboratory.command("baseB", folder, architecture=WIDE, epochs=3))


@pytest.mark.full
def test_a_training_continues_when_there_is_space(laboratory, small_disk, tmp_path):
    folder = NetworkFolder(small_disk / "baseB")
    full = train(laboratory, folder.path)
    assert full.returncode == 1, full.stderr
    needed, free = re.search(
        rf"OSError: {re.escape(str(folder.resume))}: the disk or .* full: at least ([\d,]+) bytes "
        r"are needed, but ([\d,]+) are free; free some space, and the same command continues",
        full.stderr,
    ).groups()
    assert int(free.replace(",", "")) < int(needed.replace(",", "")) < 2**20
    # The first epoch's state was saved; there was no space for the second's next to it.
    _, header, _ = checkpoint.load(folder.resume)
    assert header["state"]["step"] == 20
    assert not folder.metrics.exists()
    assert not list(folder.path.glob(".*"))

    mount("-o", "remount,size=4m", str(small_disk))
    again = train(laboratory, folder.path)
    assert again.returncode == 0, again.stderr
    assert folder.read_metrics()["resumed_at_iterations"] == [20]
    assert not folder.resume.exists()
    whole = NetworkFolder(tmp_path / "whole")
    assert train(laboratory, whole.path).returncode == 0
    assert same(*(checkpoint.load(each.weights)[0] for each in (folder, whole)))
    assert np.array_equal(np.load(folder.predictions), np.load(whole.predictions))


def test_a_failed_write_of_unknown_size_leaves_the_old_file(small_disk):
    table = small_disk / "networks.csv"
    table.write_text("as it was")
    with (
        pytest.raises(OSError, match=rf"{table}: the disk or .* bytes are needed"),
        files.atomic_write(table) as temporary,
        temporary.open("wb") as file,
    ):
        file.write(bytes(2**22))
    assert table.read_text() == "as it was"
    assert list(small_disk.iterdir()) == [table]
