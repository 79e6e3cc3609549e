"""ILSVRC-2012 in the usual folder structures, and the paper's own splits of it."""

import csv
from pathlib import Path

import numpy as np
import pytest
from made_photos import prepare
from PIL import Image
from project import ROOT

from transferability import images
from transferability.__main__ import main
from transferability.images import build, class_splits, store
from transferability.study import config

SPLITS = ROOT / "workflow" / "resources" / "yosinski2014" / "class_splits.csv"
WNIDS = ["n01440764", "n01443537", "n02085620", "n07873807", "n15075141"]
SETTINGS = {"source": "imagenet", "image_size": 16, "resize": "warp", "on_bad_image": "error"}


def settings(path: Path) -> dict:
    return {**SETTINGS, "path": str(path)}


def shade(number: int, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), (number * 10,) * 3).save(file, "JPEG", quality=95)


# The class of each validation image, in the order of their numbers.
TRUTH = [4, 0, 2, 1, 3, 3, 0, 1, 2, 4]


def training(root: Path) -> None:
    for c, wnid in enumerate(WNIDS):
        for i in range(3):
            shade(c, root / "train" / wnid / f"{wnid}_{i}.JPEG")


def validation(root: Path, folder: str = "val") -> None:
    for number, c in enumerate(TRUTH, start=1):
        shade(c, root / folder / WNIDS[c] / f"ILSVRC2012_val_{number:08}.JPEG")


@pytest.mark.parametrize("name", ["val", "validation"])
def test_each_form_gives_the_same_classes_in_order_of_ids(tmp_path, name):
    training(tmp_path / "ILSVRC2012")
    validation(tmp_path / "ILSVRC2012", name)
    assert prepare(tmp_path / "store", settings(tmp_path / "ILSVRC2012")) == 0
    opened = store.open_store(tmp_path / "store")
    assert opened.classes == WNIDS
    for stored, labels, count in (
        (opened.train_images, opened.train_labels, 3),
        (opened.validation_images, opened.validation_labels, 2),
    ):
        assert labels.tolist() == np.repeat(range(5), count).tolist()
        assert np.abs(stored[:, 8, 8, 0] - 10.0 * labels).max() <= 1


def of_other_classes(root: Path) -> None:
    shade(0, root / "train" / "cat" / "a.jpg")
    validation(root)


def without_folders(root: Path) -> None:
    training(root)
    shade(0, root / "val" / "ILSVRC2012_val_00000001.JPEG")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, ["dataset.path", "no folder", "train/<wnid>/", "val/<wnid>/"]),
        (validation, ["dataset.path", "has val", "train/<wnid>/"]),
        (of_other_classes, ["'cat'", "n01440764", "folder"]),
        (without_folders, ["val has no folders", "val/<wnid>/", "torchvision.datasets.ImageNet"]),
    ],
)
def test_an_unknown_folder_structure_is_an_error(tmp_path, caplog, make, words):
    make(tmp_path / "ILSVRC2012")
    assert prepare(tmp_path / "store", settings(tmp_path / "ILSVRC2012")) == 1
    assert not [word for word in words if word not in caplog.text]


def test_planning_needs_no_images():
    told = images.info(settings(Path("nowhere")))
    assert (told.classes, told.images_per_class, told.groups) == (None, None, {})


def published() -> list[dict[str, str]]:
    with SPLITS.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("split", "size"), [("random0", 500), ("random3", 500), ("natman", 449)])
def test_a_published_split_is_the_papers(split, size):
    rows = published()
    drawn = class_splits.draw_published([row["wnid"] for row in rows], SPLITS, split)
    assert drawn == {row["wnid"]: row[split] for row in rows}
    assert list(drawn.values()).count("A") == size


def test_a_published_split_of_other_classes_is_refused():
    names = [*[row["wnid"] for row in published()[2:]], "n99999999"]
    words = r"splits\.published: natman.*lacks 'n01440764', 'n01443537'.* not have 'n99999999'"
    with pytest.raises(ValueError, match=words):
        class_splits.draw_published(names, SPLITS, "natman")


def store_of(names: list[str], folder: Path) -> Path:
    """A store of these classes, one black image each."""
    black = np.zeros((8, 8, 3), np.uint8)
    items = list(enumerate(names))
    source = images.ImageSource([(n, "") for n in names], (8, 8), items, items, lambda _: black)
    build.write_store(source, folder, {"source": "black"})
    return folder


def part_classes(store_folder: Path, split: Path) -> int:
    study = config.complete(
        {
            "dataset": {"source": "imagenet", "path": "ILSVRC2012"},
            "splits": {"random": 0, "published": ["random0", "natman"]},
        }
    )
    config.write(study, split.with_name("study.yaml"))
    files = {"study": split.with_name("study.yaml"), "images": store_folder}
    files |= {"drawn-from": SPLITS, "split": split}
    flags = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    return main(["split-classes", *flags])


def test_the_name_of_the_file_selects_the_published_split(tmp_path, caplog):
    wnids = [row["wnid"] for row in published()]
    store_folder = store_of(wnids, tmp_path / "store")
    assert part_classes(store_folder, tmp_path / "natman.csv") == 0
    halves = class_splits.read(tmp_path / "natman.csv", wnids)
    assert (len(halves["A"]), len(halves["B"])) == (449, 551)
    assert part_classes(store_of(WNIDS, tmp_path / "few"), tmp_path / "random0.csv") == 1
    assert "splits.published: random0" in caplog.text
    assert not (tmp_path / "random0.csv").exists()
