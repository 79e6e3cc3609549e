"""An image store that is truncated or changed under a study: found before anything trains."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from laboratory import Laboratory, written

from transferability import images
from transferability.__main__ import main
from transferability.images import build, store

DIGITS = {"source": "digits", "image_size": 32, "validation": 0.25, "seed": 0}


def test_nothing_is_trained_on_changed_images(laboratory, tmp_path, caplog):
    """Such as a disk leaves whose files kept their length and lost their content."""
    folder = shutil.copytree(laboratory.images, tmp_path / "images")
    content = bytearray((folder / "validation.images.npy").read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    (folder / "validation.images.npy").write_bytes(content)
    words = Laboratory(folder, laboratory.split).command("baseB", tmp_path / "baseB")
    assert main(words) == 1
    assert f"image store: {folder}/validation.images.npy " in caplog.text
    assert f"delete the folder {folder} and run again" in caplog.text
    assert written(tmp_path / "baseB") == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / images.store_name(DIGITS)
    source = images.source_module("digits")
    build.write_store(source.read(DIGITS), folder, DIGITS)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / whole.name)


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
