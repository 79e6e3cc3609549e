"""What limits the numbers of one place: said only where it applies, with what it applies to."""

import pandas as pd
from scipy import stats

from transferability.analysis.effects import EFFECTS
from transferability.analysis.intervals import (
    CONFIDENCE,
    NO_INTERVAL,
    OF_MODEL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    UNPAIRED,
)
from transferability.analysis.vocabulary import at_n, listed, measured, points
from transferability.reports.findings.places import ABOVE, BELOW, HOLDS, UNTOLD, Place
from transferability.reports.findings.statements import FINDINGS

TABLE_1 = "Table 1"
# With more replicates than these, Student's t reaches less than 3.2 standard errors.
FEW = {2: "two replicates", 3: "three replicates"}


def _everything(place: Place) -> pd.DataFrame:
    """The rows of both tables, each with what it is called in a caveat."""
    of_effects = place.effects.assign(
        said=place.effects["effect"].map(lambda effect: FINDINGS[effect].formula)
    )
    return pd.concat([of_effects, place.boost.assign(said=TABLE_1)], ignore_index=True)


def _whereabouts(rows: pd.DataFrame, everything: pd.DataFrame) -> str:
    """What some of a place's rows are, such as `AnB − baseB at n = 3; some of Table 1`; empty where
    they are all."""
    if len(rows) == len(everything):
        return ""
    words = []
    effects = everything["said"] != TABLE_1
    if effects.any() and everything[effects].index.isin(rows.index).all():
        words.append("all effects")
        rows = rows[rows["said"] == TABLE_1]
    for name in dict.fromkeys(rows["said"]):
        own, every = rows[rows["said"] == name], everything[everything["said"] == name]
        part = f"some of {name}" if name == TABLE_1 else f"{name} {at_n(own)}"
        words.append(name if len(own) == len(every) else part)
    return "; ".join(words)


def _retraining(place: Place) -> str:
    if place.noise is None:
        return (
            "There is no B0B here, the base trained again, so this study does not show how much "
            "training alone varies. No effect of one replicate is certain to be more than that."
        )
    row = place.of("retraining").iloc[0]
    average = "" if row["replicates"] == 1 else f", on average over {row['replicates']} replicates,"
    end = ", the further end of that interval," if pd.notna(row["low"]) else ""
    return (
        f"Training the base again{average} changed its top-1 by {measured(row, 'points')} (B0B − "
        f"baseB). An effect of no more than {points(place.noise)} points{end} cannot be told from "
        "this noise, and one replicate alone cannot show that a larger one is more than noise."
    )


def _few(rows: pd.DataFrame, replicates: int) -> str:
    """How far Student's t reaches with so few replicates."""

    def reach(degrees_of_freedom: float) -> str:
        return f"{stats.t.ppf((1 + CONFIDENCE) / 2, degrees_of_freedom):.1f}"

    # Three replicates can be of two splits.
    least = "at least " if replicates > 2 and (rows["interval"] == OVER_SPLITS).any() else ""
    return (
        f"Student's t then reaches {least}{reach(replicates - 1)} standard errors to either side, "
        f"against {reach(float('inf'))} with many. Such an interval is wide and easily holds zero "
        "where there is an effect; where the replicates happen to agree, it is narrow by luck."
    )


WHAT_INTERVALS_ARE = {
    OVER_SPLITS: "Student's t over the means of splits; the number of these counts, not that of "
    "seeds. It holds for splits that are drawn like these.",
    OVER_SEEDS: "Student's t over the seeds of one split. It holds for that split alone; other "
    "halves may have other effects.",
    OVER_IMAGES: "A paired bootstrap over the validation images of one replicate. It knows nothing "
    "of the noise of training, so it is narrower than the truth.",
    UNPAIRED: "Over the validation images of one replicate without predictions, as if both "
    "networks had been validated on different images. So it is wider than a paired one; and it "
    "knows nothing of the noise of training either.",
    OF_MODEL: "The t of a coefficient. It takes networks to differ by independent noise, though "
    "those of one half share their base and their images.",
    NO_INTERVAL: "These numbers stand without an interval, and nothing can be concluded from them.",
}


def of_intervals(place: Place) -> list[tuple[str, str]]:
    """A caveat for each kind of interval that occurs, for one replicate and for few: its name, and
    what it says, with the effects that it is about where there are others."""
    everything = _everything(place)
    cases = [
        (UNTOLD if kind == NO_INTERVAL else kind, everything["interval"] == kind, text)
        for kind, text in WHAT_INTERVALS_ARE.items()
    ]
    cases.append(("one replicate", everything["replicates"] == 1, _retraining(place)))
    over_replicates = everything["interval"].isin([OVER_SPLITS, OVER_SEEDS])
    for number, words in FEW.items():
        few = over_replicates & (everything["replicates"] == number)
        cases.append((words, few, _few(everything[few], number)))
    said = []
    for name, applies, text in cases:
        if applies.any():
            where = _whereabouts(everything[applies], everything)
            said.append((name, f" ({where}): {text}" if where else f": {text}"))
    return said


def of_targets(place: Place) -> list[str]:
    """What B stands for, and whether effects are of different targets."""
    targets = place.effects.groupby("target", sort=True)["effect"].unique()
    said = []
    if place.pool == "all":
        said.append("The target is all classes: B in the names stands for all of them.")
    elif "A" in "".join([*targets.index, *place.boost["target"]]):
        said.append("B in the names stands for the target half and A for the other.")
    if len(targets) > 1:
        order = [effect.name for effect in EFFECTS]
        of_targets = "; ".join(
            f"{target} for {listed(FINDINGS[e].formula for e in sorted(own, key=order.index))}"
            for target, own in targets.items()
        )
        said.append(
            f"The effects are of different target halves: {of_targets}. Those of different targets "
            "are differences of different networks, which cannot be added or subtracted."
        )
    return said


def of_missing(rows: pd.DataFrame) -> str:
    """How many of an effect's differences are missing; empty where none is."""
    missing, found = int(rows["missing"].sum()), int(rows["differences"].sum())
    if not missing:
        return ""
    lacking = rows[rows["missing"] > 0]
    where = f", {at_n(lacking)}" if 0 < len(lacking) < len(rows) else ""
    are = "is" if missing == 1 else "are"
    return (
        f"{missing} of {missing + found} differences {are} missing{where}: a network is not there "
        f"or has no score. The effect rests on the {'other' if found == 1 else 'others'}."
    )


def of_extra_training(place: Place) -> list[str]:
    """The boost beside what more training alone brings, and which of these controls are not
    there."""
    boost, long_base = place.of("boost"), place.of("long_base")
    selffers, controlled = place.of("self_boost"), place.of("boost_over_selffer")
    if long_base.empty and selffers.empty:
        return [
            "Neither of the controls is here, base2B or BnB+: whether the boost comes from the "
            "other half or from more training alone cannot be told."
        ]
    said = []
    if long_base.empty:
        said.append("There is no base2B here, the base with twice the epochs, to compare with.")
    else:
        brings = measured(long_base.iloc[0], "points")
        said.append(f"Twice the epochs on the target half alone, base2B − baseB: {brings}.")
    if selffers.empty:
        said.append(
            "There is no BnB+ here, which would have had the same training on the target half "
            "alone."
        )
        return said
    said.append(
        "BnB+ − baseB, what the same training on the target half alone brings, stands beside it in "
        "the table."
    )
    halves = [listed(sorted(set(rows["target"]))) for rows in (selffers, boost)]
    if halves[0] != halves[1]:
        said[-1] += f" It is of target {halves[0]}, and the boost of target {halves[1]}."
    if controlled.empty:
        said.append(
            "No AnB+ can be paired with a BnB+ of the same split, seed, target and n, so whether "
            "the boost is more than what more training brings cannot be told here."
        )
        return said
    verdicts = {
        ABOVE: "lies above zero",
        BELOW: "lies below zero",
        UNTOLD: "is not known",
        HOLDS: "holds zero",
    }
    groups = [
        f"{words} {at_n(controlled[controlled['verdict'] == verdict])}"
        for verdict, words in verdicts.items()
        if (controlled["verdict"] == verdict).any()
    ]
    end = ", where no boost beyond that of more training can be told"
    held = (controlled["verdict"] == HOLDS).any()
    said.append(f"The interval of AnB+ − BnB+ {listed(groups)}{end if held else ''}.")
    return said
