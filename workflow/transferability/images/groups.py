"""Groups of classes that a user names in a CSV file with the columns class, group."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from transferability.images import path_of

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""What a file begins with that Excel saved as Unicode text."""


def read(path: Path | str) -> dict[str, str]:
    """Class → group, of a CSV file as people and spreadsheets write it: with commas, semicolons or
    tabs, further columns, empty rows, and blanks around names.

    Raises ValueError, naming `dataset.groups` and the line, if there is no such file or it has
    another form.
    """
    group_of: dict[str, str] = {}
    try:
        if {"{", "}"} & set(str(path)):
            raise ValueError(": Snakemake reads braces as wildcards, so rename it")
        content = path_of(str(path)).read_bytes()
        # With the mark that spreadsheets put in front, and without it.
        text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8").lstrip("\ufeff")
        head = next(iter(text.splitlines()), "")
        delimiter = next((mark for mark in ";\t" if mark in head), ",")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = [cell.strip().lower() for cell in next(reader, [])]
        if columns.count("class") != 1 or columns.count("group") != 1:
            raise ValueError(f", line 1, has other columns: {head!r:.80}")
        for row in filter(any, reader):
            # As folders are named: see folder.Tree.by_class.
            cells = [unicodedata.normalize("NFC", cell.strip()) for cell in row]
            named = dict(zip(columns, cells, strict=False))
            name, group = named.get("class"), named.get("group")
            if any(cells) and (any(cells[len(columns) :]) or not (name and group)):
                wrong = f"{delimiter.join(row)!r:.80} is not a class and a group"
                raise ValueError(f", line {reader.line_num}: {wrong}")
            if name in group_of:
                raise ValueError(f", line {reader.line_num}, names the class {name!r} again")
            if name:
                group_of[name] = group
        if not group_of:
            raise ValueError(" has no rows")
    except (OSError, ValueError, csv.Error) as error:
        problem = str(error)
        if isinstance(error, OSError):
            problem = f" cannot be read ({error.strerror})"
        elif isinstance(error, UnicodeError | csv.Error):
            problem = f" cannot be read as CSV in UTF-8 ({error})"
        raise ValueError(
            f"dataset.groups: {path}{problem}; expected a CSV file in UTF-8 with the columns "
            "class, group and a row for each class, or null"
        ) from error
    return group_of


def of_classes(path: Path | str, names: Sequence[str]) -> list[str]:
    """The group of each of the classes, in their order.

    Raises ValueError, naming `dataset.groups`, if the file lacks one of them, or names a class
    that is none of them.
    """
    group_of = read(path)
    # A folder's name may begin or end with a blank, which nobody sees in a table.
    names = [name.strip() for name in names]
    if mistakes := differences(group_of, names, "the dataset has no class"):
        raise ValueError(
            f"dataset.groups: {path} does not match the classes: {mistakes}; give each class of "
            "the dataset one row"
        )
    return [group_of[name] for name in names]


def sizes(path: Path | str | None) -> dict[str, int]:
    """How many classes each group has, sorted by name; without a file, there are none."""
    return dict(sorted(Counter(read(path).values()).items())) if path is not None else {}


def differences(names: Collection[str], expected: Collection[str], surplus: str) -> str:
    """Which of the expected classes are lacking, and which there are beside them, after the words
    `surplus`; empty if none."""
    mistakes = {
        "it lacks": sorted(set(expected) - set(names)),
        surplus: sorted(set(names) - set(expected)),
    }
    return "; ".join(f"{words} {first_of(wrong)}" for words, wrong in mistakes.items() if wrong)


def first_of(names: Sequence[str], shown: int = 5) -> str:
    """The first of many names, in quotes, and how many more there are."""
    listed = ", ".join(map(repr, names[:shown]))
    return f"{listed} and {len(names) - shown} more" if len(names) > shown else listed
