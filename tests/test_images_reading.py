"""How images are read into a store: in parallel, with bad images, and again after a kill."""

import csv
import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from made_photos import contents, prepare, settings, shade, tree
from PIL import Image
from project import ROOT
from real_formats import BAD, COLOURED, GREY, quartered, truncated_jpeg
from waiting import wait_until

from transferability import images
from transferability.images import build, decode, folder, store
from transferability.storage import files


@pytest.fixture
def read_files(monkeypatch) -> set[str]:
    """The files that have been read in this process."""
    names: set[str] = set()
    load = decode.load_file

    def noting(name: str, **arguments: object) -> np.ndarray:
        names.add(name)
        return load(name, **arguments)

    monkeypatch.setattr(decode, "load_file", noting)
    return names


@pytest.fixture
def damaged(tmp_path) -> Path:
    """A tree with one bad image of each kind."""
    root = tree(tmp_path / "photos")
    for i, (name, (write, _)) in enumerate(BAD.items()):
        write(root / "abcd"[i % 4] / name)
    return root


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    root = tree(tmp_path / "photos", "ab", count=100)
    for name, write in {**COLOURED, **GREY}.items():
        write(quartered(), root / "a" / name)
    for workers in (1, 2):
        assert prepare(tmp_path / str(workers) / "store", settings(root), workers) == 0
    assert contents(tmp_path / "1" / "store") == contents(tmp_path / "2" / "store")
    lock, made = sorted(os.listdir(tmp_path / "1"))
    assert (lock.endswith(".lock"), made) == (True, "store")


def test_bad_images_are_listed_or_skipped_and_only_they_are_reread(
    tmp_path, damaged, caplog, read_files
):
    assert prepare(tmp_path / "store", settings(damaged)) == 1
    table = tmp_path / "store" / "bad_images.csv"
    assert f"6 of 38 images are bad; {table}" in caplog.text
    assert "on_bad_image" in caplog.text
    with table.open(newline="") as file:
        found = {row["image"].split("/")[1]: row["why"] for row in csv.DictReader(file)}
    assert found.keys() == BAD.keys()
    assert all(BAD[name][1] in why for name, why in found.items())
    assert contents(tmp_path / "store").keys() == {"bad_images.csv"}
    read_files.clear()
    assert prepare(tmp_path / "skipped", settings(damaged, on_bad_image="skip")) == 0
    assert {name.split("/")[1] for name in read_files} == BAD.keys()
    assert "Bad images left out: 6, the first " in caplog.text
    opened = store.open_store(tmp_path / "skipped")
    opened.verify()
    manifest = json.loads((tmp_path / "skipped" / "manifest.json").read_text())
    left_out = [image for part in manifest["left_out"].values() for image, _ in part]
    assert {name.split("/")[1] for name in left_out} == BAD.keys()
    # The rest equals the result of a clean folder, except for the images that are held back.
    shades = np.concatenate([opened.train_images, opened.validation_images])[:, 8, 8, 0]
    assert sorted(shades.tolist()) == [5 * i for i in range(32)]
    labels = np.concatenate([opened.train_labels, opened.validation_labels])
    assert (shades // 5 // 8 == labels).all()


def test_replaced_removed_and_added_images_are_noticed(tmp_path, damaged, read_files):
    def parts() -> dict[str, str]:
        album = folder.read(settings(damaged))
        return {name: p for p in store.PARTS for _, name in getattr(album, p)}

    assert prepare(tmp_path / "store", settings(damaged)) == 1
    before = parts()
    for name in BAD:
        next(damaged / c / name for c in "abcd" if os.path.lexists(damaged / c / name)).unlink()
    shade(40).save(damaged / "a" / "000.png")
    shade(41).save(damaged / "d" / "new.png")
    after = parts()
    moved = {name for name in after if name in before and before[name] != after[name]}
    read_files.clear()
    assert prepare(tmp_path / "store", settings(damaged)) == 0
    assert read_files == moved | {"a/000.png", "d/new.png"}
    assert prepare(tmp_path / "fresh" / "store", settings(damaged)) == 0
    assert contents(tmp_path / "store") == contents(tmp_path / "fresh" / "store")


def test_other_settings_read_all_images_again(tmp_path, damaged, read_files):
    assert prepare(tmp_path / "store", settings(damaged)) == 1
    read_files.clear()
    asked = settings(damaged, on_bad_image="skip", resize="warp")
    assert prepare(tmp_path / "store", asked) == 0
    assert len(read_files) == 38


def test_a_class_without_images_is_an_error(tmp_path, caplog):
    root = tree(tmp_path / "photos")
    for file in (root / "c").iterdir():
        truncated_jpeg(file)
    assert prepare(tmp_path / "store", settings(root, on_bad_image="skip")) == 1
    assert "no train images of c (1 classes)" in caplog.text
    assert not (tmp_path / "store" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("is_fresh", "free", "count"),
    # In the second case only training images would fit, in the third not even these.
    [(False, 1000, len(BAD)), (True, 20_000, 32), (True, 1000, 24)],
)
def test_disk_space_for_unread_images_is_checked_first(
    tmp_path, caplog, monkeypatch, damaged, read_files, is_fresh, free, count
):
    root = tree(tmp_path / "good") if is_fresh else damaged
    if not is_fresh:
        assert prepare(tmp_path / "store", settings(root)) == 1
    read_files.clear()
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert prepare(tmp_path / "store", settings(root)) == 1
    assert "npy: the disk or the quota is full" in caplog.text
    assert f"at least {count * 16 * 16 * 3:,} bytes are needed, but {free:,} are" in caplog.text
    assert not read_files


def test_a_disk_that_becomes_full_is_an_error(tmp_path, caplog, monkeypatch):
    def load(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(decode, "load_file", load)
    assert prepare(tmp_path / "store", settings(tree(tmp_path / "photos"))) == 1
    assert "train.images.npy: the disk or the quota is full: at least" in caplog.text


def test_a_deleted_incomplete_store_is_made_again(tmp_path, monkeypatch):
    asked = settings(tree(tmp_path / "photos"))

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_table", full)
        assert prepare(tmp_path / "store", asked) == 1
    # Snakemake does this when a job fails.
    shutil.rmtree(tmp_path / "store")
    assert prepare(tmp_path / "store", asked) == 0
    assert prepare(tmp_path / "fresh" / "store", asked) == 0
    assert contents(tmp_path / "store") == contents(tmp_path / "fresh" / "store")


def test_temporary_files_of_a_killed_run_are_deleted(tmp_path, damaged):
    assert prepare(tmp_path / "store", settings(damaged)) == 1
    (unfinished,) = tmp_path.glob("*.unfinished")
    (unfinished / ".train.images.copy.0123.npy").touch()
    assert prepare(tmp_path / "store", settings(damaged)) == 1
    assert not list(unfinished.glob(".*"))


def test_a_second_preparation_of_the_same_images_waits_for_the_first(tmp_path, caplog):
    asked = settings(tree(tmp_path / "photos"))
    source = folder.read(asked)

    def load(name: str) -> np.ndarray:
        wait_until(lambda: "waiting for another process" in caplog.text, 60)
        return source.load(name)

    caplog.set_level("INFO")
    with ThreadPoolExecutor() as pool:
        stores = [tmp_path / name for name in ("one", "other")]
        slow = dataclasses.replace(source, load=load)
        list(pool.map(lambda store: build.write_store(slow, store, asked), stores))
    assert contents(stores[0]) == contents(stores[1])


def command(asked: dict, folder: Path) -> list[str]:
    return [
        *("prepare-images", "--settings", json.dumps(images.stored(asked))),
        *("--folder", str(folder), "--workers", "2"),
    ]


@pytest.mark.full
def test_a_killed_command_continues_when_repeated(tmp_path):
    root = tree(tmp_path / "photos", "ab", count=4)
    # Large, so that reading them takes a while.
    for file in sorted(root.glob("*/*")):
        Image.open(file).resize((800, 800)).save(file, compress_level=1)
        for i in range(40):
            shutil.copy(file, file.with_stem(f"{file.stem}-{i}"))
    asked = settings(root)
    words = [sys.executable, "-m", "transferability", *command(asked, tmp_path / "store")]
    process = subprocess.Popen(words, cwd=ROOT / "workflow", stderr=subprocess.PIPE, text=True)
    deadline, done = time.monotonic() + 60, []
    while process.poll() is None and time.monotonic() < deadline:
        done = done or list(tmp_path.glob("*.unfinished/train.done.npy"))
        if done and np.count_nonzero(np.load(done[0])[:, 1]) >= 64:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "store" / "manifest.json").exists()
    assert 64 <= np.count_nonzero(np.load(done[0])[:, 1]) < 246
    again = subprocess.run(words, cwd=ROOT / "workflow", capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "of 246 images are there" in again.stderr
    assert prepare(tmp_path / "whole" / "store", asked) == 0
    assert contents(tmp_path / "store") == contents(tmp_path / "whole" / "store")
    assert not done[0].exists()


def peak_memory(root: Path, folder: Path) -> int:
    """The peak memory of reading the images of a folder, in MB."""
    program = (
        "import resource, sys; from transferability.__main__ import main; main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    words = [sys.executable, "-c", program, *command(settings(root, image_size=128), folder)]
    run = subprocess.run(words, cwd=ROOT / "workflow", capture_output=True, text=True, check=True)
    assert store.open_store(folder).train_images.shape[1:] == (128, 128, 3)
    return int(run.stdout)


@pytest.mark.full
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    few, many = tree(tmp_path / "few"), tree(tmp_path / "many")
    for file in sorted(many.glob("*/*")):
        for i in range(50):
            os.link(file, file.with_stem(f"{file.stem}-{i}"))
    # 1600 more images of 128 × 128 pixels have 79 MB.
    assert peak_memory(many, tmp_path / "b") < peak_memory(few, tmp_path / "a") + 20
