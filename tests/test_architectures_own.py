"""A user's own architecture, from a study's line to a trained network."""

import datetime
import os
from pathlib import Path

import pytest
from laboratory import own_modules

from transferability.models import custom
from transferability.records import fingerprint
from transferability.study import config
from transferability.study.design import StudyError

NETWORK = """
from torch import nn

import my_parts


def build(image_size, classes, depth=2):
    '''Two layers or more.'''
    layers = [("first", my_parts.convolution(3, 4))]
    layers += [(f"block{i}", my_parts.convolution(4, 4)) for i in range(1, depth)]
    pixels = 4 * image_size**2
    return [*layers, ("last", nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes)))]
"""
PARTS = """
from torch import nn


def convolution(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())
"""
STUDY = {"dataset": {"source": "digits"}, "architecture": "my_network:build"}


def settings(build: str = "my_network:build", **arguments: object) -> dict:
    return {"name": "custom", "build": build, "arguments": arguments}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The folder of the run, with a network in it."""
    own_modules(tmp_path, monkeypatch, my_network=NETWORK, my_parts=PARTS)
    return tmp_path


def test_the_short_form_means_the_same_as_the_long_one():
    short = config.complete(STUDY)
    assert short["architecture"] == settings()
    assert config.complete({**STUDY, "architecture": settings()}) == short
    assert config.complete(short) == short


def test_a_text_without_a_function_is_not_an_architecture():
    with pytest.raises(StudyError, match=r"^architecture: \"resnet18\" is not valid") as caught:
        config.complete({"architecture": "resnet18"})
    assert "my_module:build" in str(caught.value)
    with pytest.raises(StudyError, match=r"^architecture: the key 'build' is missing"):
        config.complete({"architecture": {"name": "custom"}})


def test_the_layers_are_known_when_the_study_is_read():
    deep = {**STUDY, "architecture": settings(depth=4)}
    assert config.complete({**deep, "layers": [4]})["layers"] == [4]
    with pytest.raises(StudyError, match="first, block1, block2, block3, last"):
        config.complete({**deep, "layers": [5]})


def test_the_function_is_called_with_the_size_of_the_study(folder):
    text = NETWORK.replace("'''Two layers or more.'''", "assert image_size == 8, image_size")
    (folder / "my_network.py").write_text(text)
    config.complete(STUDY)
    with pytest.raises(StudyError, match=r"failed with AssertionError: 16 \(.*my_network.py, line"):
        config.complete({**STUDY, "dataset": {"source": "digits", "image_size": 16}})


def test_a_module_may_be_on_pythonpath_or_in_a_package(folder, monkeypatch):
    package = folder / "elsewhere" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "nets.py").write_text(NETWORK.replace("import my_parts", "from . import my_parts"))
    (package / "my_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(folder / "elsewhere")
    assert len(custom.build(settings("my_package.nets:build"), 8, 3)) == 3
    before = fingerprint.training_fingerprint("custom", "my_package.nets:build")
    (package / "my_parts.py").write_text(PARTS.replace("padding=1", "padding=1 + 0"))
    assert fingerprint.training_fingerprint("custom", "my_package.nets:build") != before


def returning(layers: str) -> str:
    """A module whose function returns these layers."""
    return f"from torch import nn\n\n\ndef build(image_size, classes):\n    return {layers}"


# The function that the study names, if it is not my_bad:build.
NAMED = {"no module": "my_nothing:build", "no colon": "my_bad", "a path": "my_bad.py/x:build"}
# The text of the module, and the words of the error.
MISTAKES = {
    "no module": ("", ["no module my_nothing", "PYTHONPATH", "my_module:build"]),
    "no colon": ("", ["'my_bad'", "my_module:build"]),
    "a path": ("", ["my_module:build"]),
    "no function": ("x = 1", ["no such name"]),
    "not callable": ("build = 3", ["it is a int", "a function"]),
    "broken": ("def build(:", ["cannot be imported", "SyntaxError", "my_bad.py"]),
    "what it imports is missing": (
        "import my_absent",
        ["ModuleNotFoundError", "my_absent", "my_bad.py, line 1"],
    ),
    "failing": (returning("1 / 0"), ["image_size=8", "ZeroDivisionError", "my_bad.py, line 5"]),
    "other arguments": ("def build(classes): pass", ["TypeError", "image_size"]),
    "a module": (
        returning("nn.Linear(3, classes)"),
        ["a list of (name, module)", "returned Linear"],
    ),
    "nothing": (returning("[]"), ["returned an empty list"]),
    "modules without names": (
        returning("[nn.Linear(3, classes)]"),
        ["(name, module)", "item 0 is Linear(in_features=3"],
    ),
    "name twice": (
        returning("[('a', nn.Linear(3, 3)), ('a', nn.Linear(3, classes))]"),
        ["a is the name of two layers"],
    ),
    "name with a dot": (
        returning("[('a.b', nn.Linear(3, classes))]"),
        ["'a.b'", "without dots"],
    ),
    "name of a method": (returning("[('forward', nn.Linear(3, classes))]"), ["'forward'"]),
    "no parameters": (
        returning("[('flat', nn.Flatten()), ('fc', nn.Linear(3, classes))]"),
        ["flat has no parameters", "neighbour"],
    ),
    "shared parameters": (
        returning("[('a', a := nn.Linear(3, 3)), ('b', nn.Sequential(a))]"),
        ["a and b share a tensor"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_an_error_before_anything_runs(folder, monkeypatch, name):
    text, words = MISTAKES[name]
    own_modules(folder, monkeypatch, my_bad=text)
    build = NAMED.get(name, "my_bad:build")
    with pytest.raises(StudyError, match=r"^architecture\.build: [^\n]*$") as caught:
        config.complete({**STUDY, "architecture": {"name": "custom", "build": build}})
    assert not [word for word in words if word not in str(caught.value)]


def test_values_of_the_dataset_are_not_arguments():
    with pytest.raises(StudyError, match=r"^architecture\.arguments: classes cannot be set here"):
        config.complete({**STUDY, "architecture": settings(classes=3)})


@pytest.mark.parametrize(
    "widths", [{1: 8}, datetime.date(2026, 1, 1), float("nan"), float("inf")], ids=str
)
def test_an_argument_that_json_cannot_store_is_an_error(widths):
    with pytest.raises(StudyError, match=r"^architecture\.arguments: .* cannot be written as JSON"):
        config.complete({**STUDY, "architecture": settings(widths=widths)})


def test_an_edit_of_the_module_or_of_what_it_imports_counts(folder, monkeypatch):
    def code(**edited: str) -> str:
        modules = {"my_network": NETWORK, "my_parts": PARTS, **edited}
        own_modules(folder, monkeypatch, **modules)
        return fingerprint.training_fingerprint("custom", "my_network:build")

    first = code()
    (folder / "unrelated.py").write_text("x = 1")
    assert code(my_network=f"# A remark.\n{NETWORK}".replace("Two", "2")) == first
    second = code(my_parts=PARTS.replace("nn.ReLU()", "nn.GELU()"))
    third = code(my_network=NETWORK.replace("depth=2", "depth=3"))
    assert len({first, second, third}) == 3
    assert first != fingerprint.training_fingerprint("small")


def test_neighbours_of_an_installed_module_do_not_count(monkeypatch, folder):
    """Its neighbours are all installed packages."""
    monkeypatch.setattr(fingerprint.sysconfig, "get_path", lambda kind: os.fspath(folder))
    before = fingerprint.training_fingerprint("custom", "my_network:build")
    (folder / "my_parts.py").write_text(f"{PARTS}\nADDED = 1\n")
    assert fingerprint.training_fingerprint("custom", "my_network:build") == before
    (folder / "my_network.py").write_text(f"{NETWORK}\nADDED = 1\n")
    assert fingerprint.training_fingerprint("custom", "my_network:build") != before


def test_a_module_without_source_is_refused():
    with pytest.raises(ValueError, match=r"^architecture\.build: math:build is not in"):
        fingerprint.training_fingerprint("custom", "math:build")
