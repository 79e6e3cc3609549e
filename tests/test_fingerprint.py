"""Which edits count as another version of the code, and for which results."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from transferability.records import fingerprint

RESULTS = {
    "digits": lambda: fingerprint.images_fingerprint("digits"),
    "glyphs": lambda: fingerprint.images_fingerprint("glyphs"),
    "splits": fingerprint.splits_fingerprint,
    "training": lambda: fingerprint.training_fingerprint("small"),
    "torchvision": lambda: fingerprint.training_fingerprint("torchvision"),
    "collection": fingerprint.collection_fingerprint,
    "effects": fingerprint.effects_fingerprint,
    "methods": fingerprint.methods_fingerprint,
    "tables": fingerprint.table_pages_fingerprint,
    "figures": fingerprint.figures_fingerprint,
}
TRAININGS = {"training", "torchvision"}
ADDED = "def info(settings):\n    return 1 + 1\n"


@pytest.fixture
def package(tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of the package that tests edit."""
    copy = tmp_path / fingerprint.PACKAGE
    shutil.copytree(fingerprint.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "ROOT", copy)
    fingerprint.fingerprint.cache_clear()
    yield copy
    fingerprint.fingerprint.cache_clear()


def fingerprints() -> dict[str, str]:
    fingerprint.fingerprint.cache_clear()
    return {result: compute() for result, compute in RESULTS.items()}


@pytest.fixture(scope="module")
def untouched() -> dict[str, str]:
    return fingerprints()


def changed(untouched: dict, file: Path, edit: Callable[[str], str]) -> set[str]:
    """The results whose code an edit of a file changes; the file is restored afterwards."""
    text = file.read_text(encoding="utf-8")
    assert edit(text) != text
    file.write_text(edit(text), encoding="utf-8")
    after = fingerprints()
    file.write_text(text, encoding="utf-8")
    return {result for result in RESULTS if after[result] != untouched[result]}


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("\n\n\n", "\n\n\n# A remark.\n", 1) + "# The end.\n",
        lambda text: re.sub(r'"""(\w)', r'"""Put otherwise: \1', text),
        lambda text: ast.unparse(ast.parse(text)),
    ],
    ids=["comment", "docstring", "format"],
)
def test_comments_docstrings_and_formatting_do_not_count(package, untouched, edit):
    for module in ("training/loop", "figures/style", "analysis/effects", "images/digits"):
        assert changed(untouched, package / f"{module}.py", edit) == set(), module


def test_time_stamps_and_unused_modules_do_not_count(package, untouched):
    for file in package.rglob("*.py"):
        file.touch()
    for folder in ("images", "models"):
        (package / folder / "added.py").write_text(ADDED, encoding="utf-8")
    assert fingerprints() == untouched


@pytest.mark.parametrize(
    ("results", "files"),
    [
        (TRAININGS, ["training/loop", "training/optim", "training/data", "training/device"]),
        (TRAININGS, ["training/rng", "training/transplant", "training/trainer"]),
        ({"training"}, ["models/small"]),
        ({"torchvision"}, ["models/torchvision_cuts"]),
        ({"digits"}, ["images/digits"]),
        ({"glyphs"}, ["images/glyphs", "images/glyph_characters", "images/glyph_drawings"]),
        ({"digits", "glyphs"}, ["images/build"]),
        ({"splits", *TRAININGS}, ["images/class_splits"]),
        ({"digits", "glyphs", "effects", *TRAININGS}, ["images/store"]),
        ({"figures"}, ["figures/style", "figures/transfer", "figures/templates/interactive.html"]),
        ({"effects"}, ["reports/templates/findings.html.j2"]),
        ({"methods"}, ["reports/templates/METHODS.md.j2"]),
        ({"collection", "effects", "tables"}, ["reports/templates/page.html.j2"]),
        # Modules that change no result, even if others import them.
        (set(), ["training/gpus", "storage/signals", "storage/job", "storage/lease"]),
        (set(), ["records/fingerprint", "records/provenance", "cli/training", "__main__"]),
    ],
    ids=lambda value: None if isinstance(value, set) else value[0],
)
def test_a_file_counts_for_the_results_that_it_decides(package, untouched, results, files):
    for name in files:
        is_template = "templates" in name
        file, added = (name, "More.\n") if is_template else (f"{name}.py", "\nADDED = 1\n")
        found = changed(untouched, package / file, lambda text, added=added: text + added)
        assert found == results, name


def test_indirect_imports_count_too(package, untouched):
    """Trainings and tables read names of networks; figures and reports name effects."""
    for module, counts, does_not in (
        ("study/networks", {*TRAININGS, "collection", "effects", "figures"}, {"digits", "splits"}),
        ("analysis/effects", {"effects", "figures"}, {*TRAININGS, "collection"}),
        ("analysis/collect", {"collection", "effects"}, {*TRAININGS, "splits"}),
        ("analysis/intervals", {"effects"}, {*TRAININGS, "collection"}),
        ("analysis/equivalence", {"effects"}, {*TRAININGS, "collection"}),
        # Checks of a study and the places of its files decide no number.
        *((f"study/{module}", set(), TRAININGS) for module in ("config", "design", "targets")),
    ):
        found = changed(untouched, package / f"{module}.py", lambda text: f"{text}\nADDED = 1\n")
        assert found >= counts, module
        assert not found & does_not, module


@pytest.mark.parametrize(
    "imported", ["", "def build():\n    from transferability.models import inner\n"]
)
def test_an_architecture_counts_for_networks_that_use_it(package, imported):
    """Also through imports inside a function."""
    added, inner = (package / "models" / f"{name}.py" for name in ("added", "inner"))
    added.write_text(ADDED + imported, encoding="utf-8")
    inner.write_text(ADDED, encoding="utf-8")
    before = fingerprint.training_fingerprint("added")
    assert before != fingerprint.training_fingerprint("small")
    edited = inner if imported else added
    edited.write_text(edited.read_text().replace("1 + 1", "1 - 1"), encoding="utf-8")
    fingerprint.fingerprint.cache_clear()
    assert fingerprint.training_fingerprint("added") != before
