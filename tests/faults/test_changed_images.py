"""An image store that is truncated or changed under a study: found before anything trains."""

import json
import shutil
from pathlib import Path

import laboratory
import numpy as np
import pytest

from transferability import images
from transferability.images import build, store

DIGITS = {"source": "digits", "image_size": 32, "validation": 0.25, "seed": 0}
TARGET = "results/tiny/networks/random0/seed0/B2B/metrics.json"


@pytest.mark.full
@pytest.mark.parametrize(("name", "kept"), [("train.images.npy", -1), ("validation.images.npy", 0)])
def test_a_study_stops_before_it_trains(project, name, kept):
    """Truncated, or as a disk leaves a file whose length it kept and whose content it lost."""
    (folder,) = (project.folder / "images").glob("digits-*")
    content = (folder / name).read_bytes()
    half = len(content) // 2
    damaged = content[:-1] if kept else content[:half] + bytes(len(content) - half)
    (folder / name).write_bytes(damaged)
    project.write_study(layers=[0, 2, 3, 7])
    status, output = project.run(TARGET)
    assert status != 0
    log = project.results / "logs" / "networks" / "random0" / "seed0" / "B2B.log"
    said = log.read_text(encoding="utf-8")
    assert f"image store: {folder}/{name} " in said, output
    assert f"delete the folder {folder} and run again" in said
    assert laboratory.written(project.network("B2B")) == []


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / images.store_name(DIGITS)
    source = images.source_module("digits")
    build.write_store(source.read(DIGITS), folder, DIGITS)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / written.name)


def changed(folder: Path, name: str, start: int, length: int) -> None:
    """Check that a file in which some bytes are others is noticed when the store is opened."""
    file = folder / name
    content = bytearray(file.read_bytes())
    start %= len(content)
    for place in range(start, start + length):
        content[place] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(store.StoreError, match=f"{name} changed .*delete the folder"):
        store.open_store(folder)


@pytest.mark.parametrize("share", np.linspace(0, 0.95, 7).tolist())
def test_wherever_a_twentieth_of_a_file_changed_it_is_seen_at_once(folder, share):
    size = (folder / "train.images.npy").stat().st_size
    changed(folder, "train.images.npy", int(share * size), size // 20)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize(
    "name", ["train.labels.npy", "validation.labels.npy", "classes.csv", "train.images.npy"]
)
def test_first_and_last_byte_of_each_file_count(folder, name, place):
    changed(folder, name, place, 1)


def test_images_of_another_shape_are_no_store_of_these(folder):
    np.save(folder / "train.images.npy", np.zeros((1347, 16, 64, 3), np.uint8))
    with pytest.raises(store.StoreError, match=r"train\.images\.npy"):
        store.open_store(folder)


def test_a_manifest_of_an_older_form_says_what_to_do(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 1}), encoding="utf-8")
    with pytest.raises(store.StoreError, match=r"not of store format 2; delete the folder"):
        store.open_store(folder)
