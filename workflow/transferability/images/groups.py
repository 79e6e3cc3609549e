"""Groups of classes that a user names in a CSV file with the columns class, group."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from transferability.images import path_of

COLUMNS = {"class", "group"}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""What a file begins with that Excel saved as Unicode text."""


def read(path: Path | str) -> dict[str, str]:
    """Class → group, of a CSV file as people and spreadsheets write it: with commas, semicolons or
    tabs, further columns, empty rows, and blanks around names.

    Raises ValueError, naming `dataset.groups` and the line, if there is no such file or it has
    another form.
    """

    def unfit(problem: str) -> ValueError:
        return ValueError(
            f"dataset.groups: {path}{problem}; expected a CSV file in UTF-8 with the columns "
            "class, group and a row for each class, or null"
        )

    if {"{", "}"} & set(str(path)):
        raise unfit(": Snakemake takes what is in braces for a wildcard, so rename the file")
    try:
        content = path_of(str(path)).read_bytes()
        # With the mark that spreadsheets put in front, and without it.
        text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8").lstrip("\ufeff")
        head = next(iter(text.splitlines()), "")
        delimiter = next((mark for mark in ";\t" if mark in head), ",")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        # As folders are named: see folder.Tree.by_class.
        rows = [
            (reader.line_num, [unicodedata.normalize("NFC", cell.strip()) for cell in row])
            for row in reader
        ]
    except OSError as error:
        raise unfit(f" cannot be read ({error.strerror})") from None
    except (UnicodeError, csv.Error) as error:
        raise unfit(f" cannot be read as CSV in UTF-8 ({error})") from error
    columns = [cell.lower() for cell in rows[0][1]] if rows else []
    if any(columns.count(column) != 1 for column in COLUMNS):
        raise unfit(f", line 1, has other columns: {head!r:.80}")
    group_of: dict[str, str] = {}
    for line, row in filter(lambda entry: any(entry[1]), rows[1:]):
        cells = dict(zip(columns, row, strict=False))
        if any(row[len(columns) :]) or not (cells.get("class") and cells.get("group")):
            raise unfit(f", line {line}: {delimiter.join(row)!r:.80} is no class and group")
        if cells["class"] in group_of:
            raise unfit(f", line {line}, names the class {cells['class']!r} again")
        group_of[cells["class"]] = cells["group"]
    if not group_of:
        raise unfit(" has no rows")
    return group_of


def of_classes(path: Path | str, names: Sequence[str]) -> list[str]:
    """The group of each of the classes, in their order.

    Raises ValueError, naming `dataset.groups`, if the file lacks one of them, or names a class
    that is none of them.
    """
    group_of = read(path)
    # A folder's name may begin or end with a blank, which nobody sees in a table.
    names = [name.strip() for name in names]
    mistakes = differences(group_of, names, "the dataset has no class")
    if mistakes:
        raise ValueError(
            f"dataset.groups: {path} does not fit the classes: {mistakes}; give each class of the "
            "dataset one row"
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
