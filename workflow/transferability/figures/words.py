"""The sentences below the figures: what markers, lines and intervals are, and what is missing."""

from collections.abc import Mapping

import pandas as pd

from transferability.analysis.effects import EXCHANGEABLE, joined
from transferability.analysis.intervals import (
    NO_INTERVAL,
    OF_MODEL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    UNPAIRED,
)
from transferability.figures.panels import ALL_CLASSES, TREATMENT, Panel, replicates_in
from transferability.figures.style import LOOKS, counted

# What the intervals of `panels.means` are.
T_INTERVALS = "t intervals over splits, or over seeds where there is one split"
INTERVALS = {
    OVER_SPLITS: "t intervals over splits",
    OVER_SEEDS: "t intervals over the seeds of one split, which hold for that split alone",
    OF_MODEL: "t intervals of the linear model itself",
    OVER_IMAGES: (
        "paired bootstrap intervals over validation images where there is one replicate "
        "(narrower than the truth: they know nothing of training noise)"
    ),
    UNPAIRED: (
        "intervals over validation images as if the two networks had been validated on different "
        "ones, where there is one replicate and no predictions (wider than paired ones, but they "
        "know nothing of training noise either)"
    ),
}
# The columns that say what a mean is over.
AVERAGED = ["target", "replicates", "differences", "networks"]
# What the halves of a published split are.
OWN_HALVES = {"natman": "A (natural) and B (man-made)"}


def interval_words(
    intervals: pd.Series, shape: str, without: str = "means of one replicate without predictions"
) -> str:
    """A sentence that says what the intervals of a table of effects are; `without` are the means
    that may have none."""
    kinds = [text for kind, text in INTERVALS.items() if (intervals == kind).any()]
    if not kinds:
        return f"No intervals, since there are none for {without}."
    if (intervals == NO_INTERVAL).any():
        kinds.append(f"none for {without}")
    return f"{shape}: 95 % {'; '.join(kinds)}."


def score_words(networks: pd.DataFrame) -> str:
    """A sentence that says how many networks of a table have no score, if any."""
    without = int(networks["top1"].isna().sum())
    if not without:
        return ""
    has = "has" if without == 1 else "have"
    return f"{without:,} of {len(networks):,} networks listed {has} no score."


def target_words(panels: list[Panel]) -> str:
    """Sentences that say what A and B stand for in a legend that serves every panel."""
    own = [
        f"The {kind} split has its own halves {halves}."
        for kind, halves in OWN_HALVES.items()
        if any(panel.split_kind == kind for panel in panels)
    ]
    if any(panel.pool == "A" for panel in panels):
        own.insert(
            0,
            "In the legend B stands for the target half and A for the other, in panels of target A "
            "too.",
        )
    elif any(panel.rows["target"].isin(["A", "A+B"]).any() for panel in panels):
        own.insert(0, "B stands for the target half, A for the other.")
    return " ".join(own)


def half_words(panels: list[Panel]) -> str:
    """A sentence that says what A and B stand for in a legend that names each kind of split."""
    kinds = {p.split_kind: p.rows["target"] for p in panels if p.pool != ALL_CLASSES}
    own = [
        f"the {kind} split has its own {OWN_HALVES.get(kind, 'A and B')}"
        for kind in sorted(set(kinds) - {EXCHANGEABLE})
    ]
    if EXCHANGEABLE not in kinds or not (own or (kinds[EXCHANGEABLE] != "B").any()):
        return ""
    return "; ".join(["On random splits B stands for the target half", *own]) + "."


def network_lines(
    panel: Panel, treatments: list[tuple[str, bool]] | None = None
) -> dict[str, pd.DataFrame]:
    """The lines of a panel of networks: for each treatment and n, the targets, replicates and
    number of networks of its mean."""
    lines = {}
    for treatment, rows in panel.rows.groupby(TREATMENT):
        if treatments is None or treatment in treatments:
            groups = rows.groupby("n")
            lines[LOOKS[treatment].label] = pd.DataFrame(
                {
                    "target": groups["target"].agg(joined),
                    "replicates": replicates_in(rows, ["n"]),
                    "networks": groups.size(),
                }
            )
    return lines


def are_even(*lines: pd.DataFrame) -> bool:
    """Whether all means of these lines are over the same targets and as many replicates and
    networks or differences, none missing."""
    means = pd.concat(lines)
    same = (means[means.columns.intersection(AVERAGED)].nunique() == 1).all()
    return bool(same and not ("missing" in means and means["missing"].any()))


def uneven_words(panel: Panel, lines: Mapping[str, pd.DataFrame]) -> str:
    """What each line of a panel is a mean over, where lines differ in it; else nothing.

    A line has a row for each n, with target and replicates and, where known, the number of networks
    or of differences.
    """
    if len(lines) < 2 or are_even(*lines.values()):
        return ""
    texts = {label: _over(rows) for label, rows in lines.items()}
    if len(set(texts.values())) == 1:
        texts = {label: f"{text}, {_count(lines[label])}" for label, text in texts.items()}
    said = "; ".join(f"{label}: {text}" for label, text in texts.items())
    both = " (A+B: both halves, averaged)" if "A+B" in said else ""
    place = panel.place.replace(f"{EXCHANGEABLE} split", f"{EXCHANGEABLE} splits")
    where = f"the {place}" if panel.pool in ("A", "B") else place
    return f"On {where}, lines differ in what they average{both}: {said}."


def _over(rows: pd.DataFrame) -> str:
    targets = " or ".join(sorted(set(rows["target"])))
    return f"target {targets}, {counted(rows['replicates'], 'replicate')}"


def _count(rows: pd.DataFrame) -> str:
    noun = "network" if "networks" in rows else "difference"
    text = counted(rows[f"{noun}s"], noun)
    missing = rows["missing"].max() if "missing" in rows else 0
    return f"{text} at an n" + (f" (up to {missing} missing)" if missing else "")
