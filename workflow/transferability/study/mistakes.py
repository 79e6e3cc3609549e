"""Describes in words the mistakes that pydantic finds in a study."""

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any, get_args

from transferability.study.schema import StudyConfig
from transferability.study.sections import Section

RENAMED = {"mirror": "horizontal_flip", "resized_crop": "random_resized_crop", "own": "custom"}

EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a finite number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a section of keys and values",
    "model_type": "a section of keys and values",
    "union_tag_not_found": "a section of keys and values",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "greater_than": "more than {gt:g}",
    "less_than": "less than {lt:g}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "text that matches {pattern}",
    "invalid_key": "text as the name of a key; in numbers, write a point, not a comma",
}
"""The expected value for each of pydantic's error types."""


def describe(error: dict) -> str:
    """A mistake in words: the key, its value, the allowed values and the description of the key."""
    location, kind, value = error["loc"], error["type"], error["input"]
    limits = error.get("ctx", {})
    if location[-1:] == ("[key]",):
        location = location[:-2]
    key, (sections, about) = _key(location), _place(location)
    purpose = f". {about}" if about else ""
    if kind == "value_error":
        return f"{key}: {limits['error']}"
    if kind == "extra_forbidden":
        return f"{key}: unknown key; {_meant_key(location[-1], _place(location[:-1])[0][0])}"
    if kind == "missing":
        return f"{_key(location[:-1])}: the key {location[-1]!r} is missing{purpose}"
    if kind == "union_tag_invalid":
        chosen = "source" if "source" in sections[0].model_fields else "name"
        return f"{key}.{chosen}: {_choose(value[chosen], limits['expected_tags'])}"
    if kind == "literal_error":
        return f"{key}: {_choose(value, limits['expected'])}{purpose}"
    expected = EXPECTED.get(kind, error["msg"]).format(**limits) + _hint(kind, value)
    return f"{key}: {_shown(value)} is not valid; expected {expected}{purpose}"


def _place(location: Sequence[str | int]) -> tuple[list[type[Section]], str]:
    """The sections that are allowed at a place of the study, and the description of its key."""
    sections, about = [StudyConfig], ""
    for part in location:
        if _is_tag(part):
            # Names the section that the error is about, such as <glyphs>.
            sections = [s for s in sections if part[1:-1] in _names(s)] or sections
        # An index of a list and the letter of a source are not keys of a section.
        elif fields := [s.model_fields[part] for s in sections if part in s.model_fields]:
            sections = [s for field in fields for s in _sections(field.annotation)]
            about = " ".join((fields[0].description or "").split())
    return sections, about


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith("<")


def _sections(annotation: Any) -> list[type[Section]]:
    """The sections that a value of this type can be or contain."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def _names(section: type[Section]) -> tuple[str, ...]:
    """The names that select this section: a dataset's source, an architecture's name."""
    field = section.model_fields.get("source") or section.model_fields.get("name")
    return get_args(field.annotation) if field else ()


def _choose(value: object, allowed: str) -> str:
    names = re.findall(r"'<?(.+?)>?'", allowed)
    new = RENAMED.get(str(value))
    hint = f"it is now called {new}; " if new in names else ""
    return f"{_shown(value)} is not allowed; {hint}choose one of {', '.join(names)}"


def _shown(value: object) -> str:
    # A list or section is not printed, since it may contain itself.
    if isinstance(value, list | dict):
        return "this list" if isinstance(value, list) else "this section"
    return json.dumps(value, ensure_ascii=False, default=str)


def _hint(kind: str, value: object) -> str:
    """A suggestion of what a value of the wrong type was meant to be."""
    if kind == "string_type" and not isinstance(value, dict | list):
        return "; YAML reads yes, no, null, numbers and dates as other types; write it in quotes"
    if kind == "list_type" and not isinstance(value, dict):
        return f"; write [{value}]" if isinstance(value, int) else "; write e.g. [1, 2, 3]"
    looks_like_number = isinstance(value, str) and re.fullmatch(r"[-+.\de]+", value)
    if kind in ("int_type", "float_type") and looks_like_number:
        return ", not text; write it without quotes, and 1e-3 as 0.001 or 1.0e-3"
    return ""


def _meant_key(name: str, section: type[Section]) -> str:
    """A suggestion for an unknown key: a similar key, or the section where it belongs."""
    elsewhere = ["the top of the file"] * (name in StudyConfig.model_fields)
    for key, field in StudyConfig.model_fields.items():
        elsewhere += [key] * any(name in s.model_fields for s in _sections(field.annotation))
    hint = f"it belongs in {' or '.join(elsewhere)}; " if elsewhere else ""
    if close := difflib.get_close_matches(name, section.model_fields, n=1):
        hint = f"did you mean {close[0]}? "
    return f"{hint}allowed here: {', '.join(sorted(section.model_fields))}"


def _key(location: Sequence[str | int]) -> str:
    parts = (
        f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in location
        if not _is_tag(part)
    )
    return "".join(parts).removeprefix(".") or "the study"
