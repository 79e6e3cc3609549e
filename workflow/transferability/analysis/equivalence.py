"""Whether layers transfer with a loss below a margin: equivalence in place of "contains zero"."""

from itertools import takewhile
from typing import NamedTuple

import numpy as np
from scipy import stats

from transferability.analysis.intervals import CONFIDENCE

MOST_REPLICATES = 1000


class Transferred(NamedTuple):
    """Rows of AnB − baseB, by n, whose lower limits lie above −margin, and the first whose does
    not (None if all do), with the replicates that it would need (None where none would do)."""

    shown: list[dict]
    first_not_shown: dict | None
    needed: int | None


def transferred(effects: list[dict], margin: float) -> Transferred:
    """The first n layers that transfer with a loss below `margin` (a fraction of top-1).

    `effects` are rows of the effect `transfer`, one for each n. The n are tested in their order,
    each at 95 %, up to the first that fails: in such a fixed sequence at most 5 % of studies make a
    false claim, without a correction for the number of n. Source: Maurer, Hothorn and Lehmacher
    1995, in Biometrie in der chemisch-pharmazeutischen Industrie 6, pages 3-18.
    """
    rows = sorted(effects, key=lambda row: row["n"])
    shown = list(takewhile(lambda row: row["lower"] > -margin, rows))
    failed = next(iter(rows[len(shown) :]), None)
    needed = failed and replicates_needed(failed["mean"], failed["std"], margin)
    return Transferred(shown, failed, needed)


def replicates_needed(mean: float, std: float, margin: float) -> int | None:
    """How many splits (or seeds) with this mean and std have a one-sided lower limit above −margin,
    by Student's t; None if no number up to MOST_REPLICATES has."""
    counts = np.arange(2, MOST_REPLICATES + 1)
    lower = mean - stats.t.ppf(CONFIDENCE, counts - 1) * std / np.sqrt(counts)
    enough = counts[lower > -margin]
    return int(enough[0]) if len(enough) else None
