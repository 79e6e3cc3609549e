"""Tests whether layers transfer with a loss below a margin (an equivalence test)."""

from itertools import takewhile
from typing import NamedTuple

import numpy as np
from scipy import stats

from transferability.analysis.intervals import CONFIDENCE

MOST_REPLICATES = 1000


class Transferred(NamedTuple):
    """The first rows of AnB − baseB, by n, that have lower limits above −margin; the next row (None
    if there is none); and the number of replicates that it needs (None if no number is enough)."""

    shown: list[dict]
    first_not_shown: dict | None
    needed: int | None


def transferred(effects: list[dict], margin: float) -> Transferred:
    """The first n layers that transfer with a loss below `margin` (a fraction of top-1).

    `effects` are rows of the effect `transfer`, one for each n. The n are tested in ascending
    order, each at 95 %, up to the first that fails. In such a fixed sequence, at most 5 % of
    studies make a false claim, without a correction for the number of n. Source: Maurer, Hothorn
    and Lehmacher 1995, in Biometrie in der chemisch-pharmazeutischen Industrie 6, pages 3-18.
    """
    rows = sorted(effects, key=lambda row: row["n"])
    shown = list(takewhile(lambda row: row["lower"] > -margin, rows))
    failed = next(iter(rows[len(shown) :]), None)
    needed = failed and replicates_needed(failed["mean"], failed["std"], margin)
    return Transferred(shown, failed, needed)


def replicates_needed(mean: float, std: float, margin: float) -> int | None:
    """The number of splits (or seeds) with this mean and std that brings the one-sided lower limit
    (Student's t) above −margin; None if MOST_REPLICATES are not enough."""
    counts = np.arange(2, MOST_REPLICATES + 1)
    lower = mean - stats.t.ppf(CONFIDENCE, counts - 1) * std / np.sqrt(counts)
    enough = counts[lower > -margin]
    return int(enough[0]) if len(enough) else None
