"""Table 1 of the paper in sentences: the boost averaged over layers, by each of its estimators."""

from typing import NamedTuple

import pandas as pd

from transferability.analysis.vocabulary import (
    bracket,
    layers,
    listed,
    measured,
    points,
    sentence,
)
from transferability.reports.findings.document import Cell, bullets, heading, paragraph, with_table
from transferability.reports.findings.places import ABOVE, BELOW, EXCLUDES, HOLDS, UNTOLD, Place
from transferability.reports.findings.statements import FINDINGS, statements


class Estimator(NamedTuple):
    """How a sentence names an estimator, and what it is."""

    name: str
    meaning: str


COMPARISONS = {"base": "boost", "selffer": "boost_over_selffer"}
ESTIMATORS = {
    "paired": Estimator(
        "paired", "each AnB+ less its own control, of the same split, seed, target and n"
    ),
    "pooled": Estimator(
        "pooled", "the mean of all AnB+ less the mean of all controls, as in the paper"
    ),
    "through_base": Estimator(
        "through the base",
        "each network less its own base, then the mean of the AnB+ less that of the controls",
    ),
    "linear_model": Estimator(
        "by the linear model", "least squares, with an effect of each target half"
    ),
}
OVER_GAPS = ("through_base", "linear_model")
DIFFERING = {"target": "target", "replicates": "replicates", "interval": "kind of interval"}
LIES = {BELOW: "lies below zero", ABOVE: "lies above zero", HOLDS: "holds zero"}
# A difference between means that shows in one decimal of a point.
VISIBLE = 0.0005


def layers_named(rows: pd.DataFrame) -> str:
    """The layers of some rows, such as 1–7 and 3–7."""
    return listed(map(_range, dict.fromkeys(rows["layers"])))


def _range(label: str) -> str:
    first, last = label.split("-")
    return first if first == last else f"{first}–{last}"


def _averaged(rows: pd.DataFrame) -> str:
    return f"averaged over the layers {layers_named(rows)}"


def _names(rows: pd.DataFrame) -> str:
    """The estimators of some rows, in words."""
    present = set(rows["estimator"])
    return listed(words.name for name, words in ESTIMATORS.items() if name in present)


def _alike(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of each estimator; of those that print the same numbers, together."""
    found: dict[tuple, list[pd.DataFrame]] = {}
    for estimator in ESTIMATORS:
        own = rows[rows["estimator"] == estimator]
        printed = tuple(
            (row["layers"], points(row["mean"]), bracket(row["low"], row["high"]), row["interval"])
            for _, row in own.iterrows()
        )
        if printed:
            found.setdefault(printed, []).append(own)
    return [pd.concat(together) for together in found.values()]


def _bullet(alike: pd.DataFrame, effect: str, noise: float | None) -> tuple[str, str]:
    one = alike[alike["estimator"] == alike["estimator"].iloc[0]]
    together = "" if len(one) == len(alike) else " alike"
    said = " ".join(statements(one, FINDINGS[effect], _averaged, noise))
    return f"{_names(alike).capitalize()}{together}: ", said


def _disagreement(rows: pd.DataFrame) -> list[str]:
    """Where one estimator's interval excludes zero and another's does not."""
    over: dict[str, list[pd.DataFrame]] = {}
    for _, own in rows[rows["verdict"] != UNTOLD].groupby("layers", sort=False):
        verdicts = dict.fromkeys(own["verdict"])
        if len(verdicts) > 1:
            words = (
                f"{_names(own[own['verdict'] == verdict])}, it {LIES[verdict]}"
                for verdict in verdicts
            )
            over.setdefault("; ".join(words), []).append(own)
    return [
        f"Over the layers {layers_named(pd.concat(own))} the estimators do not agree on whether "
        f"the interval holds zero: {words}."
        for words, own in over.items()
    ]


def _paired_and_pooled(rows: pd.DataFrame) -> str:
    means = rows.pivot(index="layers", columns="estimator", values="mean")
    if "paired" not in means:
        return (
            "No AnB+ has its own control here, of the same split, seed, target and n, so there is "
            "no paired estimate."
        )
    apart = (means["pooled"] - means["paired"]).abs().max() if "pooled" in means else 0
    if not apart > VISIBLE:
        return ""
    return (
        f"Pooled and paired differ by up to {points(apart)} points: the AnB+ and the controls that "
        "are pooled are not all of the same splits, halves and layers, and what these differ by "
        "goes into the number. Paired compares like with like."
    )


def _halves(target: str) -> str:
    halves = target.split("+")
    return f"target{'s' if len(halves) > 1 else ''} {listed(halves)}"


def _different_halves(rows: pd.DataFrame) -> list[str]:
    said = []
    for target, own in rows[rows["target"].str.contains(" vs ")].groupby("target"):
        treated, control = map(_halves, target.split(" vs "))
        compared = f"AnB+ on {treated} are compared with controls on {control} ({target})"
        if not (rows["estimator"] == "paired").any():
            compared += ", and what these halves differ by goes into the pooled number"
        said.append(sentence(f"{_names(own)}, {compared}"))
    return said


def _over_gaps(rows: pd.DataFrame) -> str:
    bridging = rows[rows["estimator"].isin(OVER_GAPS)]
    if bridging.empty:
        return ""
    return (
        "Some AnB+ or BnB+ lack the other of the same split, seed, target and n; "
        f"{_names(bridging)} they are compared all the same. This takes out how much harder one "
        "half is than another, as far as the bases show it, but pairs no networks."
    )


def _left_out(rows: pd.DataFrame) -> str:
    missing = int(rows["missing"].max())
    if not missing:
        return ""
    have = "has" if missing == 1 else "have"
    return f"Of the AnB+ and their controls that are listed, {missing} {have} no score."


def _which_n(rows: pd.DataFrame) -> str:
    """The layers that the study has, where they are fewer than their label says."""
    widest = rows.iloc[0]
    first, last = map(int, widest["layers"].split("-"))
    entered = [int(n) for n in str(widest["n"]).split()]
    if len(entered) == last - first + 1:
        return ""
    return f"Of the layers {first}–{last}, n = {layers(entered)} went in."


def _table(rows: pd.DataFrame, formula: str) -> tuple[list[str], list[list[Cell]]]:
    """The header and the lines of a comparison's table."""
    differing = [column for column in DIFFERING if rows[column].nunique() > 1]
    header = ["layers", "estimator", formula, "95 % interval", "AnB+", "controls"]
    lines = []
    for label in dict.fromkeys(rows["layers"]):
        for estimator, words in ESTIMATORS.items():
            own = rows[(rows["layers"] == label) & (rows["estimator"] == estimator)]
            lines += [
                [
                    Cell(_range(label)),
                    Cell(words.name),
                    Cell(measured(row), row["verdict"] in EXCLUDES),
                    Cell(row["verdict"]),
                    *(Cell(str(row[column])) for column in ("networks", "controls", *differing)),
                ]
                for _, row in own.iterrows()
            ]
    return header + [DIFFERING[column] for column in differing], lines


def _section(place: Place, rows: pd.DataFrame, comparison: str) -> str:
    effect = COMPARISONS[comparison]
    formula = FINDINGS[effect].formula
    # Over BnB+, the noise of the base is no part of the difference.
    noise = place.noise if comparison == "base" else None
    meanings = [
        f"{words.name}, {words.meaning}"
        for name, words in ESTIMATORS.items()
        if (rows["estimator"] == name).any()
    ]
    remarks = [
        *_disagreement(rows),
        _paired_and_pooled(rows),
        *_different_halves(rows),
        _over_gaps(rows),
        _left_out(rows),
    ]
    text = [
        heading(3, f"Table 1: {formula}, averaged over layers"),
        paragraph(sentence("; ".join(meanings)), "soft"),
        paragraph(_which_n(rows), "soft"),
        bullets(_bullet(alike, effect, noise) for alike in _alike(rows)),
        *(paragraph(remark, "caveat") for remark in remarks),
    ]
    identity = f"{place.identity}-table-1-{comparison}"
    return with_table(text, _table(rows, formula), identity)


def sections(place: Place) -> list[str]:
    """A section for each comparison of AnB+, over the base and over BnB+."""
    found = []
    for comparison in COMPARISONS:
        rows = place.boost[place.boost["comparison"] == comparison]
        if len(rows):
            found.append(_section(place, rows, comparison))
    return found
