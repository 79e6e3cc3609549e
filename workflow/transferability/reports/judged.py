"""Rows of effects.csv and boost.csv with a verdict, grouped as sentences tell of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from transferability.analysis.intervals import (
    MODERATED_OVER_SEEDS,
    MODERATED_OVER_SPLITS,
    NO_INTERVAL,
    OF_MODEL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    UNPAIRED,
)
from transferability.analysis.vocabulary import AT_ZERO
from transferability.reports.render import Row, distinct, matching

BELOW, ABOVE, INCLUDES, NO_VERDICT = "below zero", "above zero", "includes zero", "no interval"
# Where each effect lies in the paper.
EXPECTED = {
    "coadaptation": BELOW,
    "recovery": ABOVE,
    "specificity": BELOW,
    "transfer": BELOW,
    "boost": ABOVE,
    "boost_over_selffer": ABOVE,
    "self_boost": ABOVE,
    "long_base": ABOVE,
    "random": BELOW,
    "retraining": INCLUDES,
}
# In the order of the sentences.
KINDS = (
    MODERATED_OVER_SPLITS,
    MODERATED_OVER_SEEDS,
    OVER_SPLITS,
    OVER_SEEDS,
    OF_MODEL,
    OVER_IMAGES,
    UNPAIRED,
    NO_INTERVAL,
)


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a mean, with the column verdict: whether the interval lies below zero,
    above it or includes it, its ends counted in."""
    rows = rows[rows["mean"].notna()]
    low, high = rows["low"], rows["high"]
    verdict = np.select(
        [low.isna() | high.isna(), high < -AT_ZERO, low > AT_ZERO],
        [NO_VERDICT, BELOW, ABOVE],
        INCLUDES,
    )
    return rows.assign(verdict=verdict, target_size=rows["target_size"].astype(str))


def excludes_zero(row: Row) -> bool:
    """Whether the row's interval lies to one side of zero."""
    return row["verdict"] in (BELOW, ABOVE)


def of_one_replicate(row: Row) -> bool:
    """Whether the row's interval is over the validation images of one replicate."""
    return row["interval"] in (OVER_IMAGES, UNPAIRED)


@dataclass(frozen=True)
class Group:
    """Rows with one kind of interval and one verdict."""

    interval: str
    verdict: str
    rows: list[Row]

    @property
    def by_size(self) -> list[Row]:
        """The rows, the smallest difference first."""
        return sorted(self.rows, key=lambda row: abs(row["mean"]))

    @property
    def largest(self) -> Row:
        """The row with the largest difference, the first of several."""
        return max(self.rows, key=lambda row: abs(row["mean"]))

    @property
    def replicates(self) -> list[int]:
        """The different numbers of replicates."""
        return distinct(self.rows, "replicates")

    @property
    def excludes_zero(self) -> bool:
        """Whether the intervals lie to one side of zero."""
        return excludes_zero(self.rows[0])

    @property
    def of_one_replicate(self) -> bool:
        """Whether the intervals are over the validation images of one replicate."""
        return of_one_replicate(self.rows[0])


@dataclass(frozen=True)
class Judged:
    """The rows of one effect, or of one estimator of Table 1; `expected` is the verdict of the
    paper, `noise` the size of training noise, None where it is unknown."""

    rows: list[Row]
    expected: str
    noise: float | None = None

    @property
    def groups(self) -> list[Group]:
        """The rows by kind of interval and verdict, the expected verdict first."""
        verdicts = dict.fromkeys([self.expected, BELOW, ABOVE, INCLUDES, NO_VERDICT])
        groups = [
            Group(kind, verdict, matching(self.rows, interval=kind, verdict=verdict))
            for kind in KINDS
            for verdict in verdicts
        ]
        return [group for group in groups if group.rows]

    @property
    def by_verdict(self) -> dict[str, list[Row]]:
        """The rows of each verdict that occurs."""
        verdicts = [ABOVE, BELOW, NO_VERDICT, INCLUDES]
        return {name: rows for name in verdicts if (rows := matching(self.rows, verdict=name))}

    @property
    def seen(self) -> list[Row]:
        """The rows of one replicate whose interval excludes zero."""
        return [row for row in self.rows if of_one_replicate(row) and excludes_zero(row)]

    def beyond_noise(self, rows: list[Row]) -> list[Row]:
        """Of these rows, those that are larger than training noise."""
        return [row for row in rows if abs(row["mean"]) > self.noise]
