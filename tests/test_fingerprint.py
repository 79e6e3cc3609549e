"""What counts as another version of the code, and for which results."""

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
    "collection": fingerprint.collection_fingerprint,
    "published": fingerprint.published_fingerprint,
    "effects": fingerprint.effects_fingerprint,
    "findings": fingerprint.findings_fingerprint,
    "figures": fingerprint.figures_fingerprint,
}


@pytest.fixture
def package(tmp_path, monkeypatch) -> Iterator[Path]:
    """A copy of the package, to be edited."""
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


@pytest.fixture
def changed(package, untouched) -> Callable[[str, Callable[[str], str]], set[str]]:
    """The results whose code an edit of a module's text changes."""

    def of(module: str, edit: Callable[[str], str]) -> set[str]:
        file = package / f"{module}.py"
        text = file.read_text(encoding="utf-8")
        edited = edit(text)
        assert edited != text
        file.write_text(edited, encoding="utf-8")
        after = fingerprints()
        return {result for result in RESULTS if after[result] != untouched[result]}

    return of


def with_a_comment(text: str) -> str:
    return text.replace("\n\n\n", "\n\n\n# A remark.\n", 1) + "# The end.\n"


def with_another_docstring(text: str) -> str:
    return re.sub(r'"""(\w)', r'"""Put otherwise: \1', text)


def in_another_format(text: str) -> str:
    return ast.unparse(ast.parse(text))


def with_other_arithmetic(text: str) -> str:
    """The first operation becomes another one."""
    tree = ast.parse(text)
    operation = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow)
    )
    operation.op = ast.Pow()
    return ast.unparse(tree)


def with_another_line(text: str) -> str:
    return f"{text}\nADDED = 1\n"


@pytest.mark.parametrize(
    "module", ["training/loop", "figures/style", "analysis/effects", "images/digits"]
)
@pytest.mark.parametrize("edit", [with_a_comment, with_another_docstring, in_another_format])
def test_comments_docstrings_and_formatting_do_not_count(changed, module, edit):
    assert changed(module, edit) == set()


def test_time_stamps_do_not_count(package, untouched):
    for file in package.rglob("*.py"):
        file.touch()
    assert fingerprints() == untouched


@pytest.mark.parametrize(
    "module", ["training/loop", "training/optim", "training/data", "models/small"]
)
def test_the_arithmetic_of_training_counts_for_networks_alone(changed, module):
    assert changed(module, with_other_arithmetic) == {"training"}


@pytest.mark.parametrize(
    ("module", "results"),
    [
        *((f"training/{module}", {"training"}) for module in ("device", "frozen_features", "rng")),
        *((f"training/{module}", {"training"}) for module in ("transplant", "trainer")),
        (
            "study/networks",
            {"training", "collection", "published", "effects", "findings", "figures"},
        ),
        ("study/design", set()),
        ("images/class_splits", {"training", "splits"}),
        ("images/store", {"training", "digits", "glyphs"}),
        ("images/build", {"digits", "glyphs"}),
        ("images/digits", {"digits"}),
        ("images/glyphs", {"glyphs"}),
        ("images/glyph_characters", {"glyphs"}),
        ("images/glyph_drawings", {"glyphs"}),
        ("analysis/collect", {"collection", "published", "effects"}),
        # Figures and findings take the names of the effects from where these are estimated.
        ("analysis/effects", {"effects", "findings", "figures"}),
        ("analysis/intervals", {"effects", "findings", "figures"}),
        ("analysis/boost", {"effects"}),
        ("analysis/vocabulary", {"findings", "figures"}),
        ("figures/style", {"figures"}),
        ("figures/transfer", {"figures"}),
        # The published networks are its.
        ("models/caffenet", {"collection", "published", "effects"}),
        *((f"models/{module}", set()) for module in ("torchvision_cuts", "custom")),
        ("records/fingerprint", set()),
        ("study/config", set()),
        ("__main__", set()),
        ("cli/training", set()),
        *(
            (module, set())
            for module in (
                "training/gpus",
                "storage/signals",
                "storage/job",
                "storage/lease",
                "records/provenance",
                "study/targets",
            )
        ),
    ],
)
def test_a_module_counts_for_what_it_decides(changed, module, results):
    assert changed(module, with_another_line) == results


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("findings.html.j2", "findings"),
        ("findings_words.html.j2", "findings"),
        ("METHODS.md.j2", "methods"),
        ("page.html.j2", "table_pages"),
    ],
)
def test_a_template_counts_for_its_page_alone(package, template, result):
    def prints() -> dict[str, str]:
        fingerprint.fingerprint.cache_clear()
        names = ("findings", "methods", "table_pages")
        return {name: getattr(fingerprint, f"{name}_fingerprint")() for name in names}

    before = prints()
    file = package / "reports" / "templates" / template
    file.write_text(file.read_text(encoding="utf-8") + "More.\n", encoding="utf-8")
    after = prints()
    assert [name for name in before if before[name] != after[name]] == [result]


ADDED = "def info(settings):\n    return 1 + 1\n"


@pytest.mark.parametrize("room", ["images", "models"])
def test_another_source_or_architecture_counts_for_nothing_that_does_not_use_it(
    package, untouched, room
):
    (package / room / "added.py").write_text(ADDED, encoding="utf-8")
    assert fingerprints() == untouched


def test_how_torchvision_s_models_are_cut_counts_for_networks_of_these(package):
    before = fingerprint.training_fingerprint("torchvision")
    file = package / "models" / "torchvision_cuts.py"
    file.write_text(with_another_line(file.read_text(encoding="utf-8")), encoding="utf-8")
    fingerprint.fingerprint.cache_clear()
    assert fingerprint.training_fingerprint("torchvision") != before


@pytest.mark.parametrize(
    "imported", ["", "def build():\n    from transferability.models import inner\n"]
)
def test_an_architecture_counts_for_those_who_use_it(package, imported):
    """Also by what it imports inside a function."""
    added, inner = (package / "models" / f"{name}.py" for name in ("added", "inner"))
    added.write_text(ADDED + imported, encoding="utf-8")
    inner.write_text(ADDED, encoding="utf-8")
    before = fingerprint.training_fingerprint("added")
    assert before != fingerprint.training_fingerprint("small")
    edited = inner if imported else added
    edited.write_text(with_other_arithmetic(edited.read_text()), encoding="utf-8")
    fingerprint.fingerprint.cache_clear()
    assert fingerprint.training_fingerprint("added") != before
