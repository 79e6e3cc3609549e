"""Groups of classes that a user names in a CSV file with the columns class, group."""

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

COLUMNS = ["class", "group"]


def read(path: Path | str) -> dict[str, str]:
    """Class → group, of a CSV file.

    Raises ValueError, naming `dataset.groups`, if there is no such file or it has another form.
    """
    try:
        # With the mark that spreadsheets put in front, and without it.
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise ValueError(
            f"dataset.groups: there is no file {path}; expected a CSV file with the columns "
            "class, group and a row for each class, or null"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"dataset.groups: {path} is no CSV file in UTF-8 ({error}); save it again as one"
        ) from error
    rows = [row for row in rows if row]
    if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise ValueError(
            f"dataset.groups: {path} is no CSV file with the two columns class, group; give it "
            "this first line and a row for each class"
        )
    group_of: dict[str, str] = {}
    for name, group in rows[1:]:
        if name in group_of:
            raise ValueError(f"dataset.groups: {path} names the class {name!r} twice; name it once")
        group_of[name] = group
    return group_of


def of_classes(path: Path | str, names: Sequence[str]) -> list[str]:
    """The group of each of the classes, in their order.

    Raises ValueError, naming `dataset.groups`, if the file lacks one of them, or names a class
    that is none of them.
    """
    group_of = read(path)
    mistakes = differences(
        {
            "it lacks": set(names) - set(group_of),
            "the dataset has no class": set(group_of) - set(names),
        }
    )
    if mistakes:
        raise ValueError(
            f"dataset.groups: {path} does not fit the classes: {mistakes}; give each class of the "
            "dataset one row"
        )
    return [group_of[name] for name in names]


def sizes(path: Path | str | None) -> dict[str, int]:
    """How many classes each group has, sorted by name; without a file, there are none."""
    groups = list(read(path).values()) if path is not None else []
    return {group: groups.count(group) for group in sorted(set(groups))}


def differences(by_kind: Mapping[str, Collection[str]]) -> str:
    """Which classes are at fault, after the words that say how; empty if there are none."""
    return "; ".join(
        f"{words} {first_of(sorted(classes))}" for words, classes in by_kind.items() if classes
    )


def first_of(names: Sequence[str], shown: int = 5) -> str:
    """The first of many names, in quotes, and how many more there are."""
    listed = ", ".join(map(repr, names[:shown]))
    return f"{listed} and {len(names) - shown} more" if len(names) > shown else listed
