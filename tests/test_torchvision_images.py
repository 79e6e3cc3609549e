"""Datasets of torchvision, in their own formats."""

import gzip
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from made_photos import contents, prepare
from PIL import Image
from project import ROOT
from real_formats import mnist
from torchvision import datasets

from transferability import images
from transferability.images import store, torchvision, torchvision_datasets

SETTINGS = {
    **{"source": "torchvision", "download": False, "image_size": 32, "resize": "crop", "seed": 0},
    **{"validation": 0.25, "groups": None, "on_bad_image": "error"},
}


def settings(name: str, root: Path, **changes: object) -> dict:
    return {**SETTINGS, "name": name, "root": str(root), **changes}


def stored(folder: Path, asked: dict) -> store.Store:
    """The store that the command makes; it is the same with any number of workers."""
    for workers in (1, 2):
        assert prepare(folder / f"store{workers}", asked, workers=workers) == 0
    assert contents(folder / "store1") == contents(folder / "store2")
    return store.open_store(folder / "store1")


def some_mnist(root: Path) -> Path:
    """Write a small unpacked MNIST; return its folder."""
    shades = np.arange(20, dtype=np.uint8)[:, None, None] * 10
    mnist(root, np.broadcast_to(shades, (20, 28, 28)), np.arange(20) % 10)
    return root / "MNIST" / "raw"


def test_mnist_is_grey_and_enlarged(tmp_path):
    some_mnist(tmp_path)
    opened = stored(tmp_path, settings("MNIST", tmp_path))
    assert opened.classes[4] == "4 - four"
    assert opened.train_images.shape == (20, 32, 32, 3)
    fours = opened.train_images[opened.train_labels == 4]
    assert [np.unique(image).tolist() for image in fours] == [[40], [140]]
    assert opened.validation_labels.tolist() == list(range(10))
    assert np.unique(opened.validation_images[4]).tolist() == [40]


@pytest.mark.parametrize("folder", ["MNIST/raw", "MNIST", "mnist/raw", "m-nist"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("root", ["", "folder"])
def test_mnist_is_found_packed_or_not(tmp_path, folder, packed, root):
    place = tmp_path / "data" / folder
    place.mkdir(parents=True)
    for file in some_mnist(tmp_path / "made").iterdir():
        content = gzip.compress(file.read_bytes()) if packed else file.read_bytes()
        (place / f"{file.name}{'.gz' * packed}").write_bytes(content)
    there = sorted((tmp_path / "data").rglob("*"))
    root = tmp_path / "data" / (Path(folder).parts[0] if root else "")
    content = torchvision.read(settings("MNIST", root))
    assert (len(content.train), len(content.validation)) == (20, 10)
    assert np.unique(content.load(content.train[8][1])).tolist() == [40]
    # A study writes only in the folder of the run.
    assert sorted((tmp_path / "data").rglob("*")) == there
    with pytest.raises(ValueError, match=r"KMNIST/raw/ with train-images-idx3-ubyte, .* \(\.gz\)"):
        torchvision.read(settings("KMNIST", root))


def test_mnist_is_found_by_the_name_of_a_link(tmp_path):
    some_mnist(tmp_path / "made").rename(tmp_path / "handwritten")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "MNIST").symlink_to(tmp_path / "handwritten")
    for root in ("data", "data/MNIST"):
        assert len(torchvision.read(settings("MNIST", tmp_path / root)).train) == 20


@pytest.mark.parametrize(
    ("download", "remedy"),
    [(False, "set dataset.download to true"), (True, "delete the damaged files")],
)
def test_a_damaged_packed_file_is_an_error_with_advice(tmp_path, download, remedy):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for file in torchvision_datasets._four_files("MNIST"):
        (folder / f"{file}.gz").write_bytes(gzip.compress(bytes(9999))[:20])
    with pytest.raises(ValueError, match=rf"dataset\.root: .*EOFError.*{remedy}"):
        torchvision.read(settings("MNIST", tmp_path, download=download))


def test_the_documented_layouts_agree_with_torchvision():
    """Each dataset of the table, and each of its paths, is in torchvision's own code."""
    text = (ROOT / "docs" / "your-images.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`(.*?) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) > 20
    for first, others, layout in rows:
        for name in [first, *re.findall(r"`(\w+)`", others)]:
            code = Path(inspect.getfile(getattr(datasets, name))).read_text(encoding="utf-8")
            for path in re.findall(r"`([^`]+)`", layout):
                for part in re.findall(r"[\w.-]+", re.sub(r"<\w+>", "", path)):
                    # torchvision builds these paths itself.
                    made = (name, name.lower(), "data_large_standard")
                    assert part in code or part in made, (name, part)


def eurosat(root: Path) -> None:
    """Write EuroSAT in its own folders; it has no test part."""
    for c, name in enumerate(("Forest", "River", "Highway", "Pasture")):
        folder = root / "eurosat" / "2750" / name
        folder.mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (64, 64), (60 * c, 30 * i, 0)).save(folder / f"{name}_{i}.png")


def test_a_dataset_without_a_test_part_holds_back_a_share(tmp_path):
    eurosat(tmp_path)
    opened = stored(tmp_path, settings("EuroSAT", tmp_path))
    assert opened.classes == ["Forest", "Highway", "Pasture", "River"]
    assert np.bincount(opened.train_labels).tolist() == [6] * 4
    assert np.bincount(opened.validation_labels).tolist() == [2] * 4
    both = np.concatenate([opened.train_images, opened.validation_images])[:, 0, 0]
    assert len(np.unique(both, axis=0)) == 32
    assert (opened.train_images[opened.train_labels == 3][..., 0] == 60).all()


def test_a_bad_image_of_a_dataset_is_named_by_its_file(tmp_path, caplog):
    eurosat(tmp_path)
    bad = tmp_path / "eurosat" / "2750" / "River" / "River_3.png"
    bad.write_bytes(bad.read_bytes()[:60])
    assert prepare(tmp_path / "store", settings("EuroSAT", tmp_path)) == 1
    assert "1 of 32 images is bad" in caplog.text
    assert str(bad) in (tmp_path / "store" / "bad_images.csv").read_text()


def test_a_dataset_without_names_uses_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(
        datasets.FakeData.__init__, "__defaults__", (80, (3, 8, 8), 4, None, None, 0)
    )
    # Images that are generated at each access are the same for any number of workers.
    opened = stored(tmp_path, settings("FakeData", tmp_path, image_size=8))
    assert opened.classes == ["0", "1", "2", "3"]
    both = np.concatenate([opened.train_images, opened.validation_images])
    made = [(np.asarray(image).tobytes(), label) for image, label in datasets.FakeData()]
    pixels, labels = zip(*made, strict=True)
    assert {image.tobytes() for image in both} == {*pixels}
    total = np.bincount(opened.train_labels) + np.bincount(opened.validation_labels)
    assert total.tolist() == np.bincount(labels).tolist()


def test_a_missing_dataset_is_an_error_with_advice(tmp_path, caplog):
    assert prepare(tmp_path / "store", settings("SVHN", tmp_path / "data")) == 1
    for word in ("dataset.root", "SVHN", str(tmp_path / "data"), "dataset.download"):
        assert word in caplog.text
    assert not (tmp_path / "store").exists()


def test_a_missing_dataset_is_downloaded_if_allowed(tmp_path, monkeypatch):
    asked = []

    def download(dataset: datasets.EuroSAT) -> None:
        asked.append(dataset)
        eurosat(tmp_path)

    monkeypatch.setattr(datasets.EuroSAT, "download", download)
    wanted = settings("EuroSAT", tmp_path)
    assert prepare(tmp_path / "store", wanted) == 1
    assert not asked
    assert prepare(tmp_path / "store", wanted, flags=("--download", "yes")) == 0
    assert prepare(tmp_path / "again", wanted, flags=("--download", "yes")) == 0
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["CocoDetection", "PhotoTour", "VisionDataset"])
def test_a_dataset_of_another_kind_is_refused(tmp_path, caplog, name):
    assert prepare(tmp_path / "store", settings(name, tmp_path)) == 1
    assert f"dataset.name: {name} cannot be used" in caplog.text


def test_a_dataset_with_many_labels_per_image_is_refused(tmp_path, caplog, monkeypatch):
    eurosat(tmp_path)
    monkeypatch.setattr(
        datasets.EuroSAT, "__getitem__", lambda *_: (Image.new("RGB", (8, 8)), np.arange(3))
    )
    assert prepare(tmp_path / "store", settings("EuroSAT", tmp_path)) == 1
    assert "dataset.name: EuroSAT cannot be used" in caplog.text


def test_known_dataset_names_agree_with_torchvision():
    assert torchvision._names() == set(datasets.__all__)
    assert images.info(settings("Flowers102", Path("data"))).classes is None


@pytest.mark.parametrize("name", torchvision_datasets.PARTS)
def test_parts_are_named_as_in_torchvision(tmp_path, name):
    for arguments in torchvision_datasets.PARTS[name]:
        for part in arguments:
            # The error is about missing files, not about the arguments.
            with pytest.raises((RuntimeError, OSError)):
                getattr(datasets, name)(root=tmp_path, download=False, **part)
