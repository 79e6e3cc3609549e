"""The study file: missing keys get their default, and the schema describes each key."""

import copy
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from transferability.study import config, schema
from transferability.study.design import StudyError

ROOT = Path(__file__).parents[1]


def test_completing_does_not_change_the_given_study():
    given = {"dataset": {"source": "digits"}, "layers": [9]}
    before = copy.deepcopy(given)
    with pytest.raises(StudyError):
        config.complete(given)
    assert given == before


@pytest.mark.parametrize("nothing", [None, {}])
def test_the_default_study_contains_the_defaults(nothing):
    written = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    defaults = config.complete(nothing)
    # Five replicates with a few n take as long as one with all n.
    assert written["splits"].pop("random") == 5
    assert defaults["splits"].pop("random") == 1
    assert written.pop("layers") == [0, 1, 5, 7]
    assert defaults.pop("layers") == list(range(8))
    assert (written.pop("layer_names"), len(defaults.pop("layer_names"))) == (None, 8)
    assert written == defaults
    assert schema.StudyConfig().layers == "all"


@pytest.mark.parametrize("file", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda f: f.stem)
def test_each_study_is_valid_and_named_after_its_file(file):
    assert config.read(file)["study"] == file.stem


def test_completing_twice_changes_nothing():
    once = config.complete({"dataset": {"source": "digits"}, "splits": {"random": 2}})
    assert config.complete(once) == once


def test_schema_and_config_yaml_agree_with_the_models():
    assert schema.SCHEMA.read_text(encoding="utf-8") == schema.schema_text(), "run " + schema.WRITE
    assert schema.CONFIG.read_text(encoding="utf-8") == schema.config_text(), "run " + schema.WRITE


SCHEMA = schema.json_schema()


LEAVES = {
    f"{name}.{key}": leaf
    for name, section in [("", SCHEMA), *SCHEMA["$defs"].items()]
    for key, leaf in section.get("properties", {}).items()
    # A key with a constant only repeats a condition, which is described elsewhere.
    if "const" not in leaf
}
SECTIONS = {".dataset", ".architecture", ".recipe", ".figures"}


def test_each_key_has_a_description():
    lacking = {key for key, leaf in LEAVES.items() if not leaf.get("description")}
    assert lacking == {"Override.where", "Override.recipe"}


def test_only_keys_that_the_user_must_know_have_no_default():
    required = {key for key, leaf in LEAVES.items() if "default" not in leaf}
    assert {key for key in required if not key.startswith(("Where.", "Override."))} == {
        *SECTIONS,
        *("Folder.path", "ImageNet.path", "Torchvision.name", "Custom.build"),
        *("Dissimilar.A", "Dissimilar.B"),
    }


BILLIONS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghijklm")
)
WRITTEN = {
    "an open bracket": ("recipe: {epochs: 3", "cannot be read as YAML"),
    "an open list": ("study: [a, b\nseeds: 3", "cannot be read as YAML"),
    "no section": ("- a\n- b\n", "the study: this list is not valid"),
    "no more than words": ("just words", "the study: .just words. is not valid"),
    **{
        f"code, {text}": (text, r"mine\.yaml: cannot be read as YAML")
        for text in (
            "study: !!python/object/apply:pathlib.Path.touch [was run]",
            "study: !!python/object/new:pathlib.Path [was run]",
            "seeds: !!python/name:os.system",
        )
    },
    "billions": (BILLIONS, r"mine\.yaml: "),
    "a list in itself": ("seeds: &a [*a]", r"mine\.yaml: "),
    "a section in itself": ("recipe: &a {augment: *a}", r"mine\.yaml: "),
    "another encoding": (b"study: \xff\xfe", "cannot be read as YAML"),
    "no file": (None, r"mine\.yaml: cannot be read"),
    "a section twice": (
        "recipe: {epochs: 3}\nlayers: [1]\nrecipe: {batch_size: 4}\n",
        "recipe is in line 1 and again in line 3",
    ),
    "a key twice in a section": (
        "recipe:\n  epochs: 3\n  batch_size: 4\n  epochs: 5\n",
        "epochs is in line 2 and again in line 4",
    ),
    "a key twice in a list": (
        "overrides:\n- where: {n: 1}\n  recipe: {epochs: 1}\n  where: {n: 2}\n",
        "where is in line 2 and again in line 4",
    ),
    "a group that YAML takes for true": (
        "splits: {dissimilar: {A: yes, B: b}}\n",
        r"splits\.dissimilar\.A: true is not valid; .*write it in quotes",
    ),
    "a group that YAML takes for nothing": (
        "splits: {dissimilar: {A: [null], B: b}}\n",
        r"splits\.dissimilar\.A\[0\]: null is not .*write it in quotes",
    ),
    "a year as a name": ("study: 2024\n", "study: 2024 is not .*write it in quotes"),
    "a date as a name": ("study: 2024-05-01\n", "study: .*write it in quotes"),
    "a comma in a number": ("recipe: {learning_rate: 0,01}\n", "write a point, not a comma"),
}


@pytest.mark.parametrize(("text", "words"), WRITTEN.values(), ids=WRITTEN)
def test_a_file_with_no_or_another_study_is_an_error(tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.yaml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError, match=words):
        config.read(file)
    assert {path.name for path in tmp_path.iterdir()} <= {file.name}


def test_a_yaml_alias_is_not_a_duplicate_key(tmp_path):
    file = tmp_path / "study.yaml"
    once = "{where: {n: 1}, recipe: &once {epochs: 1}}"
    file.write_text(f"overrides: [{once}, {{where: {{n: 2}}, recipe: *once}}]\n", encoding="utf-8")
    assert len(config.read(file)["overrides"]) == 2
    merged = "a: {inner: &b {<<: {k: 1}, k: 2}}\ntop: {<<: *b}\n"
    file.write_text(merged, encoding="utf-8")
    config.check_file(file, yaml.safe_load(merged))


def test_an_empty_file_is_a_study_named_after_the_file(tmp_path):
    (tmp_path / "mine.yaml").touch()
    assert config.read(tmp_path / "mine.yaml")["study"] == "mine"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("my study.yaml", "study: my_my_study"),
        ("photos.v2.yaml", "study: my_photos_v2"),
        ("übung (1).yaml", "study: my_ubung_1"),
        ("-x.yml", "study: my_x"),
        ("写真.yaml", "study: my_study"),
        ("yosinski2014.yaml", "study: my_yosinski2014"),
    ],
)
def test_a_file_name_that_cannot_name_a_study_is_an_error(tmp_path, name, advice):
    file = tmp_path / name
    file.write_text("layers: [1]\n", encoding="utf-8")
    with pytest.raises(StudyError, match=f"takes the name of its file.*`{advice}`"):
        config.read(file)
    file.write_text("layers: [1]\nstudy: fine\n", encoding="utf-8")
    assert config.read(file)["study"] == "fine"
