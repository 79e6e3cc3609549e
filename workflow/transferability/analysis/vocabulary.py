"""How figures and reports write numbers, intervals, layers and lists in English."""

from collections.abc import Iterable, Sequence

import pandas as pd

# Below this, a difference in top-1 is zero and what is left of it rounding.
AT_ZERO = 1e-9


def layer_ranges(numbers: Iterable[int]) -> list[str]:
    """`1–3`, `6`, `7`: three or more layers in a row are a range; two are no shorter as one."""
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return [
        text
        for run in runs
        for text in ([f"{run[0]}–{run[-1]}"] if len(run) > 2 else map(str, run))
    ]


def points(difference: float, keep: bool = False) -> str:
    """A difference in top-1 in percentage points, such as −1.8.

    One that would read 0.0 without being zero keeps its first digit (0.04) if `keep`.
    """
    decimals = 1
    if keep and abs(difference) > AT_ZERO:
        while float(f"{100 * difference:.{decimals}f}") == 0:
            decimals += 1
    # z: what rounds to zero has no sign.
    return f"{100 * difference:z.{decimals}f}".replace("-", "−")


def bracket(low: float, high: float) -> str:
    """An interval in percentage points, such as [−2.1, −1.5]; empty where there is none. It never
    seems to end at zero where it does not."""
    return f"[{points(low, keep=True)}, {points(high, keep=True)}]" if pd.notna(low) else ""


def measured(row: pd.Series, unit: str = "") -> str:
    """The mean of a row with its interval: −1.8 points [−2.1, −1.5]."""
    # A mean that is told from zero must not read as zero.
    mean = points(row["mean"], keep=row["low"] * row["high"] > 0)
    return " ".join(filter(None, [mean, unit, bracket(row["low"], row["high"])]))


def several_measured(rows: pd.DataFrame, after: Iterable[str] = ()) -> str:
    """−1.8 points [−2.1, −1.5] and −3.0 [−3.3, −2.7]; each followed by its word of `after`."""
    texts = [
        measured(row, "points" if place == 0 else "")
        for place, (_, row) in enumerate(rows.iterrows())
    ]
    words = list(after) or [""] * len(texts)
    return listed(f"{text} {word}".strip() for text, word in zip(texts, words, strict=True))


def listed(words: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def layers(numbers: Iterable[int]) -> str:
    """1–3, 6 and 7."""
    return listed(layer_ranges(numbers))


def at_n(rows: pd.DataFrame) -> str:
    """`at n = 1–3 and 7`; empty for effects that copy no layers."""
    return f"at n = {layers(rows['n'])}" if (rows["n"] > 0).any() else ""


def counted(number: int, noun: str) -> str:
    """One replicate, 4 replicates."""
    return f"one {noun}" if number == 1 else f"{number} {noun}s"


def span(numbers: Sequence[int], noun: str) -> str:
    """One replicate, 4 replicates, or 1 to 4 replicates."""
    low, high = min(numbers), max(numbers)
    return counted(high, noun) if low == high else f"{low} to {high} {noun}s"


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."
