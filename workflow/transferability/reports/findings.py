"""Makes a page of numbers and sentences, findings.html, from the tables of a study.

The rows are grouped here; all sentences are in templates/findings*.
"""

import re
from dataclasses import dataclass
from math import ceil

import pandas as pd

from transferability.analysis.effects import EXCHANGEABLE, checked, letters, size_order
from transferability.analysis.equivalence import Transferred, transferred
from transferability.analysis.intervals import CONFIDENCE
from transferability.analysis.treatments import COPY_A_SOURCE, EFFECTS
from transferability.reports.render import Row, distinct, matching, render
from transferability.study.learned import reason

SIGNIFICANCE = 1 - CONFIDENCE
# Numbers and formulas that must not be broken across lines.
UNBROKEN = re.compile(
    r"\[[−\d., ]+\]|[−\d.]+ points?|\bn = \d[\d–]*|\b\w+\+? − \w+\+?|[\d.]+ %|Table 1"
)
COLUMNS = ("size", "other", "split_kind", "letter", "pool", "target_size")


@dataclass(frozen=True)
class Place:
    """The rows of the tables for one kind of split, one source or group of sources (empty for
    halves, and for controls that sources share), one target size and, except on random splits, one
    target (`pool`). `networks` is the same for all sources and includes the controls."""

    split_kind: str
    source: str
    pool: str
    target_size: str
    margin: float
    networks: list[Row]
    effects: list[Row]
    boost: list[Row]
    decision: list[Row]

    @property
    def identity(self) -> str:
        """The id of this place on the page."""
        return "-".join(filter(None, [self.split_kind, self.source, self.pool, self.target_size]))

    @property
    def bases(self) -> list[Row]:
        """The bases of the target halves."""
        targets = {target for row in self.effects for target in row["target"].split("+")}
        return [
            row
            for row in matching(self.networks, kind="base")
            if row["target"] in targets and pd.notna(row["top1"])
        ]

    @property
    def of_group(self) -> list[Row]:
        """The networks that copy a source of this group."""
        return [row for row in self.networks if self.source == row["source_group"] != ""]

    @property
    def letters(self) -> str:
        """The source, or the sources of the group, e.g. P/Q."""
        return "/".join(sorted(distinct(self.of_group, "letter"))) or self.source

    @property
    def replicated(self) -> bool:
        """Whether any effect has several replicates, and therefore a p."""
        return any(pd.notna(row["p"]) for row in self.effects)

    @property
    def unit(self) -> str:
        """The unit of intervals over replicates: source, split or seed."""
        if self.of_group:
            return "source"
        return "split" if len(distinct(self.networks, "split")) > 1 else "seed"

    def units(self, row: Row) -> int:
        """The number of units (see `unit`) in a row."""
        seeds = len(distinct(self.networks, "seed")) if self.unit != "seed" else 1
        return ceil(row["replicates"] / seeds)

    def of(self, effect: str) -> list[Row]:
        """The rows of one effect."""
        return matching(self.effects, effect=effect)

    @property
    def cell(self) -> tuple[str, str, str]:
        """The key that the places of several sources share."""
        return self.split_kind, self.pool, self.target_size

    @property
    def imported(self) -> bool:
        """Whether the source was imported (not trained here)."""
        return bool(matching(self.networks, source=self.source, source_kind="weights"))

    @property
    def decided(self) -> dict[str, Row | float | None] | None:
        """The result on how many layers to freeze: the rows of n*, of the best n and of the first n
        that fails, and the accuracy with none frozen; None without a verdict."""
        if not self.decision or pd.isna(self.decision[0]["n_star"]):
            return None
        by_n = {row["n"]: row for row in self.decision}
        full = [
            row["top1_reporting"]
            for row in matching(self.networks, kind="partial", n=0)
            if pd.notna(row["top1_reporting"]) and row["letter"] in self.letters
        ]
        return {
            "star": by_n.get(self.decision[0]["n_star"]),
            "best": by_n.get(self.decision[0]["n_best"]),
            "failed": next((row for row in self.decision if row["lower"] <= -self.margin), None),
            "full": sum(full) / len(full),
        }

    @property
    def without_control(self) -> list[str]:
        """The effects that have networks, but no controls."""
        treated = {(row["kind"], row["fine_tuned"]) for row in self.networks if row["n"] > 0}
        kinds = "sources" if self.source else "halves"
        return [
            effect.name
            for effect in EFFECTS
            if effect.treated in treated
            and effect.layers_copied
            and effect.only in ("", kinds)
            and (effect.treated[0] in COPY_A_SOURCE) == bool(self.source)
            and not self.of(effect.name)
        ]

    @property
    def transferred(self) -> dict[str, Transferred]:
        """The layers that transfer with a loss below the margin, by estimator."""
        judged = by_estimator(self.of("transfer"))
        return {name: transferred(rows, self.margin) for name, rows in judged.items()}


def by_estimator(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows with a p, one for each n: with all networks (`paired`) and, if some did not learn,
    without these (`paired_learned`)."""
    judged = [row for row in rows if pd.notna(row["p"])]
    every = matching(judged, estimator="paired")
    learned = {row["n"]: row for row in matching(judged, estimator="paired_learned")}
    groups = {"paired": every}
    if learned:
        groups["paired_learned"] = [learned.get(row["n"], row) for row in every]
    return {name: group for name, group in groups.items() if group}


def signs(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows by their result: below zero, above zero, or neither."""
    groups: dict[str, list[Row]] = {"below": [], "above": [], "neither": []}
    for row in rows:
        sign = "below" if row["mean"] < 0 else "above"
        groups[sign if found(row) else "neither"].append(row)
    return groups


def found(row: Row) -> bool:
    """Whether the mean differs from zero, corrected for the number of n."""
    return row["p_holm"] < SIGNIFICANCE


def page(
    networks: pd.DataFrame,
    effects: pd.DataFrame,
    boost: pd.DataFrame,
    margin: float,
    decision: pd.DataFrame | None = None,
) -> str:
    """A self-contained HTML page: how many layers to freeze, if there is a `decision`; base
    accuracy and chance; the networks that did not learn; up to which layer features transfer with a
    loss below `margin`; every effect; and Table 1.

    `networks`, `effects`, `boost` and `decision` are the tables of one study. Raises ValueError if
    they contain several studies.
    """
    studies = sorted({*networks["study"], *effects["study"], *boost["study"]})
    if len(studies) > 1:
        raise ValueError(f"the tables are of several studies: {', '.join(studies)}; give one")
    networks = checked(networks)
    # P7f0B and P7f7B are the same networks as P7B+ and P7B, trained only once.
    partial = networks["kind"].str.endswith("partial")
    twins = partial & ((networks["n"] == 0) | (networks["n"] == networks["copied"]))
    trained = networks[~twins]
    base_failed = trained.get("base_learned", pd.Series(True, trained.index)).eq(False)
    text = render(
        "findings.html.j2",
        studies=studies,
        trained=int(trained["top1"].notna().sum()),
        failed=[
            {**row, "why": reason(row) if row["failed"] else "its base did not learn"}
            for row in trained[trained["failed"] | base_failed].to_dict("records")
        ],
        at_edge=int(trained["at_edge"].sum()) if "at_edge" in trained else None,
        places=_places(networks, effects, boost, decision, margin),
        names=[effect.name for effect in EFFECTS],
        margin=margin,
        by_estimator=by_estimator,
        signs=signs,
        found=found,
    )
    return UNBROKEN.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def _places(
    networks: pd.DataFrame,
    effects: pd.DataFrame,
    boost: pd.DataFrame,
    decision: pd.DataFrame | None,
    margin: float,
) -> list[Place]:
    """The places that have effects, in order: small target sizes first, random splits before
    others, and shared controls after the sources."""
    # With few n, the averages over layers 3-7 and 5-7 are of the same networks.
    boost = boost.drop_duplicates(boost.columns.drop("layers"))
    tables = []
    for rows in (networks, effects, boost, effects[:0] if decision is None else decision):
        other = rows["split_kind"] != EXCHANGEABLE
        rows = rows.assign(size=size_order(rows["target_size"]), other=other, letter=letters(rows))
        rows = rows.assign(pool=rows["target"].where(other, ""))
        tables.append(rows.astype({"target_size": str}).to_dict("records"))
    keys = {tuple(row[column] for column in COLUMNS) for rows in tables[1:] for row in rows}
    shared = [column for column in COLUMNS if column != "letter"]
    places = []
    for key in sorted(keys, key=lambda key: (*key[:3], not key[3], *key[3:])):
        found = dict(zip(COLUMNS, key, strict=True))
        of_cell = {column: found[column] for column in shared}
        rows = [matching(tables[0], **of_cell), *(matching(rows, **found) for rows in tables[1:])]
        places.append(Place(*key[2:], margin, *rows))
    return places
