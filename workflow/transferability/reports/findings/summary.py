"""The page in short: which of the paper's findings a study shows, and which it cannot tell."""

import pandas as pd

from transferability.analysis.intervals import CONFIDENCE, OVER_IMAGES, OVER_SEEDS
from transferability.analysis.vocabulary import (
    at_n,
    counted,
    listed,
    measured,
    several_measured,
    span,
)
from transferability.reports.findings.document import (
    bullets,
    heading,
    linked_heading,
    paragraph,
    section,
)
from transferability.reports.findings.places import EXCLUDES, HOLDS, UNTOLD, Place
from transferability.reports.findings.statements import (
    FINDINGS,
    OF_ONE_REPLICATE,
    Finding,
    beyond_noise,
    groups,
    replicates,
)
from transferability.reports.findings.table1 import ESTIMATORS, layers_named

MAIN = ("coadaptation", "recovery", "specificity", "boost", "boost_over_selffer")
# Told where a place has none of the main ones.
OTHERS = ("transfer", "random")


def _excludes(group: pd.DataFrame, finding: Finding, noise: float | None) -> str:
    kind, verdict = group[["interval", "verdict"]].iloc[0]
    over = "on this one split" if kind == OVER_SEEDS else replicates(group)
    seen = f"{'seen' if kind in OF_ONE_REPLICATE else 'shown'} {over}".strip()
    opposite = "" if verdict == finding.expected else "the opposite "
    largest = group.iloc[group["mean"].abs().argmax()]
    number = measured(largest, "points")
    if len(group) > 1:
        number = f"the largest {number} at n = {largest['n']}"
    beyond = ""
    if kind in OF_ONE_REPLICATE and noise is not None:
        larger = beyond_noise(group, noise)
        beyond = ", not" if larger.empty else ","
        beyond += f" {at_n(larger)}" if 0 < len(larger) < len(group) else ""
        beyond += " larger than what training the base again changed"
    return f"{opposite}{seen} {at_n(group)} ({number}){beyond}"


def _item(place: Place, effect: str) -> tuple[str, str]:
    finding, rows = FINDINGS[effect], place.of(effect)
    said = [
        _excludes(group, finding, place.noise)
        for group in groups(rows, finding)
        if group["verdict"].iloc[0] in EXCLUDES
    ]
    for verdict, words in ((HOLDS, "cannot be told"), (UNTOLD, "without interval")):
        held = rows[rows["verdict"] == verdict]
        if len(held):
            said.append(f"{words} {at_n(held)}")
    return finding.title, f" ({finding.formula}): {'; '.join(said)}."


def _of_table_1(boost: pd.DataFrame) -> tuple[str, str]:
    """The boost over BnB+ where no AnB+ has its own."""
    finding = FINDINGS["boost_over_selffer"]
    rows = boost[boost["layers"] == boost["layers"].iloc[0]]
    numbers = several_measured(rows, (ESTIMATORS[name].name for name in rows["estimator"]))
    averaged = f"averaged over the layers {layers_named(rows)}"
    return finding.title, f" ({finding.formula}): without pairs; {averaged}, {numbers} (Table 1)."


def _of_place(place: Place) -> list[str]:
    told = [effect for effect in MAIN if len(place.of(effect))]
    absent = [FINDINGS[effect].formula for effect in MAIN if effect not in told]
    items = [_item(place, effect) for effect in told]
    without_pairs = place.boost[place.boost["comparison"] == "selffer"]
    if "boost_over_selffer" not in told and len(without_pairs):
        items.append(_of_table_1(without_pairs))
        absent.remove(FINDINGS["boost_over_selffer"].formula)
    if items and absent:
        items.append(("Not measured", f": {listed(absent)}."))
    items = items or [_item(place, effect) for effect in OTHERS if len(place.of(effect))]
    title = f"{place.title}: {span(place.replicates, 'replicate')}"
    return [linked_heading(3, title, place.identity), bullets(items)]


def _words(effects: pd.DataFrame) -> str:
    """What the words of the summary mean, those that occur."""
    of_one = effects["interval"].isin(OF_ONE_REPLICATE)
    excludes = effects["verdict"].isin(EXCLUDES)
    words = []
    if (excludes & ~of_one).any():
        words.append("“shown” means that the interval over replicates excludes zero")
    if (excludes & of_one).any():
        words.append(
            "“seen in one replicate” means that the interval over validation images, which knows "
            "nothing of the noise of training, excludes zero"
        )
    if (effects["verdict"] == HOLDS).any():
        words.append(
            "“cannot be told” means that the interval holds zero, not that there is no effect"
        )
    return f"Of the words below, {'; '.join(words)}." if words else ""


def _chance(effects: pd.DataFrame) -> str:
    """How many intervals would exclude zero by chance alone."""
    judged = effects[effects["verdict"] != UNTOLD]
    if judged.empty:
        return ""
    count = int(judged["verdict"].isin(EXCLUDES).sum())
    excluding = {0: "none does", 1: "one does"}.get(count, f"{count} do")
    expected = f"{(1 - CONFIDENCE) * len(judged):.1f}".removesuffix(".0")
    text = (
        f"The table of effects has {counted(len(judged), 'interval')}. If nothing had any effect, "
        f"about {expected} would exclude zero by chance alone; {excluding}. "
    )
    if (judged["interval"] == OVER_IMAGES).any():
        text += (
            "Of intervals over images more would, since they know nothing of the noise of "
            "training. "
        )
    return text + "Effects share networks, so chance may strike several at once."


def summary(places: list[Place]) -> str:
    """The findings of every place in a few words each, and how much of it chance alone would do."""
    parts = [heading(2, "In short")]
    if places:
        effects = pd.concat([place.effects for place in places])
        parts += [
            paragraph(
                "Differences are in percentage points of top-1 accuracy, each with its 95 % "
                "interval in brackets; in tables those stand in bold whose interval excludes zero. "
                f"A replicate is one (split, seed). {_words(effects)}"
            ),
            *(part for place in places for part in _of_place(place)),
            paragraph(_chance(effects)),
        ]
    else:
        parts.append(paragraph("No two networks of this study can be compared: no effects."))
    return section("summary", parts)
