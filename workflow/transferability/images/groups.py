"""Groups of classes that a user names in a CSV file with the columns class, group."""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

COLUMNS = ["class", "group"]


def read(path: Path | str) -> dict[str, str]:
    """Class → group, of a CSV file.

    Raises ValueError, naming `dataset.groups`, if there is no such file or it has another form.
    """

    def unfit(problem: str) -> ValueError:
        return ValueError(
            f"dataset.groups: {problem}; expected a CSV file in UTF-8 with the columns class, "
            "group and a row for each class, or null"
        )

    try:
        # With the mark that spreadsheets put in front, and without it.
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        raise unfit(f"there is no file {path}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise unfit(f"{path} cannot be read as CSV in UTF-8 ({error})") from error
    if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise unfit(f"{path} has other columns, or a row with more or fewer")
    for name, count in Counter(name for name, _ in rows[1:]).items():
        if count > 1:
            raise ValueError(f"dataset.groups: {path} names the class {name!r} twice; name it once")
    return dict(rows[1:])


def of_classes(path: Path | str, names: Sequence[str]) -> list[str]:
    """The group of each of the classes, in their order.

    Raises ValueError, naming `dataset.groups`, if the file lacks one of them, or names a class
    that is none of them.
    """
    group_of = read(path)
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
