"""The study file: what is left out takes its default, and the schema describes each key."""

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from transferability.study import config, design
from transferability.study.design import StudyError

ROOT = Path(__file__).parents[1]
LAYERS = 8


def test_a_study_is_left_as_it_was_given():
    given = {"dataset": {"source": "digits"}, "layers": [9]}
    before = copy.deepcopy(given)
    with pytest.raises(StudyError):
        config.complete(given)
    assert given == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("recipe: {epochs: 3", "YAML"),
        ("study: [a, b\nseeds: 3", "YAML"),
        ("- a\n- b\n", "the study"),
        ("just words", "the study"),
        (b"study: \xff\xfe", "YAML"),
    ],
)
def test_a_file_that_holds_no_study_is_named(tmp_path, content, words):
    file = tmp_path / "study.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StudyError, match=words):
        config.read(file)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"none\.yaml"):
        config.read(tmp_path / "none.yaml")


@pytest.mark.parametrize("nothing", [None, {}])
def test_the_default_study_spells_out_the_defaults(nothing):
    written = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    defaults = config.complete(nothing)
    # It lists the n, of which the default says that they are all.
    assert written.pop("layers") == design.layers(defaults, LAYERS)
    assert defaults.pop("layers") == "all"
    assert written == defaults


@pytest.mark.parametrize("file", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda f: f.stem)
def test_each_study_is_complete_and_bears_the_name_of_its_file(file):
    assert config.read(file)["study"] == file.stem


def test_a_study_of_digits_has_no_key_of_glyphs():
    found = config.read(ROOT / "studies" / "digits.yaml")
    assert found["dataset"] == {"source": "digits", "image_size": 16, "validation": 0.25, "seed": 0}
    assert found["seeds"] == [0]
    assert found["recipe"]["weight_decay"] == 0.0005


def test_an_override_stays_what_it_names():
    override = {"where": {"n": 3}, "recipe": {"epochs": 1}}
    assert config.complete({"overrides": [override]})["overrides"] == [override]


def test_completing_twice_changes_nothing():
    once = config.complete({"dataset": {"source": "digits"}, "splits": {"random": 2}})
    assert config.complete(once) == once


SCHEMA = yaml.safe_load(config.SCHEMA.read_text(encoding="utf-8"))


def leaves(schema: dict, path: str = "", needs_default: bool = True) -> Iterator[tuple]:
    """(path, leaf, whether it needs a default) for each key that a study can have."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    properties = schema.get("properties", {})
    for choice in [*schema.get("allOf", []), *schema.get("oneOf", [])]:
        yield from leaves(choice.get("then", choice), path, needs_default and "if" in choice)
    if schema.get("type") == "array" and "properties" in schema.get("items", {}):
        yield from leaves(schema["items"], f"{path}[]", False)
    for key, leaf in properties.items():
        # What repeats the condition under which it stands is described there.
        if "const" not in leaf:
            yield from leaves(leaf, f"{path}.{key}", needs_default)
    if path and not properties and "if" not in schema and "then" not in schema:
        yield path, schema, needs_default


DESCRIBED = {
    path: (leaf, needs_default)
    for path, leaf, needs_default in leaves(SCHEMA)
    if not path.endswith("]") and leaf.get("type") != "null"
}


def test_the_walk_over_the_schema_finds_the_keys_of_each_level():
    for path in (
        *(".study", ".dataset.classes", ".dataset.validation", ".splits.random"),
        *(".architecture.units", ".recipe.warmup", ".overrides[].where.kind"),
        ".overrides[].recipe.momentum",
    ):
        assert path in DESCRIBED


@pytest.mark.parametrize("path", DESCRIBED)
def test_each_key_has_a_description_and_a_default(path):
    leaf, needs_default = DESCRIBED[path]
    assert leaf.get("description")
    # Where one's own images lie, nobody else can know.
    asked = path in (".dataset.path", ".dataset.name")
    if needs_default and not asked and not path.startswith(".splits.dissimilar."):
        assert "default" in leaf


def test_a_study_is_read_without_the_libraries_that_train_and_draw():
    """The workflow reads it each time it builds its graph."""
    program = (
        "import sys; from transferability.records import fingerprint;"
        "from transferability.study import config; config.complete({});"
        "print(*{'torch', 'numpy', 'pandas', 'matplotlib', 'snakemake'} & {*sys.modules})"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == ""
