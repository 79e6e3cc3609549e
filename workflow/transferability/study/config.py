"""From a study file to a checked study: defaults filled in, each mistake named before a job runs.

The models in schema.py check each key; `design.check` checks what keys, dataset and architecture
make of each other.
"""

import contextlib
import copy
import difflib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import yaml
from pydantic import ValidationError

from transferability import images, models
from transferability.models import weights
from transferability.storage import files
from transferability.study import design
from transferability.study.design import Study, StudyError
from transferability.study.schema import PUBLISHED, STUDY_NAME, StudyConfig, Word, json_schema

MOST_VALUES = 100_000
"""In a study, far more than any has: aliases in YAML can stand for billions, or for themselves."""

RENAMED = {"mirror": "horizontal_flip", "resized_crop": "random_resized_crop", "own": "custom"}

TYPES = {
    "integer": "a whole number",
    "number": "a finite number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
}
BOUNDS = {
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "greater_than": "more than {gt:g}",
    "less_than": "less than {lt:g}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "a text of at least {min_length} character",
    "string_pattern_mismatch": "a text of the form {pattern}",
}


def read(path: Path | str) -> Study:
    """The complete, checked study of a YAML file.

    Raises StudyError if the file cannot be read or the study cannot be run.
    """
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}") from error
    try:
        check_file(path, config)
        return complete(config)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error


def check_file(path: Path | str, config: object) -> None:
    """Check what a study's file holds beside its `config`, which takes its name where it has none.

    Raises StudyError for a key that stands twice in a section, of which YAML keeps the last alone,
    and for a file whose name cannot be a study's.
    """
    try:
        node = yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}") from error
    waiting, seen = [node], set()
    for node in waiting:
        if node is None or isinstance(node, yaml.ScalarNode) or id(node) in seen:
            continue
        # An alias is the node that it stands for.
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            waiting.append(value)
            if key.value in lines and isinstance(key, yaml.ScalarNode):
                raise StudyError(
                    f"{key.value} stands in line {lines[key.value]} and again in line "
                    f"{key.start_mark.line + 1}, and only the last would count; join the two"
                )
            lines[str(key.value)] = key.start_mark.line + 1
    if isinstance(config, dict) and "study" not in config:
        stem = Path(path).stem
        if not re.fullmatch(STUDY_NAME, stem) or stem == PUBLISHED:
            ascii_stem = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
            name = re.sub("[^A-Za-z0-9]+", "_", ascii_stem).strip("_")
            raise StudyError(
                f"study: without this key the study takes the name of its file, and {stem!r} "
                f"cannot be one; write e.g. `study: my_{name or 'study'}` into it"
            )
        config["study"] = stem


def write(study: Study, path: Path) -> None:
    """Write a study as it is run, every key filled in, beside its results."""
    text = yaml.safe_dump(dict(study), sort_keys=False, allow_unicode=True, width=100)
    files.write_text(path, f"# The study as it was run, defaults filled in.\n{text}")


def resolved(path: Path | str) -> Study:
    """The study that a run left beside its results: complete, its layers written out.

    Its architecture is not checked again, since that may run the user's code. Raises StudyError if
    there is no such study.
    """
    try:
        left = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        _check_form(left)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, StudyError, RecursionError) as error:
        raise StudyError(
            f"{path}: cannot be read ({error}); it lies in the folder of each study, "
            "results/<study>, where snakemake writes it when it starts"
        ) from error
    with contextlib.suppress(StudyError):
        if _with_defaults(left) == left and left["layer_names"] and left["layers"] != "all":
            return Study(left)
    raise StudyError(
        f"{path}: is no complete study of this version; snakemake writes it again when it starts"
    )


def typed(value: object) -> object:
    """Settings as YAML has them, from nested texts such as a command line gives."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


def complete(config: dict | None) -> Study:
    """A study with every key filled in and checked, its layers written out, from one that names
    only what it changes.

    Raises StudyError with a line for each mistake: the key, what stands there, what is allowed.
    """
    _check_form(config)
    study = Study(_with_defaults({} if config is None else config))
    _take_transforms(study, config or {})
    try:
        dataset = images.info(study["dataset"])
        architecture = models.info(study["architecture"], study.input_size)
    except ValueError as error:
        raise StudyError(str(error)) from error
    study["layer_names"] = list(architecture.layer_names)
    if study["layers"] == "all":
        study["layers"] = list(range(len(architecture.layer_names)))
    design.check(study, architecture, dataset)
    return study


def _take_transforms(study: Study, config: Mapping) -> None:
    """Fill in which images pretrained weights want, and give all networks such ones, unless the
    study asks for others."""
    for letter, source in study["sources"].items():
        if not source["weights"]:
            continue
        try:
            wanted = weights.transforms(source, study["architecture"])
        except ValueError as error:
            raise StudyError(f"sources.{letter}.{error}") from error
        source |= {key: value for key, value in vars(wanted).items() if key in source}
        source |= {"mean": list(wanted.mean), "std": list(wanted.std)}
        dataset, recipe = config.get("dataset", {}), config.get("recipe", {})
        if "image_size" not in dataset and "crop" not in recipe:
            study["dataset"]["image_size"] = wanted.resize
            is_cropped = wanted.resize != wanted.image_size
            study["recipe"]["crop"] = wanted.image_size if is_cropped else None
        if "interpolation" in study["dataset"] and "interpolation" not in dataset:
            study["dataset"]["interpolation"] = wanted.interpolation


def _check_form(config: object) -> None:
    """Refuse what YAML can say and a study cannot: endless values, and keys that are no texts."""
    values = [config]
    for value in values:
        if isinstance(value, list):
            values += value
        elif isinstance(value, dict):
            values += value.values()
            for key in value:
                if not isinstance(key, str):
                    raise StudyError(
                        f"the study: {key!r} stands where the name of a key is expected; write "
                        "one of those in workflow/schemas/study.schema.yaml, as a text; in "
                        "numbers, write a point, not a comma"
                    )
        if len(values) > MOST_VALUES:
            raise StudyError(
                f"the study: it has more than {MOST_VALUES:,} values; write out what its YAML "
                "aliases (*) stand for, and leave out what stands for itself"
            )


def _with_defaults(config: object) -> dict:
    match config:
        case {"architecture": str(build)} if ":" in build:
            config = {**config, "architecture": {"name": "custom", "build": build}}
    try:
        study = StudyConfig.model_validate(config).model_dump()
    except ValidationError as error:
        mistakes = [_describe(mistake) for mistake in error.errors(include_url=False)]
        raise StudyError("\n".join(dict.fromkeys(mistakes))) from error
    # These stay the few keys that they name.
    named = copy.deepcopy({key: config[key] for key in ("overrides", "omit") if key in config})
    for letter, source in study["sources"].items():
        source["recipe"] = copy.deepcopy(config["sources"][letter].get("recipe"))
    return {**study, **named}


def _describe(error: dict) -> str:
    """A mistake in words: its key, the value, what is allowed and what the key is for."""
    path, forms = _place(error["loc"])
    key, kind, limits = _key(path), error["type"], error.get("ctx", {})
    value = json.dumps(error["input"], ensure_ascii=False, default=str)
    purpose = next((f". {form['description']}" for form in forms if "description" in form), "")
    if kind == "value_error":
        return f"{key}: {limits['error']}"
    if kind in ("extra_forbidden", "missing"):
        section = _place(error["loc"][:-1])[1][-1]
        if kind == "extra_forbidden":
            return f"{key}: unknown key; {_meant_key(path[-1], sorted(section['properties']))}"
        needed, parent = ", ".join(section["required"]), _key(path[:-1])
        return f"{parent}: the key {path[-1]!r} is missing; {parent} needs {needed}"
    if kind == "union_tag_invalid":
        name = "source" if path == ["dataset"] else "name"
        known = [allowed for form in forms for allowed in _names(form)]
        return f"{key}.{name}: {_choose(error['input'][name], known)}"
    if kind == "literal_error" and len(forms) == 1:
        return f"{key}: {_choose(error['input'], forms[0].get('enum') or [forms[0]['const']])}"
    if kind in BOUNDS:
        bound = BOUNDS[kind].format(**limits)
        if any(form.get("minItems") == form.get("maxItems", 0) for form in forms):
            bound = f"a list of exactly {forms[0]['minItems']}"
        return f"{key}: {value} is not possible; expected {bound}{purpose}"
    # Of the wrong type, or of none of several forms.
    words = sorted({_words(form) for form in forms}, key=len)
    expected = "not allowed; expected " if words[1:] else "not "
    return (
        f"{key}: {value} is {expected}{' or '.join(words)}{_hint(error['input'], forms)}{purpose}"
    )


def _forms(node: dict) -> list[dict]:
    """Those of which a value may have one; null first."""
    if "$ref" in node:
        node = {**json_schema()["$defs"][node["$ref"].removeprefix("#/$defs/")], **node}
    choices = node.get("anyOf") or node.get("oneOf")
    if not choices:
        return [node]
    about = {"description": node["description"]} if "description" in node else {}
    forms = [{**form, **about} for choice in choices for form in _forms(choice)]
    return sorted(forms, key=lambda form: form.get("type") != "null")


def _place(location: Sequence[str | int]) -> tuple[list[str | int], list[dict]]:
    """The path of keys to the place of an error, and the forms that a value may have there."""
    path, forms = [], _forms(json_schema())
    for part in location:
        if part == "[key]":
            return path[:-1], [{"enum": get_args(Word)}]
        if isinstance(part, str) and part.startswith("<"):
            # No key: which form of a value the error is about, such as <glyphs> of the datasets.
            forms = [form for form in forms if part.strip("<>") in _names(form)] or forms
            continue
        path.append(part)
        below = [
            form.get("items")
            if isinstance(part, int)
            else form.get("properties", {}).get(part) or form.get("additionalProperties")
            for form in forms
        ]
        forms = [form for node in below if isinstance(node, dict) for form in _forms(node)]
    return path, forms


def _names(section: dict) -> list[str]:
    """The source of a dataset, the name of an architecture."""
    keys = section.get("properties", {}).values()
    return [key["const"] for key in keys if "const" in key]


def _choose(value: object, allowed: Sequence[str]) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    new = RENAMED.get(str(value))
    hint = f"it is now called {new}; " if new in allowed else ""
    return f"{text} is not allowed; {hint}choose one of {', '.join(allowed)}"


def _words(form: dict) -> str:
    """What a form allows."""
    if "const" in form:
        return str(form["const"])
    if "enum" in form:
        return f"one of {', '.join(form['enum'])}"
    if form["type"] == "array":
        items = " or ".join(_words(item) for item in _forms(form["items"]))
        return f"a list of values that are each {items}"
    if form["type"] != "object":
        return TYPES[form["type"]]
    keys = list(form.get("properties", {}))
    if keys and keys == form.get("required"):
        return f"a section with the keys {' and '.join(keys)}"
    return "a section of keys and values"


def _hint(value: object, forms: Sequence[dict]) -> str:
    """How a value of the wrong type was probably meant."""
    types = {form.get("type") for form in forms}
    below = {
        item.get("type") for form in forms if "items" in form for item in _forms(form["items"])
    }
    if "string" in types | below and not isinstance(value, str | dict | list):
        return "; YAML reads yes, no, null, numbers and dates as such, so write it in quotes"
    if "array" in types and not isinstance(value, (dict, list)):
        fits = "string" in below or re.fullmatch(r"\d+(, *\d+)*", str(value))
        return f"; write [{value}]" if fits else "; write each number, e.g. [1, 2, 3]"
    if not types & {"integer", "number"} or not isinstance(value, str):
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    written_as = "YAML reads 1e-3 as a text, so write 0.001 or 1.0e-3"
    return f"; {written_as if 'e' in value.lower() else 'write it without quotes'}"


def _meant_key(name: str, allowed: Sequence[str]) -> str:
    """Which key an unknown one was probably meant to be, or where it belongs."""
    top = json_schema()["properties"]
    elsewhere = ["the top of the file"] * (name in top)
    for section, node in top.items():
        elsewhere += [section] * any(name in form.get("properties", {}) for form in _forms(node))
    hint = f"it belongs in {' or '.join(elsewhere)}; " if elsewhere else ""
    if close := difflib.get_close_matches(name, allowed, n=1):
        hint = f"did you mean {close[0]}? "
    return f"{hint}allowed here: {', '.join(allowed)}"


def _key(path: Sequence[str | int]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".") or "the study"
