"""A study, weights or images from a stranger: no code in them is run, and nothing is written
elsewhere."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from made_photos import tree
from project import Project
from real_formats import huge_png

from transferability.__main__ import main
from transferability.images import decode
from transferability.study import config
from transferability.study.design import StudyError


class Bomb:
    """Once unpickled, it leaves a file."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self):
        return Path.touch, (self.place,)


@pytest.mark.parametrize("form", ["pickle", "torch", "numpy"])
def test_weights_that_hold_code_are_refused_and_run_nothing(laboratory, tmp_path, caplog, form):
    place, weights = tmp_path / "was run", tmp_path / "baseA" / "weights.safetensors"
    weights.parent.mkdir()
    with weights.open("wb") as file:
        match form:
            case "pickle":
                pickle.dump(Bomb(place), file)
            case "torch":
                torch.save(Bomb(place), file)
            case "numpy":
                np.save(file, np.array([Bomb(place)], dtype=object), allow_pickle=True)
    assert main(laboratory.command("A3B", tmp_path / "A3B", weights)) == 1
    assert f"{weights}: cannot be read as safetensors" in caplog.text
    assert not place.exists()


@pytest.mark.parametrize(
    "text",
    [
        "study: !!python/object/apply:pathlib.Path.touch [was run]",
        "study: !!python/object/new:pathlib.Path [was run]",
        "seeds: !!python/name:os.system",
    ],
)
def test_yaml_that_asks_for_code_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(StudyError, match=r"study\.yaml: cannot be read as YAML"):
        config.read("study.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]\n"
            for k in range(12)
        ),
        "seeds: &a [*a]",
        "recipe: &a {augment: *a}",
    ],
    ids=["billions", "a list in itself", "a section in itself"],
)
def test_yaml_that_stands_for_more_than_it_says_is_refused(tmp_path, text):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(StudyError, match=r"study\.yaml: "):
        config.read(file)


def test_an_image_bomb_is_refused_with_its_size(tmp_path):
    tree(tmp_path / "photos", "abcd")
    huge_png(tmp_path / "photos" / "b" / "bomb.png", 50_000)
    settings = config.complete(
        {"dataset": {"source": "folder", "path": str(tmp_path / "photos"), "image_size": 16}}
    )["dataset"]
    words = ["prepare-images", "--folder", str(tmp_path / "store"), "--settings"]
    assert main([*words, json.dumps(settings)]) == 1
    listed = (tmp_path / "store" / "bad_images.csv").read_text(encoding="utf-8")
    assert "b/bomb.png" in listed
    assert "2500000000 pixels" in listed


def test_what_is_no_image_at_all_is_refused(tmp_path):
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n(was run) (w) file\n")
    with pytest.raises(decode.BadImage, match="no image in any of the formats"):
        decode.load_file("script.png", tmp_path, {"image_size": 16, "resize": "crop"})


def test_images_that_are_only_read_may_lie_anywhere():
    elsewhere = {"source": "torchvision", "name": "MNIST", "root": "/data", "download": False}
    assert config.complete({"dataset": elsewhere})["dataset"] == {
        **config.complete({"dataset": {**elsewhere, "root": "data"}})["dataset"],
        "root": "/data",
    }


@pytest.mark.full
def test_a_study_s_texts_reach_no_shell(tmp_path):
    project = Project.copied(tmp_path / "project")
    shell = 'x\'; touch was_run; $(touch was_run) `touch was_run` "y"'
    tree(project.folder / "photos", "abcd")
    project.write_study(
        dataset={"source": "folder", "path": f"photos{shell}", "image_size": 16}, layers=[0]
    )
    status, output = project.run("results/tiny/splits/random0.csv")
    assert status != 0
    assert "there is no folder" in output
    assert not list(project.folder.rglob("was_run*"))
