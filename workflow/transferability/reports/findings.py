"""What the numbers say: the tables of effects and of the boost in, a page of sentences out.

The rows are judged and grouped here; all sentences are in templates/findings*.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from scipy import stats

from transferability.analysis.effects import EFFECTS, EXCHANGEABLE, size_order
from transferability.analysis.intervals import CONFIDENCE, OVER_SEEDS, OVER_SPLITS
from transferability.analysis.vocabulary import measured
from transferability.reports.judged import (
    ABOVE,
    BELOW,
    INCLUDES,
    KINDS,
    NO_VERDICT,
    Judged,
    judged,
)
from transferability.reports.render import Row, distinct, render

# On which side of zero each effect lies in the paper.
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
# The effects of Table 1 and the estimators, in the order of the page.
COMPARISONS = {"base": "boost", "selffer": "boost_over_selffer"}
ESTIMATORS = ("paired", "pooled", "through_base", "linear_model")
# With more replicates, Student's t reaches less than 3.2 standard errors.
FEW = (2, 3)
# A difference between means that shows in one decimal of a point.
VISIBLE = 0.0005
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
        rows = [row for row in self.effects if row["effect"] == "retraining"]
        ends = pd.DataFrame(rows, columns=["mean", "low", "high"]).abs()
        return ends.max(axis=None) if rows else None

    def of(self, effect: str) -> Judged:
        """The rows of one effect."""
        rows = [row for row in self.effects if row["effect"] == effect]
        return Judged(rows, EXPECTED[effect], None if effect == "retraining" else self.noise)

    @property
    def measured(self) -> list[str]:
        """The effects that have rows."""
        return [effect.name for effect in EFFECTS if self.of(effect.name).rows]

    @property
    def absent(self) -> list[str]:
        """The effects that have none."""
        return [effect.name for effect in EFFECTS if not self.of(effect.name).rows]

    @property
    def targets(self) -> dict[str, list[str]]:
        """The effects of each target, where they are not all of the same."""
        return {
            target: [
                name
                for name in self.measured
                if target in [row["target"] for row in self.of(name).rows]
            ]
            for target in sorted(distinct(self.effects, "target"))
        }

    @property
    def limits(self) -> list["Limit"]:
        """What limits the numbers: each kind of interval that occurs, one replicate, few."""
        rows = [*self.effects, *self.boost]
        over_replicates = [row for row in rows if row["interval"] in (OVER_SPLITS, OVER_SEEDS)]
        limits = [
            *(
                Limit(kind, self, [row for row in rows if row["interval"] == kind])
                for kind in KINDS
            ),
            Limit("one replicate", self, [row for row in rows if row["replicates"] == 1]),
            *(
                Limit(few, self, [row for row in over_replicates if row["replicates"] == few])
                for few in FEW
            ),
        ]
        return [limit for limit in limits if limit.rows]

    @property
    def comparisons(self) -> list["Comparison"]:
        """Table 1: AnB+ over the base and over BnB+."""
        comparisons = [
            # Over BnB+, the noise of the base is no part of the difference.
            Comparison(effect, name, rows, self.noise if name == "base" else None)
            for name, effect in COMPARISONS.items()
            if (rows := [row for row in self.boost if row["comparison"] == name])
        ]
        return comparisons


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
                rows = [row for row in effects if row["effect"] == name]
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


@dataclass(frozen=True)
class Comparison:
    """The boost averaged over layers, over the base or over BnB+, by each of its estimators."""

    effect: str
    name: str
    rows: list[Row]
    noise: float | None

    @property
    def estimators(self) -> list[str]:
        """Those that have rows."""
        return _names(self.rows)

    def of(self, layers: str) -> list[Row]:
        """The rows over some layers, by estimator."""
        rows = [row for row in self.rows if row["layers"] == layers]
        return sorted(rows, key=lambda row: ESTIMATORS.index(row["estimator"]))

    @property
    def alike(self) -> list[tuple[list[str], Judged]]:
        """The estimators that print the same numbers together, with the rows of one of them."""
        printed: dict[tuple, list[str]] = {}
        for name in self.estimators:
            rows = self._by(name)
            numbers = [(row["layers"], row["interval"], measured(row)) for row in rows]
            printed.setdefault(tuple(numbers), []).append(name)
        return [
            (names, Judged(self._by(names[0]), EXPECTED[self.effect], self.noise))
            for names in printed.values()
        ]

    def _by(self, estimator: str) -> list[Row]:
        return [row for row in self.rows if row["estimator"] == estimator]

    @property
    def disagreements(self) -> dict[tuple, list[str]]:
        """Where the verdicts differ: (verdict, its estimators) for each, and over which layers."""
        over: dict[tuple, list[str]] = {}
        for layers in distinct(self.rows, "layers"):
            rows = [
                row for row in self.rows if row["layers"] == layers and row["verdict"] != NO_VERDICT
            ]
            verdicts = distinct(rows, "verdict")
            if len(verdicts) > 1:
                named = tuple(
                    (verdict, tuple(_names([row for row in rows if row["verdict"] == verdict])))
                    for verdict in verdicts
                )
                over.setdefault(named, []).append(layers)
        return over

    @property
    def apart(self) -> float:
        """By how much the pooled and the paired estimate differ; 0 where that does not show."""
        means = {(row["estimator"], row["layers"]): row["mean"] for row in self.rows}
        differences = [
            abs(mean - means["pooled", layers])
            for (estimator, layers), mean in means.items()
            if estimator == "paired" and ("pooled", layers) in means
        ]
        return max((apart for apart in differences if apart > VISIBLE), default=0)

    @property
    def across_halves(self) -> dict[str, list[str]]:
        """The estimators that compare AnB+ on one half with controls on another, by these."""
        rows = [row for row in self.rows if " vs " in row["target"]]
        return {
            target: _names([row for row in rows if row["target"] == target])
            for target in sorted(distinct(rows, "target"))
        }

    @property
    def missing(self) -> int:
        """How many networks have no score."""
        return max(int(row["missing"]) for row in self.rows)

    @property
    def gaps(self) -> list[int]:
        """The layers that entered the widest average, where they are fewer than its label says."""
        widest = self.rows[0]
        first, last = map(int, widest["layers"].split("-"))
        entered = [int(n) for n in str(widest["n"]).split()]
        return [] if len(entered) == last - first + 1 else entered


def _names(rows: list[Row]) -> list[str]:
    """The estimators of some rows, in their order."""
    present = distinct(rows, "estimator")
    return [name for name in ESTIMATORS if name in present]


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
