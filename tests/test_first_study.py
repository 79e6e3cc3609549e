"""The commands new and check."""

import re
import shutil

import numpy as np
import pytest
import torch
import yaml
from laboratory import DATASET
from made_photos import tree
from PIL import Image

from transferability import images
from transferability.__main__ import main
from transferability.cli import studies
from transferability.images import build, class_splits, digits, sample, store
from transferability.records import one_step
from transferability.study import config, design

STUDY = {
    "dataset": DATASET,
    "architecture": {"name": "small", "channels": [4, 4, 4, 4, 4], "units": [8, 8]},
    "layers": [0, 3],
    "recipe": {"epochs": 40, "batch_size": 16},
}
NETWORK = """
from torch import nn

class Head(nn.Linear):
    def forward(self, x):
        if self.training and len(x) > 2:
            raise RuntimeError("it takes pairs alone")
        return super().forward(x.mean((2, 3)))

def build(image_size, classes):
    return [("conv", nn.Conv2d(3, 8, 3)), ("head", Head(8, classes))]
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("form", "count", "name"),
    [
        *(("", 8, "photos"), ("", 400, "photos"), ("parts", 12, "photos")),
        # Without quotes, YAML reads the last two as a number and as false.
        *(("", 2, "My photos (2)"), ("", 2, "2024"), ("", 2, "no")),
    ],
)
def test_a_proposed_study_is_valid_and_has_enough_steps(here, form, count, name):
    folders = ["train/", "val/"] if form else [""]
    tree(here / name, [part + c for part in folders for c in "abcd"], count)
    Image.new("RGB", (40, 30)).save(min((here / name).rglob("a/*.png")))
    assert main(["new", name]) == 0
    (file,) = here.glob("*.yaml")
    study, text = config.read(file), file.read_text(encoding="utf-8")
    assert study["study"] == file.stem == ("my_My_photos_2" if " " in name else name)
    assert study["dataset"]["path"] == name
    assert study["dataset"]["image_size"] == 20
    total = count * len(folders)
    for told in (f"# 4 classes, {4 * total:,} images", f"with {total} images", "20 to 30 pixels"):
        assert told in text
    assert ("validation:" in text) == (form == "")
    assert "  # If a half consists of the 2 smallest classes, it has" in text
    columns = {line.index("# ") for line in text.splitlines() if re.match("  (val|image_)", line)}
    assert columns == {27}
    assert max(map(len, text.splitlines())) <= 100
    assert design.few_steps(study, sample.size(study["dataset"])) is None
    assert main(["new", name, "--to", "other.yaml"]) == 0
    assert config.read("other.yaml")["study"] == "other"


def test_new_replaces_no_file_and_needs_four_classes(here, failure):
    tree(here / "photos", "abc")
    found = failure("new", "photos")
    assert "has 3 classes" in found
    assert "docs/pretrained.md" in found
    (here / "photos.yaml").write_text("mine")
    assert "photos.yaml: already exists" in failure("new", "photos")
    assert (here / "photos.yaml").read_text() == "mine"


def checked(capsys, **changes: object) -> str:
    """What the command says of a study that passes it."""
    with open("mine.yaml", "w") as file:
        yaml.safe_dump({**STUDY, **changes}, file)
    assert main(["check", "mine.yaml", "--seconds", "0.05"]) == 0
    return capsys.readouterr().out


def test_a_check_draws_images_and_trains_each_kind(here, capsys):
    tree(here / "photos", count=9)
    shutil.copy("photos/a/000.png", "photos/b/same.png")
    (here / "photos" / "b" / "bad.png").write_bytes(b"none")
    photos = {"source": "folder", "path": "photos", "image_size": 12}
    said = checked(
        capsys,
        dataset={**photos, "image_size": 16, "on_bad_image": "skip"},
        recipe={**STUDY["recipe"], "crop": 12, "augment": ["crop", "horizontal_flip"]},
        sources={"T": {"dataset": {"source": "digits", "image_size": 16}}},
        treatments=["transfer", "transfer+", "selffer", "random", "shuffled", "partial"],
    )
    assert "photos: 4 classes, 30 images for training and 8 for validation" in said
    assert "stored at 16 × 16 pixels; networks see 12 × 12" in said
    assert "as one of another class: 1" in said
    assert "Bad images left out: 1, the first is b/bad.png" in said
    assert "digits: 10 classes" in said
    kinds = [line.split()[0] for line in said.splitlines() if " loss " in line]
    assert kinds == ["baseB", "baseT", "base2B", "T3B", "T3B+", "B3B", "R3B", "sT3B", "T7f3B"]
    assert "networks of" in said
    with Image.open("mine_check.png") as sheet:
        assert sheet.width == 1400
    assert sorted(path.name for path in here.iterdir()) == ["mine.yaml", "mine_check.png", "photos"]


def test_a_check_reads_an_existing_store(here, capsys):
    settings = config.complete(STUDY)["dataset"]
    folder = here / "images" / images.store_name(settings)
    few = sample.few(digits.read(settings), settings, 40)
    build.write_store(few, folder, settings)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    said = checked(capsys, target_sizes=["all", 3], search={"learning_rate": [0.03, 0.1]})
    assert "digits: 10 classes, 40 images for training and 40 for validation" in said
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("omit", "expected"),
    [
        ({"seed": 0}, "baseA baseB A3B"),
        ({"seed": 0, "kind": "transfer"}, "baseA baseB baseA A3B"),
    ],
)
def test_a_kind_is_tried_in_the_first_replicate_that_has_it(here, capsys, omit, expected):
    kept = {"treatments": ["transfer"], "controls": ["baseB"], "layers": [3]}
    said = checked(capsys, seeds=[0, 1], omit=[omit], **kept)
    assert [line.split()[0] for line in said.splitlines() if " loss " in line] == expected.split()


def test_a_damaged_image_fails_the_check_only_where_it_stops_the_run(
    here, capsys, failure, monkeypatch
):
    """The class has other images, in the sample or not."""
    monkeypatch.setattr(studies, "SAMPLE", 8)
    tree(here / "photos", count=30)
    photos = {"source": "folder", "path": "photos", "image_size": 8, "on_bad_image": "skip"}
    recipe = {**STUDY["recipe"], "batch_size": 2}
    chosen = [file for label, file in sampled(photos) if label == 2]
    (here / "photos" / chosen[0]).write_bytes(b"none")
    assert "will stop" not in checked(capsys, dataset=photos, recipe=recipe)
    study = (here / "mine.yaml").read_text()
    (here / "mine.yaml").write_text(study.replace("on_bad_image: skip", "on_bad_image: error"))
    found = failure("check", "mine.yaml", "--seconds", 0.05)
    assert f"The run will stop at {chosen[0]}: remove or replace it, or" in capsys.readouterr().out
    assert "set on_bad_image of their dataset to skip" in found
    assert "bad_images.csv" not in found
    (here / "mine.yaml").write_text(study)
    for file in chosen:
        (here / "photos" / file).write_bytes(b"none")
    found = failure("check", "mine.yaml", "--seconds", 0.05)
    assert "no validation images of c (1 classes)" in found


def sampled(dataset: dict) -> list[tuple[int, str]]:
    """The validation images of a small sample."""
    settings = config.complete({"dataset": dataset})["dataset"]
    return sample.few(sample.listed(settings), settings, 8).validation


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"recipe": {"iterations": 6, "evaluate_every": 6, "batch_size": 2, "probe_epochs": 1}},
            ["recipe.probe_epochs: 6 of the 6 iterations"],
        ),
        ({"target_sizes": [500]}, ["target_sizes: 500", "(6)"]),
        ({"architecture": "net:build", "layers": [1]}, ["baseA, baseB", "cannot be trained"]),
    ],
)
def test_later_failures_are_found_by_the_check(here, capsys, failure, monkeypatch, changes, words):
    (here / "net.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(here)
    tree(here / "photos")
    dataset = {"source": "folder", "path": "photos", "image_size": 8}
    study = {**STUDY, "dataset": dataset, **changes}
    (here / "mine.yaml").write_text(yaml.safe_dump(study))
    found = failure("check", "mine.yaml", "--seconds", 0.05)
    for word in words:
        assert word in found
    said = capsys.readouterr().out
    assert ("RuntimeError: it takes pairs alone" in said) == ("architecture" in changes)
    # Networks that copy a failed base are not tried.
    assert "A1B" not in said


def test_each_step_runs_in_one_process():
    several = {"gpus": 2}
    overrides = [{"where": {"kind": "base"}, "recipe": {"gpus": 4}}]
    recipe = {**STUDY["recipe"], **several}
    sources = {"P": {"dataset": {"source": "digits"}, "recipe": several}}
    changes = {"recipe": recipe, "overrides": overrides, "sources": sources}
    short = one_step.shortened(config.complete({**STUDY, **changes}))
    assert {short.recipe_of(*network)["gpus"] for network in short.trained} == {1}


@pytest.mark.parametrize("augment", [[], ["horizontal_flip"], ["random_resized_crop"]])
def test_shown_images_are_those_of_the_training(laboratory, augment):
    opened = store.open_store(laboratory.images)
    halves = class_splits.read(laboratory.split, opened.classes)
    recipe = {**STUDY["recipe"], "augment": augment}
    study = config.complete({**STUDY, "recipe": recipe})
    study["recipe"]["crop"] = 6
    network, classes = ("random0", 0, "baseA"), halves["A"][:2]
    shown = one_step.seen(study, network, opened, classes, (3, 2))
    assert [[len(part) for part in of_class] for of_class in shown] == [[3, 2]] * 2
    for label, (training, validation) in zip(classes, shown, strict=True):
        stored = opened.validation_images[opened.validation_labels == label][:2, 1:7, 1:7]
        assert np.array_equal(validation, stored)
        stored = opened.train_images[opened.train_labels == label][:3, 1:7, 1:7]
        if augment == ["horizontal_flip"]:
            for image, original in zip(training, stored, strict=True):
                assert any(np.array_equal(image, o) for o in (original, original[:, ::-1]))
        assert np.array_equal(training, stored) == (not augment)
        assert torch.from_numpy(training).dtype == torch.uint8
