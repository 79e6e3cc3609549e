"""A study, weights or images from a stranger: no code in them is run, and nothing is written
elsewhere."""

import ast
import json
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from made_photos import tree
from project import ROOT, Project

from transferability.__main__ import main
from transferability.images import decode
from transferability.study import config
from transferability.study.design import StudyError

SOURCES = [*(ROOT / "workflow").rglob("*.py"), *(ROOT / "workflow").rglob("*.smk")]
# What runs what it reads.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "runpy"}
FUNCTIONS = {"eval", "exec", "compile", "__import__", "execfile"}


def calls(tree: ast.AST) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Each call by its name as it is written, `torch.load`, with its keyword arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: word.value for word in node.keywords}


def mistakes(text: str) -> list[str]:
    """What in a module could run code that it reads."""
    tree = ast.parse(text)
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"import {name}" for name in names if name.split(".")[0] in MODULES]
    for name, words in calls(tree):
        if name in FUNCTIONS:
            found.append(name)
        if name.startswith("yaml.") and name != "yaml.safe_load" and "load" in name:
            found.append(name)
        weights_only = words.get("weights_only")
        if name == "torch.load" and not (
            isinstance(weights_only, ast.Constant) and weights_only.value is True
        ):
            found.append(name)
        if name in ("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"):
            found.append(name)
        allowed = words.get("allow_pickle")
        if allowed is not None and not (
            isinstance(allowed, ast.Constant) and allowed.value is False
        ):
            found.append(f"{name}(allow_pickle)")
    return found


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval(x)",
        "yaml.load(x)",
        "yaml.full_load(x)",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "np.load(x, allow_pickle=True)",
    ],
)
def test_what_runs_code_would_be_found(text):
    assert mistakes(text)


def test_the_library_has_nothing_that_runs_what_it_reads():
    library = [path for path in SOURCES if path.suffix == ".py"]
    assert len(library) > 50
    assert {path.name: found for path in library if (found := mistakes(path.read_text()))} == {}


def test_the_rules_load_yaml_safely():
    for path in (*SOURCES, ROOT / "Snakefile"):
        text = path.read_text(encoding="utf-8")
        assert "pickle." not in text, path
        assert text.count("yaml.load") == 0, path


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


def test_predictions_that_hold_code_run_nothing(tmp_path):
    place, file = tmp_path / "was run", tmp_path / "predictions.npy"
    np.save(file, np.array([Bomb(place)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        np.load(file)
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
    with pytest.raises(StudyError, match="YAML aliases"):
        config.read(file)


def huge_png(path: Path, side: int) -> None:
    """A PNG of a few bytes that says it has side × side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_an_image_bomb_is_refused_with_its_size(tmp_path):
    tree(tmp_path / "photos", "abcd")
    huge_png(tmp_path / "photos" / "b" / "bomb.png", 50_000)
    with pytest.raises(decode.BadImage, match="2500000000 pixels"):
        decode.load_file("b/bomb.png", tmp_path / "photos", 16, "crop")
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
        decode.load_file("script.png", tmp_path, 16, "crop")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"study": "../elsewhere"}, "study"),
        ({"study": "/tmp/elsewhere"}, "study"),
        ({"study": "a/b"}, "study"),
        ({"study": ".hidden"}, "study"),
        ({"study": "a; touch b"}, "study"),
        ({"study": "a\n"}, "study"),
        ({"splits": {"published": ["../random0"]}}, "splits.published"),
        ({"dataset": {"source": "../folder"}}, "dataset.source"),
        ({"architecture": {"name": "../small"}}, "architecture.name"),
        ({"architecture": "../module:build"}, "architecture.build"),
        ({"reference": "../results"}, "reference"),
        ({"dataset": {"source": "torchvision", "name": "MNIST", "root": "/tmp/x"}}, "dataset.root"),
        (
            {"dataset": {"source": "torchvision", "name": "MNIST", "root": "a/../.."}},
            "dataset.root",
        ),
    ],
)
def test_a_study_cannot_write_elsewhere(changes, named):
    with pytest.raises(StudyError) as caught:
        config.complete(changes)
    assert str(caught.value).startswith(named)


def test_images_that_are_only_read_may_lie_anywhere():
    elsewhere = {"source": "torchvision", "name": "MNIST", "root": "/data", "download": False}
    assert config.complete({"dataset": elsewhere})["dataset"] == {
        **config.complete({"dataset": {**elsewhere, "root": "data"}})["dataset"],
        "root": "/data",
    }


@pytest.mark.parametrize("name", ["../A3B", "A3B/..", "A3B; touch x", "", "A3B\n", "/A3B"])
def test_a_network_s_name_is_no_path(laboratory, tmp_path, caplog, name):
    assert main(laboratory.command(name, tmp_path / "A3B")) == 1
    assert "not a network's name" in caplog.text


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
