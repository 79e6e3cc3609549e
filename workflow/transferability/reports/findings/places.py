"""What may be read together: the rows of one kind of split, target size and target, judged."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from transferability.analysis.effects import EXCHANGEABLE, size_order
from transferability.analysis.intervals import OVER_SPLITS
from transferability.analysis.vocabulary import AT_ZERO

BELOW, ABOVE, HOLDS, UNTOLD = "below zero", "above zero", "holds zero", "no interval"
EXCLUDES = (BELOW, ABOVE)
HALVES = {
    EXCHANGEABLE: "random split",
    "dissimilar": "dissimilar halves",
    "natman": "natural and man-made halves (natman)",
    "all": "all classes",
}


class Place(NamedTuple):
    """Rows of effects.csv and boost.csv of one kind of split, target size and, but on random
    splits, target; both with the column verdict."""

    split_kind: str
    pool: str
    target_size: str
    effects: pd.DataFrame
    boost: pd.DataFrame

    @property
    def identity(self) -> str:
        """Its name inside the page, for links."""
        return "-".join(filter(None, [self.split_kind, self.pool, self.target_size]))

    @property
    def title(self) -> str:
        """Where its networks were trained, in words."""
        halves = HALVES.get(self.split_kind, f"{self.split_kind} split")
        if halves == HALVES[EXCHANGEABLE] and (self.effects["interval"] == OVER_SPLITS).any():
            halves += "s"
        words = [halves[:1].upper() + halves[1:]]
        words += [f"target {self.pool}"] if self.pool not in ("", "all") else []
        words += (
            [f"{self.target_size} training images a class"] if self.target_size != "all" else []
        )
        return ", ".join(words)

    @property
    def replicates(self) -> list[int]:
        """The numbers of replicates that its effects, or else its boosts, rest on."""
        rows = self.effects if len(self.effects) else self.boost
        return sorted(set(rows["replicates"].astype(int)))

    @property
    def noise(self) -> float | None:
        """How far training the base again moved its top-1: the further end of the interval of
        B0B − baseB, to either side; its mean where it has no interval, None without B0B."""
        rows = self.effects[self.effects["effect"] == "retraining"]
        return rows[["mean", "low", "high"]].abs().max(axis=None) if len(rows) else None

    def of(self, effect: str) -> pd.DataFrame:
        """The rows of one effect."""
        return self.effects[self.effects["effect"] == effect]


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a mean, with the column verdict: whether the interval lies below zero,
    above it or holds it, its ends included."""
    rows = rows[rows["mean"].notna()]
    verdict = np.select(
        [rows["low"].isna() | rows["high"].isna(), rows["high"] < -AT_ZERO, rows["low"] > AT_ZERO],
        [UNTOLD, BELOW, ABOVE],
        HOLDS,
    )
    return rows.assign(verdict=verdict, target_size=rows["target_size"].astype(str))


def places(effects: pd.DataFrame, boost: pd.DataFrame) -> list[Place]:
    """The places of a study: small target sizes first, and random splits before others."""
    by = ["size", "late", "split_kind", "pool"]

    def keyed(rows: pd.DataFrame) -> pd.DataFrame:
        rows = judged(rows)
        late = rows["split_kind"] != EXCHANGEABLE
        pool = rows["target"].where(late, "")
        return rows.assign(size=size_order(rows["target_size"]), late=late, pool=pool)

    tables = keyed(effects), keyed(boost)
    keys = pd.concat([table[[*by, "target_size"]] for table in tables]).drop_duplicates()
    found = []
    for key in keys.sort_values(by).itertuples(index=False):
        own = [
            table[
                (table["split_kind"] == key.split_kind)
                & (table["pool"] == key.pool)
                & (table["target_size"] == key.target_size)
            ]
            for table in tables
        ]
        found.append(Place(key.split_kind, key.pool, key.target_size, *own))
    return found
