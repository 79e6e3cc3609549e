"""What the numbers say: the tables of effects and of the boost in, a page of sentences out.

The rows are judged and grouped here; all sentences are in templates/findings*.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from scipy import stats

from transferability.analysis.effects import EXCHANGEABLE, size_order
from transferability.analysis.intervals import CONFIDENCE, OVER_SEEDS, OVER_SPLITS
from transferability.reports.judged import EXPECTED, KINDS, NO_VERDICT, Judged, judged
from transferability.reports.render import Row, distinct, matching, render
from transferability.reports.table1 import COMPARISONS, Comparison

# With more replicates, Student's t reaches less than 3.2 standard errors.
FEW = (2, 3)
# Numbers and formulas that stay on one line.
UNBROKEN = re.compile(
    r"\[[−\d., ]+\]|[−\d.]+ points|\bn = \d[\d–]*|\b\w+\+? − \w+\+?|\d+ %|Table 1"
)


def page(effects: pd.DataFrame, boost: pd.DataFrame) -> str:
    """A self-contained HTML page that says of every effect, at every n, whether its 95 % interval
    excludes zero, with its number, its interval and the caveats that apply; Table 1 likewise.

    `effects` and `boost` are effects.csv and boost.csv of one study.

    Raises ValueError when they are of several studies.
    """
    effects = effects[effects["estimator"] == "paired"]
    studies = sorted({*effects["study"], *boost["study"]})
    if len(studies) > 1:
        raise ValueError(f"the tables are of several studies: {', '.join(studies)}; give one")
    places = _places(effects, boost)
    rows = [row for place in places for row in place.effects]
    text = render(
        "findings.html.j2",
        studies=studies,
        places=places,
        rows=rows,
        with_interval=[row for row in rows if row["verdict"] != NO_VERDICT],
        by_chance=1 - CONFIDENCE,
    )
    return UNBROKEN.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


@dataclass(frozen=True)
class Place:
    """Rows of effects.csv and boost.csv of one kind of split, target size and, but on random
    splits, target (`pool`)."""

    split_kind: str
    pool: str
    target_size: str
    effects: list[Row]
    boost: list[Row]

    @property
    def identity(self) -> str:
        """Its name inside the page, for links."""
        return "-".join(filter(None, [self.split_kind, self.pool, self.target_size]))

    @property
    def replicates(self) -> list[int]:
        """The numbers of replicates of its effects, or else of its boosts."""
        return distinct(self.effects or self.boost, "replicates")

    @cached_property
    def noise(self) -> float | None:
        """The change from retraining the base: the far end of the interval of B0B − baseB, to
        either side; its mean where it has no interval, None without B0B."""
        rows = matching(self.effects, effect="retraining")
        return pd.DataFrame(rows)[["mean", "low", "high"]].abs().max(axis=None) if rows else None

    def of(self, effect: str) -> Judged:
        """The rows of one effect."""
        noise = None if effect == "retraining" else self.noise
        return Judged(matching(self.effects, effect=effect), EXPECTED[effect], noise)

    @property
    def measured(self) -> list[str]:
        """The effects that have rows."""
        return [effect for effect in EXPECTED if matching(self.effects, effect=effect)]

    @property
    def targets(self) -> dict[str, list[str]]:
        """The effects of each target."""
        return {
            target: [
                name for name in self.measured if target in distinct(self.of(name).rows, "target")
            ]
            for target in sorted(distinct(self.effects, "target"))
        }

    @property
    def limits(self) -> list["Limit"]:
        """What limits the numbers: each kind of interval that occurs, one replicate, few."""
        rows = [*self.effects, *self.boost]
        over_replicates = [row for row in rows if row["interval"] in (OVER_SPLITS, OVER_SEEDS)]
        cases = {kind: matching(rows, interval=kind) for kind in KINDS}
        cases["one replicate"] = matching(rows, replicates=1)
        cases |= {few: matching(over_replicates, replicates=few) for few in FEW}
        return [Limit(name, self, limited) for name, limited in cases.items() if limited]

    @property
    def comparisons(self) -> list[Comparison]:
        """Table 1: AnB+ over the base and over BnB+."""
        return [
            # Over BnB+, the noise of the base is no part of the difference.
            Comparison(name, rows, self.noise if name == "base" else None)
            for name in COMPARISONS
            if (rows := matching(self.boost, comparison=name))
        ]


@dataclass(frozen=True)
class Limit:
    """What limits some rows of a place: a kind of interval, or the number of replicates."""

    name: str | int
    place: Place
    rows: list[Row]

    @property
    def whereabouts(self) -> list[tuple[str, list[Row]]]:
        """What the rows are, empty where they are all of the place: the effect (`effects` for all
        of them, `table_1`), with its rows where they are not all."""
        place = self.place
        if len(self.rows) == len(place.effects) + len(place.boost):
            return []
        parts = []
        effects = [row for row in self.rows if "effect" in row]
        if effects and len(effects) == len(place.effects):
            parts.append(("effects", []))
        else:
            for name in distinct(effects, "effect"):
                rows = matching(effects, effect=name)
                parts.append((name, [] if len(rows) == len(place.of(name).rows) else rows))
        boost = [row for row in self.rows if "effect" not in row]
        if boost:
            parts.append(("table_1", [] if len(boost) == len(place.boost) else boost))
        return parts

    @property
    def reach(self) -> tuple[float, float]:
        """How many standard errors Student's t extends: with so few replicates, and with many."""
        quantile = (1 + CONFIDENCE) / 2
        return stats.t.ppf(quantile, self.name - 1), stats.norm.ppf(quantile)

    @property
    def over_splits(self) -> bool:
        """Whether there are intervals over splits; three replicates can be of two splits."""
        return any(row["interval"] == OVER_SPLITS for row in self.rows)


def _places(effects: pd.DataFrame, boost: pd.DataFrame) -> list[Place]:
    """The places of a study: small target sizes first, and random splits before others."""
    tables = []
    for rows in map(judged, (effects, boost)):
        other = rows["split_kind"] != EXCHANGEABLE
        rows = rows.assign(size=size_order(rows["target_size"]), other=other)
        tables.append(rows.assign(pool=rows["target"].where(other, "")).to_dict("records"))
    columns = ("size", "other", "split_kind", "pool", "target_size")
    keys = sorted({tuple(row[column] for column in columns) for rows in tables for row in rows})
    return [
        Place(
            *key[2:],
            *([row for row in rows if tuple(map(row.get, columns)) == key] for rows in tables),
        )
        for key in keys
    ]
