"""The paper's findings as effects, and what intervals allow to be said of them."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from transferability.analysis.intervals import (
    NO_INTERVAL,
    OF_MODEL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    UNPAIRED,
)
from transferability.analysis.vocabulary import (
    measured,
    points,
    sentence,
    several_measured,
    span,
)
from transferability.reports.findings.places import ABOVE, BELOW, EXCLUDES, HOLDS, UNTOLD

Where = Callable[[pd.DataFrame], str]


class Finding(NamedTuple):
    """An effect in words: who stands below or above whom, and which of both the paper found."""

    title: str
    formula: str
    paper: str
    treated: str
    control: str
    expected: str
    meaning: str
    several: bool = True


FINDINGS = {
    "coadaptation": Finding(
        "Fragile co-adaptation",
        "BnB − baseB",
        "Finding 2 of the paper",
        "frozen selffers (BnB)",
        "their base (baseB)",
        BELOW,
        "What is lost when layers that grew up together are parted, and the upper ones have to "
        "learn anew beside frozen layers of their own half.",
    ),
    "recovery": Finding(
        "Fine-tuning recovers co-adaptation",
        "BnB+ − BnB",
        "Finding 3 of the paper",
        "fine-tuned selffers (BnB+)",
        "frozen ones (BnB)",
        ABOVE,
        "What comes back when the copied layers may learn too.",
    ),
    "specificity": Finding(
        "Representation specificity",
        "AnB − BnB",
        "Finding 4 of the paper",
        "frozen transfer networks (AnB)",
        "frozen selffers (BnB)",
        BELOW,
        "What is lost because the frozen layers come from the other half and serve its classes.",
    ),
    "transfer": Finding(
        "Frozen transfer",
        "AnB − baseB",
        "Findings 2 and 4 of the paper together",
        "frozen transfer networks (AnB)",
        "their base (baseB)",
        BELOW,
        "Co-adaptation and specificity in one.",
    ),
    "boost": Finding(
        "Transfer with fine-tuning improves",
        "AnB+ − baseB",
        "Finding 5 of the paper",
        "fine-tuned transfer networks (AnB+)",
        "their base (baseB)",
        ABOVE,
        "Their first n layers were trained twice, in baseA and again here, so that some of the "
        "gain may be that of more training.",
    ),
    "boost_over_selffer": Finding(
        "The boost over its control",
        "AnB+ − BnB+",
        "Finding 5 of the paper, against its control",
        "fine-tuned transfer networks (AnB+)",
        "fine-tuned selffers (BnB+)",
        ABOVE,
        "Both had their first n layers trained twice; they differ in the half that these learned "
        "first.",
    ),
    "self_boost": Finding(
        "What more training on the same half brings",
        "BnB+ − baseB",
        "Finding 3 of the paper, as a number",
        "fine-tuned selffers (BnB+)",
        "their base (baseB)",
        ABOVE,
        "A control of the boost: the same training, on the target half alone.",
    ),
    "long_base": Finding(
        "What twice the epochs bring",
        "base2B − baseB",
        "Not in the paper",
        "the long base (base2B)",
        "the base (baseB)",
        ABOVE,
        "The other control of the boost: more training, and nothing else.",
        several=False,
    ),
    "random": Finding(
        "Random features",
        "RnB − baseB",
        "Figure 3 of the paper",
        "networks on random, frozen layers (RnB)",
        "their base (baseB)",
        BELOW,
        "A network that never began to learn counts here like any other; learning curves show it.",
    ),
    "retraining": Finding(
        "The noise of training",
        "B0B − baseB",
        "Not in the paper",
        "the base, trained again (B0B),",
        "the first one (baseB)",
        HOLDS,
        "Only the random numbers differ; all other effects have to be read in this noise.",
        several=False,
    ),
}
# The kinds of intervals, in the order in which sentences come.
KINDS = (OVER_SPLITS, OVER_SEEDS, OF_MODEL, OVER_IMAGES, UNPAIRED, NO_INTERVAL)
OF_ONE_REPLICATE = (OVER_IMAGES, UNPAIRED)
# So many numbers can stand in a sentence; more are in the table beside it.
IN_A_SENTENCE = 3


def groups(rows: pd.DataFrame, finding: Finding) -> list[pd.DataFrame]:
    """The rows of one kind of interval and one verdict, in the order in which they are told."""
    verdicts = dict.fromkeys([finding.expected, BELOW, ABOVE, HOLDS, UNTOLD])
    found = [
        rows[(rows["interval"] == kind) & (rows["verdict"] == verdict)]
        for kind in KINDS
        for verdict in verdicts
    ]
    return [group for group in found if len(group)]


def _numbers(group: pd.DataFrame, where: Where) -> str:
    if len(group) <= IN_A_SENTENCE:
        return several_measured(group)
    by_size = group.iloc[group["mean"].abs().argsort(kind="stable")]
    least, most = by_size.iloc[:1], by_size.iloc[-1:]
    return (
        f"from {measured(least.iloc[0], 'points')} {where(least)} "
        f"to {measured(most.iloc[0])} {where(most)}"
    )


def replicates(group: pd.DataFrame) -> str:
    """What the intervals of a group are over, as far as a sentence has to say it; empty for many
    splits."""
    kind, numbers = group["interval"].iloc[0], sorted(set(group["replicates"].astype(int)))
    if kind in OF_ONE_REPLICATE:
        return "in one replicate"
    if kind == OVER_SPLITS and numbers == [2]:
        return "over two splits"
    if kind == OVER_SEEDS:
        return f"over the {span(numbers, 'seed')} of this one split"
    return ""


def _statement(group: pd.DataFrame, finding: Finding, where: Where, mixed: bool) -> str:
    kind, verdict = group[["interval", "verdict"]].iloc[0]
    lead = replicates(group) or ("over splits" if mixed and kind == OVER_SPLITS else "")
    opening = "".join(f"{words}, " for words in (where(group), lead) if words)
    if verdict == UNTOLD:
        said = f"{finding.formula} has no interval, so nothing is concluded"
    elif verdict == HOLDS:
        interval, hold = ("interval", "holds") if len(group) == 1 else ("intervals", "hold")
        nothing = "no difference" if finding.expected == HOLDS else "no loss and no gain"
        said = f"the {interval} of {finding.formula} {hold} zero, so {nothing} can be told"
        if len(group) > IN_A_SENTENCE:
            reach = f"{points(group['low'].min())} to {points(group['high'].max())} points"
            return sentence(f"{opening}{said}; they reach from {reach}")
    else:
        verb = ("fall" if verdict == BELOW else "rise") + ("" if finding.several else "s")
        side = "below" if verdict == BELOW else "above"
        said = f"{finding.treated} {verb} {side} {finding.control}"
        if kind in OF_ONE_REPLICATE:
            said += " by more than the choice of validation images explains"
    return sentence(f"{opening}{said}: {_numbers(group, where)}")


def statements(
    rows: pd.DataFrame, finding: Finding, where: Where, noise: float | None
) -> list[str]:
    """A sentence for each group of rows that agree: who falls below or rises above whom, or that
    the interval holds zero, or that there is none; and, of one replicate's effects, which are
    larger than the noise of training. `where` words the place of some rows."""
    mixed = rows["interval"].nunique() > 1
    told = groups(rows, finding)
    said = [_statement(group, finding, where, mixed) for group in told]
    of_one = [place for place, group in enumerate(told) if len(beyond_noise(group, None))]
    if of_one and noise is not None and finding.expected != HOLDS:
        said.insert(of_one[-1] + 1, _noise_statement(rows, noise, where))
    return said


def beyond_noise(rows: pd.DataFrame, noise: float | None) -> pd.DataFrame:
    """Of the rows of one replicate whose interval excludes zero, those larger than the noise."""
    of_one = rows[rows["interval"].isin(OF_ONE_REPLICATE) & rows["verdict"].isin(EXCLUDES)]
    return of_one if noise is None else of_one[of_one["mean"].abs() > noise]


def _noise_statement(rows: pd.DataFrame, noise: float, where: Where) -> str:
    seen, larger = beyond_noise(rows, None), beyond_noise(rows, noise)
    size = f"B0B − baseB, up to {points(noise)} points"
    than = f"larger than what training the base again changed ({size})"
    if len(larger) == len(seen):
        return f"{'This is' if len(seen) == 1 else 'All of these are'} {than}."
    if larger.empty:
        none, they = ("This is not", "it") if len(seen) == 1 else ("None of these is", "they")
        return f"{none} {than}, so {they} cannot be told from the noise of training."
    those = "that" if len(larger) == 1 else "those"
    are = "is" if len(larger) == 1 else "are"
    rest = "the other" if len(seen) - len(larger) == 1 else "the others"
    return (
        f"Of these, {those} {where(larger)} {are} {than}; {rest} cannot be told from "
        "the noise of training."
    )
