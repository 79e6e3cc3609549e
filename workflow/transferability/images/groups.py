"""Groups of classes that a user names in a CSV file with the columns class, group."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from transferability.images import path_of

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""The first bytes of a file that Excel saved as Unicode text."""


def read(path: Path | str) -> dict[str, str]:
    """Class → group, from a CSV file written by hand or by a spreadsheet: it may have commas,
    semicolons or tabs, more columns, empty rows, and blanks around names.

    Raises ValueError, naming `dataset.groups` and the line, if there is no such file or it has
    another form.
    """
    group_of: dict[str, str] = {}
    try:
        if {"{", "}"} & set(str(path)):
            raise ValueError(": Snakemake reads braces as wildcards, so rename it")
        content = path_of(str(path)).read_bytes()
        # With or without the byte order mark that spreadsheets write first.
        text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8").lstrip("\ufeff")
        head = next(iter(text.splitlines()), "")
        delimiter = next((mark for mark in ";\t" if mark in head), ",")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = [cell.strip().lower() for cell in next(reader, [])]
        if columns.count("class") != 1 or columns.count("group") != 1:
            raise ValueError(f", line 1, has other columns: {head!r:.80}")
        for row in filter(any, reader):
            # The same normal form as for the names of folders (folder.Tree.by_class).
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
    """The group of each class, in the order of `names`.

    Raises ValueError, naming `dataset.groups`, if the file lacks one of these classes or has other
    classes.
    """
    group_of = read(path)
    # A folder's name may begin or end with a blank, which is not visible in a table.
    names = [name.strip() for name in names]
    if mistakes := differences(group_of, names, "the dataset has no class"):
        raise ValueError(
            f"dataset.groups: {path} does not match the classes: {mistakes}; give each class of "
            "the dataset one row"
        )
    return [group_of[name] for name in names]


def sizes(path: Path | str | None) -> dict[str, int]:
    """The number of classes of each group, sorted by name; empty without a file."""
    return dict(sorted(Counter(read(path).values()).items())) if path is not None else {}


def differences(names: Collection[str], expected: Collection[str], surplus: str) -> str:
    """A text that lists the expected classes that are missing and, after the words `surplus`, the
    classes that are not expected; empty if there are none."""
    mistakes = {
        "it lacks": sorted(set(expected) - set(names)),
        surplus: sorted(set(names) - set(expected)),
    }
    return "; ".join(f"{words} {first_of(wrong)}" for words, wrong in mistakes.items() if wrong)


def first_of(names: Sequence[str], shown: int = 5) -> str:
    """The first `shown` names, in quotes, and the number of the others."""
    listed = ", ".join(map(repr, names[:shown]))
    return f"{listed} and {len(names) - shown} more" if len(names) > shown else listed
