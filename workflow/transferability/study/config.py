"""From a study file to a checked study: defaults filled in, each mistake named before a job runs.

The schema says which keys there are; what architecture and dataset make possible, they say
themselves.
"""

import copy
import difflib
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from transferability import images, models
from transferability.study import design
from transferability.study.design import StudyError

MOST_VALUES = 100_000
"""In a study, far more than any has: aliases in YAML can stand for billions, or for themselves."""

SCHEMA = Path(__file__).parents[2] / "schemas" / "study.schema.yaml"
TYPES = {
    "integer": "a whole number",
    "number": "a finite number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a section with keys of its own",
}
BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "a list of at least {}",
    "maxItems": "a list of at most {}",
    "minProperties": "a number of keys of at least {}",
    "pattern": "a text of the form {}",
}


def _is_integer(_, value: object) -> bool:
    # JSON counts 64.0 as an integer; as the size of a batch or part of a name it is none.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: object, value: object) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


def read(path: Path | str) -> dict:
    """The complete, checked study of a YAML file.

    Raises StudyError if the file cannot be read or the study cannot be run.
    """
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}") from error
    try:
        return complete(config)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error


def resolved(path: Path | str) -> dict:
    """The study that a run left beside its results: complete, its layers written out. Whether its
    architecture can be so is not checked again, which may take the architecture's own code.

    Raises StudyError if there is none.
    """
    try:
        left = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        _check_form(left)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, StudyError, RecursionError) as error:
        raise StudyError(
            f"{path}: cannot be read ({error}); it lies in the folder of each study, "
            "results/<study>, where snakemake writes it when it starts"
        ) from error
    missing = _schema()["properties"].keys() - (left if isinstance(left, dict) else {})
    if missing or not isinstance(left["layers"], list) or not Validator(_schema()).is_valid(left):
        raise StudyError(f"{path}: is no complete study; delete it, and snakemake writes it again")
    return left


def complete(config: dict | None) -> dict:
    """A study with every key filled in and checked, from one that names only what it changes.

    Raises StudyError with a line for each mistake: the key, what stands there, what is allowed.
    """
    _check_form(config)
    config = {} if config is None else copy.deepcopy(config)
    if isinstance(config, dict):
        _write_out(config)
        _fill(config, _schema())
    errors = list(Validator(_schema()).iter_errors(config))
    # What is of the wrong type fails everything else that is asked of it, too.
    mistyped = {tuple(error.path): error for error in reversed(errors) if error.validator == "type"}
    mistakes = [
        _describe(error) for error in errors if mistyped.get(tuple(error.path), error) is error
    ]
    if mistakes:
        raise StudyError("\n".join(dict.fromkeys(mistakes)))
    try:
        dataset = images.info(config["dataset"])
        architecture = models.info(config["architecture"], design.input_size(config))
    except ValueError as error:
        raise StudyError(str(error)) from error
    design.check(
        config,
        layer_names=architecture.layer_names,
        smallest_image=architecture.smallest_image,
        classes=dataset.classes,
        groups=dataset.groups,
        images_per_class=dataset.images_per_class,
    )
    return config


def _check_form(config: object) -> None:
    """Refuse what YAML can say and a study cannot: endless values, and keys that are no texts."""
    waiting, seen = [config], 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            waiting += value.values()
            for key in value:
                if not isinstance(key, str):
                    raise StudyError(
                        f"the study: {key!r} stands where the name of a key is expected; write "
                        "one of those in workflow/schemas/study.schema.yaml, as a text"
                    )
        elif isinstance(value, list):
            waiting += value
        if seen > MOST_VALUES:
            raise StudyError(
                f"the study: it has more than {MOST_VALUES:,} values; write out what its YAML "
                "aliases (*) stand for, and leave out what stands for itself"
            )


@cache
def _schema() -> dict:
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def _write_out(config: dict) -> None:
    """Put the section in place of its short form."""
    architecture = config.get("architecture")
    if isinstance(architecture, str) and ":" in architecture:
        config["architecture"] = {"name": "custom", "build": architecture}


def _fill(instance: dict, schema: dict) -> None:
    """Write the schema's defaults into an instance; items of lists are left as they are, so that
    an override's recipe stays the few keys that it names."""
    schema = _resolve(schema)
    for key, leaf in schema.get("properties", {}).items():
        leaf = _resolve(leaf)
        if "default" in leaf:
            instance.setdefault(key, copy.deepcopy(leaf["default"]))
        if isinstance(instance.get(key), dict):
            _fill(instance[key], leaf)
    for choice in schema.get("allOf", []):
        if Validator(choice["if"]).is_valid(instance):
            _fill(instance, choice["then"])


def _resolve(schema: dict) -> dict:
    if "$ref" not in schema:
        return schema
    return _schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")]


def _describe(error: jsonschema.ValidationError) -> str:
    error = _most_telling(error)
    key = _key(error.absolute_path)
    value = json.dumps(error.instance, ensure_ascii=False, default=str)
    expected = error.validator_value
    if error.validator == "additionalProperties":
        return "\n".join(_unknown_keys(error))
    if error.validator == "required":
        missing = next(name for name in expected if name not in error.instance)
        return f"{key}: the key {missing!r} is missing; {key} needs {', '.join(expected)}"
    if error.validator == "enum":
        return f"{key}: {value} is not allowed; choose one of {', '.join(map(str, expected))}"
    if error.validator == "uniqueItems":
        return f"{key}: {value} names a value twice; name each once"
    if error.validator == "type":
        hint = _hint(error.instance, expected)
        return f"{key}: {value} is not {TYPES[expected]}{hint}{_purpose(error)}"
    if error.validator in BOUNDS:
        bound = BOUNDS[error.validator].format(expected)
        if error.schema.get("minItems") == error.schema.get("maxItems") is not None:
            bound = f"a list of exactly {expected}"
        return f"{key}: {value} is not possible; expected {bound}{_purpose(error)}"
    if error.validator == "oneOf":
        forms = " or ".join(_form(choice) for choice in expected)
        return f"{key}: {value} is not allowed; expected {forms}{_purpose(error)}"
    return f"{key}: {value} is not allowed{_purpose(error)}"


def _hint(value: object, expected: str) -> str:
    """How a value of the wrong type was probably meant."""
    if expected == "array" and not isinstance(value, dict):
        return f"; write [{value}]"
    if expected not in ("integer", "number") or not isinstance(value, str):
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    if "e" in value.lower():
        return "; YAML reads 1e-3 as a text, so write 0.001 or 1.0e-3"
    return "; write it without quotes"


def _form(schema: dict) -> str:
    """In words, what a schema allows."""
    schema = _resolve(schema)
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "oneOf" in schema:
        return " or ".join(_form(choice) for choice in schema["oneOf"])
    if schema["type"] == "array":
        return f"a list, such as [1, 2], of which each is {_form(schema['items'])}"
    if schema["type"] == "object":
        return f"a section with the keys {' and '.join(schema['properties'])}"
    return {"null": "null"}.get(schema["type"]) or TYPES[schema["type"]]


def _most_telling(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Of a choice of forms none of which fits: the error inside the form that was meant, which is
    the one whose type is that of the value."""
    while error.validator == "oneOf":
        inner = [
            e
            for e in error.context
            if e.validator not in ("const", "type")
            or len(e.absolute_path) > len(error.absolute_path)
        ]
        if not inner:
            return error
        error = max(inner, key=lambda e: len(e.absolute_path))
    return error


def _unknown_keys(error: jsonschema.ValidationError) -> Iterator[str]:
    allowed = sorted(error.schema["properties"])
    for name in error.instance:
        if name in allowed:
            continue
        close = difflib.get_close_matches(str(name), allowed, n=1)
        elsewhere = _sections_with(name)
        hint = ""
        if close:
            hint = f"did you mean {close[0]}? "
        elif elsewhere:
            hint = f"it belongs in {' or '.join(elsewhere)}; "
        key = _key([*error.absolute_path, name])
        yield f"{key}: unknown key; {hint}allowed here: {', '.join(allowed)}"


def _sections_with(name: str) -> list[str]:
    """The places of a study that have a key of that name."""
    top = _schema()["properties"]
    places = ["the top of the file"] * (name in top)
    for section, schema in top.items():
        parts = [_resolve(schema)]
        parts += [_resolve(choice["then"]) for choice in parts[0].get("allOf", [])]
        places += [section] * any(name in part.get("properties", {}) for part in parts)
    return places


def _purpose(error: jsonschema.ValidationError) -> str:
    description = error.schema.get("description")
    return f". {description}" if description else ""


def _key(path: Iterator[str | int]) -> str:
    key = ""
    for part in path:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    return key or "the study"
