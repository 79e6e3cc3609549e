"""Any file, whatever it contains, is read correctly or refused with the project's own error."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transferability.images import class_splits, groups
from transferability.storage import checkpoint, network_folder
from transferability.storage.checkpoint import CheckpointError
from transferability.storage.network_folder import MEASURED, NetworkFolder
from transferability.study import config as study_file
from transferability.study import schema
from transferability.study.design import StudyError

pytestmark = pytest.mark.full


@pytest.fixture(autouse=True)
def _without_warnings(caplog):
    """Hide the warnings about hundreds of files that are set aside."""
    with caplog.at_level(logging.ERROR, logger="transferability"):
        yield


def fuzzed(examples: int) -> Callable:
    """This many examples, the same each time, so that a failure can be reproduced."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


SCHEMA = schema.json_schema()
WORDS = sorted({*SCHEMA["properties"], *SCHEMA["$defs"]["Recipe"]["properties"]})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["all", "A", "B", "small", "digits", "my_module:build", "1e-3", "../x"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | SCALARS, inner, max_size=3)
    ),
    max_leaves=6,
)


def read_or_refused(read: Callable[[], Any], error: type[Exception], named: object = "") -> Any:
    """The value that is read, or None if the file is refused with an error that names it."""
    try:
        return read()
    except error as refused:
        said = str(refused)
    assert said
    assert str(named) in said
    return None


def refused_or_planned(config: Any) -> None:
    """An accepted study has networks, each with a recipe; the error of any other is checked."""
    complete = read_or_refused(lambda: study_file.complete(config), StudyError)
    if complete is None:
        return
    names = complete.network_names
    assert names
    for split, seed in complete.replicates[:2]:
        for name in names[:20]:
            assert complete.recipe_of(split, seed, name)["epochs"] >= 1
    # A complete study stays as it is.
    assert study_file.complete(complete) == complete


@fuzzed(120)
@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), VALUES, max_size=3))
def test_anything_in_a_section(config):
    refused_or_planned(config)


def of_schema(schema: dict) -> st.SearchStrategy:
    """Values that a part of the schema allows, mostly."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return st.one_of([of_schema(choice) for choice in schema[key]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
            return st.integers(least, min(schema.get("maximum", least + 40), least + 40))
        case "number":
            most = schema.get("maximum", schema.get("exclusiveMaximum", 2))
            return st.floats(schema.get("minimum", 0), most)
        case "boolean":
            return st.booleans()
        case "string":
            return st.sampled_from(["random0", "photos", "letters", "baseA", "A3B", "resnet18"])
        case "array":
            return st.lists(of_schema(schema["items"]), max_size=4)
        case "object":
            parts = schema.get("properties", {})
            return st.fixed_dictionaries(
                {}, optional={key: of_schema(part) for key, part in parts.items()}
            )
    return st.none()


@st.composite
def likely_studies(draw) -> dict:
    """Studies that the schema allows, mostly; their parts may contradict each other."""
    config = draw(of_schema({k: v for k, v in SCHEMA.items() if k in ("type", "properties")}))
    for section, kind in (("dataset", "source"), ("architecture", "name")):
        if section in config:
            name = draw(st.sampled_from(["Digits", "Glyphs"] if kind == "source" else ["Small"]))
            config[section] = {kind: name.lower(), **draw(of_schema(SCHEMA["$defs"][name]))}
    return config


@fuzzed(100)
@given(likely_studies())
def test_nearly_valid_studies(config):
    refused_or_planned(config)


@fuzzed(200)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_as_a_study_file(tmp_path, content):
    file = tmp_path / "study.yaml"
    file.write_bytes(content)
    read_or_refused(lambda: study_file.read(file), StudyError, file)


def mutated(content: bytes, cuts: list, replacements: list[tuple[float, bytes]]) -> bytes:
    """The content with some parts removed and others overwritten."""
    for start, length in cuts:
        place = int(start * len(content))
        content = content[:place] + content[place + length :]
    for start, piece in replacements:
        place = int(start * len(content))
        content = content[:place] + piece + content[place + len(piece) :]
    return content


SHARES = st.floats(0, 1, exclude_max=True)
CUTS = st.lists(st.tuples(SHARES, st.integers(1, 40)), max_size=2)
PIECES = st.lists(st.tuples(SHARES, st.binary(min_size=1, max_size=4)), max_size=3)
METRICS = {**dict.fromkeys(MEASURED, 0.5), "layer_names": [], "identity": {}}
CLASSES = [f"a, {k}" for k in range(6)]


TENSOR = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "I64", "F8_E8M0", "C64", "F4", "none"]),
        "shape": st.lists(st.integers(0, 2**62), max_size=3),
        "data_offsets": st.lists(st.integers(0, 2**62), min_size=2, max_size=2),
    }
)
HELD = st.sampled_from(["{}", "[]", "3", '"x"', "[" * 5000, '{"header": 3, "sha256": 4}', "{"])


@fuzzed(200)
@given(
    st.dictionaries(st.sampled_from(["a", "b"]), TENSOR, max_size=2),
    st.none() | st.dictionaries(st.just("checkpoint"), HELD | st.integers()),
    st.binary(max_size=16),
)
def test_made_up_safetensors_files_are_refused(tmp_path, tensors, metadata, data):
    header = json.dumps({**tensors, **({} if metadata is None else {"__metadata__": metadata})})
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + data)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: "):
        checkpoint.load(path)


def is_a_split(halves: dict) -> bool:
    return not set(halves["A"]) & set(halves["B"]) and min(map(len, halves.values())) >= 2


def table(column: str) -> str:
    return f"class,{column}\n" + "".join(f'"{c}",{"AB"[k % 2]}\n' for k, c in enumerate(CLASSES))


@pytest.mark.parametrize(
    ("name", "content", "read", "is_right"),
    [
        (
            "metrics.json",
            json.dumps(METRICS),
            lambda file: NetworkFolder(file.parent).read_metrics(),
            lambda found: found.keys() >= {*MEASURED},
        ),
        (
            "history.jsonl",
            "".join(json.dumps({"epoch": k, "top1": 0.1 * k}) + "\n" for k in range(3)),
            network_folder.read_history,
            lambda found: isinstance(found, list),
        ),
        ("s.csv", table("half"), lambda file: class_splits.read(file, CLASSES), is_a_split),
        ("g.csv", table("group"), groups.read, lambda found: all(type(x) is str for x in found)),
    ],
    ids=["metrics", "history", "split", "groups"],
)
@fuzzed(200)
@given(CUTS, PIECES)
def test_a_mutated_file_is_read_or_refused(tmp_path, name, content, read, is_right, cuts, pieces):
    file = tmp_path / name
    file.write_bytes(mutated(content.encode(), cuts, pieces))
    found = read_or_refused(lambda: read(file), ValueError, file)
    assert found is None or is_right(found)
