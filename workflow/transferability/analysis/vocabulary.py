"""How figures and reports write numbers, intervals, layers and lists in English."""

from collections.abc import Iterable, Mapping
from itertools import groupby

import pandas as pd

# A smaller difference in top-1 is zero except for rounding.
AT_ZERO = 1e-9


def layer_ranges(numbers: Iterable[int]) -> list[str]:
    """`1–3`, `6`, `7`: three or more consecutive layers become a range; two do not."""
    ranges = []
    # For consecutive numbers, number minus position is constant.
    for _, places in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        run = [n for _, n in places]
        ranges += [f"{run[0]}–{run[-1]}"] if len(run) > 2 else map(str, run)
    return ranges


def points(difference: float, keep: bool = False) -> str:
    """A difference in top-1 in percentage points, e.g. −1.8.

    If `keep`, a nonzero difference that would read 0.0 is written up to its first digit (0.04).
    """
    decimals = 1
    if keep and abs(difference) > AT_ZERO:
        while float(f"{100 * difference:.{decimals}f}") == 0:
            decimals += 1
    # z: a number that rounds to zero has no sign.
    return f"{100 * difference:z.{decimals}f}".replace("-", "−")


def bracket(low: float, high: float) -> str:
    """An interval in percentage points, e.g. [−2.1, −1.5]; empty if there is none. A limit is
    written as zero only if it is zero."""
    return f"[{points(low, keep=True)}, {points(high, keep=True)}]" if pd.notna(low) else ""


def mean(row: Mapping) -> str:
    """The mean of a row in points, not written as zero if the interval excludes zero."""
    return points(row["mean"], keep=row["low"] * row["high"] > 0)


def measured(row: Mapping, unit: str = "") -> str:
    """The mean of a row with its interval: −1.8 points [−2.1, −1.5]."""
    return " ".join(filter(None, [mean(row), unit, bracket(row["low"], row["high"])]))


def listed(words: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def layers(numbers: Iterable[int]) -> str:
    """1–3, 6 and 7."""
    return listed(layer_ranges(numbers))
