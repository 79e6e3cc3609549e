"""Table 1 of the paper: the boost averaged over layers, by each of its estimators."""

from dataclasses import dataclass

from transferability.analysis.vocabulary import measured
from transferability.reports.judged import EXPECTED, NO_VERDICT, Judged
from transferability.reports.render import Row, distinct, matching

# What AnB+ is compared with, and which effect this is.
COMPARISONS = {"base": "boost", "selffer": "boost_over_selffer"}
# In the order of the page.
ESTIMATORS = ("paired", "pooled", "through_base", "linear_model")
# A difference between means that shows in one decimal of a point.
VISIBLE = 0.0005


@dataclass(frozen=True)
class Comparison:
    """The rows of boost.csv that compare AnB+ with the base, or with BnB+ (`name`)."""

    name: str
    rows: list[Row]
    noise: float | None

    @property
    def effect(self) -> str:
        """The effect that is averaged."""
        return COMPARISONS[self.name]

    @property
    def estimators(self) -> list[str]:
        """Those that have rows."""
        return _estimators(self.rows)

    def over(self, layers: str) -> list[Row]:
        """The rows over these layers, by estimator."""
        rows = matching(self.rows, layers=layers)
        return sorted(rows, key=lambda row: ESTIMATORS.index(row["estimator"]))

    @property
    def alike(self) -> list[tuple[list[str], Judged]]:
        """The estimators that print the same numbers together, with the rows of one of them."""
        printed: dict[tuple, list[str]] = {}
        for name in self.estimators:
            rows = matching(self.rows, estimator=name)
            numbers = [(row["layers"], row["interval"], measured(row)) for row in rows]
            printed.setdefault(tuple(numbers), []).append(name)
        return [
            (names, Judged(rows, EXPECTED[self.effect], self.noise))
            for names in printed.values()
            if (rows := matching(self.rows, estimator=names[0]))
        ]

    @property
    def disagreements(self) -> dict[tuple, list[str]]:
        """Where the verdicts differ: (verdict, its estimators) for each, and over which layers."""
        over: dict[tuple, list[str]] = {}
        for layers in distinct(self.rows, "layers"):
            rows = matching(self.rows, layers=layers)
            verdicts = [name for name in distinct(rows, "verdict") if name != NO_VERDICT]
            if len(verdicts) > 1:
                key = tuple((v, tuple(_estimators(matching(rows, verdict=v)))) for v in verdicts)
                over.setdefault(key, []).append(layers)
        return over

    @property
    def apart(self) -> float:
        """By how much the pooled and the paired estimate differ; 0 where that does not show."""
        differences = [
            abs(paired["mean"] - pooled["mean"])
            for paired in matching(self.rows, estimator="paired")
            for pooled in matching(self.rows, estimator="pooled", layers=paired["layers"])
        ]
        return max((apart for apart in differences if apart > VISIBLE), default=0)

    @property
    def across_halves(self) -> dict[str, list[str]]:
        """The estimators that compare AnB+ on one half with controls on another, by these."""
        targets = [target for target in distinct(self.rows, "target") if " vs " in target]
        return {
            target: _estimators(matching(self.rows, target=target)) for target in sorted(targets)
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


def _estimators(rows: list[Row]) -> list[str]:
    """The estimators of these rows, in the order of the page."""
    present = distinct(rows, "estimator")
    return [name for name in ESTIMATORS if name in present]
