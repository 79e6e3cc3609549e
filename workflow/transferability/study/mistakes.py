"""The mistakes that pydantic finds in a study, in words."""

import difflib
import json
import re
from collections.abc import Sequence
from typing import get_args

from transferability.study.schema import (
    GROUP_NAME,
    SOURCE_LETTER,
    STUDY_NAME,
    Word,
    json_schema,
)

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
    "string_pattern_mismatch": "{words}",
}
PATTERNS = {
    STUDY_NAME: "letters, digits, - and _, the first no - or _",
    SOURCE_LETTER: "a letter from C to Z, but not R or S",
    GROUP_NAME: "two or more letters, digits, - and _",
}


def describe(error: dict) -> str:
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
        bound = BOUNDS[kind].format(**limits, words=PATTERNS.get(limits.get("pattern")))
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
            else form.get("properties", {}).get(part)
            or form.get("additionalProperties")
            or next(iter(form.get("patternProperties", {}).values()), None)
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
