"""Class splits: the classes of a dataset, split into halves A and B, as a CSV file."""

import csv
import random
from collections.abc import Sequence
from pathlib import Path

from transferability.images.groups import differences
from transferability.storage import files


def draw_random(names: Sequence[str], number: int) -> dict[str, str]:
    """The random split with that number: class → half. The halves are equal, except that A gets an
    odd class (Yosinski et al. 2014, section 4.1). Raises ValueError for fewer than four classes."""
    if len(names) < 4:
        raise ValueError(
            f"splits.random: the dataset has {len(names)} classes, and each half needs at least 2; "
            "use a dataset of 4 or more"
        )
    order = list(names)
    # A separate generator, so that a split does not depend on other random numbers or the platform.
    random.Random(f"class split {number}").shuffle(order)
    in_a = set(order[: (len(order) + 1) // 2])
    return {name: "A" if name in in_a else "B" for name in names}


def draw_dissimilar(
    names: Sequence[str], groups: Sequence[str], halves: dict[str, list[str]]
) -> dict[str, str]:
    """The split by lists of groups, {"A": …, "B": …}: class → half. Halves may differ in size.

    Classes of other groups are in neither half. Raises ValueError if a half has fewer than two.
    """
    half_of = {group: half for half in halves for group in halves[half]}
    named = zip(names, groups, strict=True)
    split = {name: half_of[group] for name, group in named if group in half_of}
    for half in halves:
        if (size := [*split.values()].count(half)) < 2:
            raise ValueError(
                f"splits.dissimilar.{half}: the groups {', '.join(halves[half])} hold "
                f"{size} of the dataset's classes, but a half needs at least 2; "
                "name other groups or use more classes"
            )
    return split


def draw_published(names: Sequence[str], path: Path | str, split: str) -> dict[str, str]:
    """A split of the 2014 paper, class → half, from the column `split` of a CSV file in which the
    column wnid has the classes.

    Raises ValueError, naming the first classes that differ, if the file has other classes.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        half_of = {row["wnid"]: row[split] for row in csv.DictReader(file)}
    if mistakes := differences(names, half_of, "the paper does not have"):
        raise ValueError(
            f"splits.published: {split} splits the {len(half_of)} classes of ILSVRC-2012, which "
            f"are not those of the dataset: {mistakes}; use all of ILSVRC-2012, or set "
            "splits.random instead"
        )
    return {name: half_of[name] for name in names}


def write(split: dict[str, str], path: Path | str) -> None:
    """Write a split as CSV with the columns class, half."""
    files.write_table(path, ("class", "half"), split.items())


def read(path: Path | str, names: Sequence[str]) -> dict[str, list[int]]:
    """The indices in the store of the classes of each half, in store order: {"A": …, "B": …}; or
    {"B": …} if half B has all classes.

    `names` are the store's classes. Raises ValueError, naming the file, if it does not match them.
    """
    index = {name: i for i, name in enumerate(names)}
    halves: dict[str, list[int]] = {"A": [], "B": []}
    problem = "a half has fewer than two classes"
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                halves[row["half"]].append(index.pop(row["class"]))
    except (UnicodeDecodeError, csv.Error, KeyError) as error:
        problem, halves = f"cannot be read ({type(error).__name__}: {error})", {}
    if not index and not halves.get("A", True):
        del halves["A"]
    if min(map(len, halves.values()), default=0) < 2:
        raise ValueError(
            f"{path}: {problem}; expected a CSV file with the columns class, half and each class "
            f"of the image store in one row at most; delete {path} and run again"
        )
    return {half: sorted(indices) for half, indices in halves.items()}
