"""The sentences below a figure: what its markers, intervals and means are."""

import pandas as pd

from transferability.analysis import intervals
from transferability.analysis.effects import EXCHANGEABLE, joined
from transferability.figures.panels import TREATMENT, Panel, counted, replicates_in
from transferability.figures.style import LOOKS

# What the intervals of `means` are.
T_INTERVALS = "t intervals over splits, or over seeds where there is one split"
INTERVALS = {
    intervals.OVER_SPLITS: "t over splits",
    intervals.OVER_SEEDS: "t over the seeds of one split",
    intervals.OF_MODEL: "t of the linear model",
    intervals.OVER_IMAGES: "paired bootstrap over validation images (too narrow: without "
    "training noise)",
    intervals.UNPAIRED: "unpaired over validation images (without training noise)",
}
# The halves of published splits.
HALVES = {"natman": "A natural, B man-made"}


def intervals_are(kinds: pd.Series, shape: str = "Bars") -> str:
    """A sentence that says what the intervals of a table of effects are."""
    words = [sentence for kind, sentence in INTERVALS.items() if (kinds == kind).any()]
    if not words:
        return "No intervals: one replicate, no predictions."
    if (kinds == intervals.NO_INTERVAL).any():
        words.append("none for means of one replicate without predictions")
    return f"{shape}: 95 % intervals, {'; '.join(words)}."


def without_score(networks: pd.DataFrame) -> str:
    """A sentence that says how many networks of a table have no score, if any."""
    without = int(networks["top1"].isna().sum())
    has = "has" if without == 1 else "have"
    return f"{without:,} of {len(networks):,} networks listed {has} no score." if without else ""


def halves(panels: list[Panel], everywhere: bool = True) -> str:
    """Sentences that say what A and B stand for in a legend that serves every panel or, unless
    `everywhere`, those of random splits alone."""
    targets: dict[str, set[str]] = {}
    for panel in panels:
        targets.setdefault(panel.split_kind, set()).update(panel.rows["target"])
    words = [f"The {kind} split: {names}." for kind, names in HALVES.items() if kind in targets]
    served = set().union(*targets.values()) if everywhere else targets.get(EXCHANGEABLE, set())
    if served & {"A", "A+B"}:
        where = "" if everywhere else "On random splits "
        words.insert(0, f"{where}B stands for the target half, A for the other.")
    return " ".join(words)


def uneven(panel: Panel, means_over: pd.DataFrame) -> str:
    """What each line of a panel is a mean over, where its means differ in it; else nothing.

    A row for each mean, with its line, or None, its target, replicates, and networks or differences
    and missing.
    """
    over = means_over.dropna(subset="line")
    noun = "network" if "networks" in over else "difference"
    differ = (over[["target", "replicates", f"{noun}s"]].nunique() > 1).any()
    if over["line"].nunique() < 2 or not (differ or ("missing" in over and over["missing"].any())):
        return ""
    words = []
    for line, rows in over.groupby("line", sort=False):
        targets = " or ".join(sorted(set(rows["target"])))
        counts = f"{counted(rows['replicates'], 'replicate')}, {counted(rows[f'{noun}s'], noun)}"
        words.append(f"{line}: target {targets}, {counts}")
    return f"On the {panel.place}, lines differ in what they average: {'; '.join(words)}."


def uneven_networks(panels: list[Panel], shown: list[tuple[str, bool]]) -> str:
    """The sentences of `uneven` on panels of networks, for the treatments that are shown."""
    words = []
    for panel in panels:
        groups = panel.rows.groupby([*TREATMENT, "n"])
        over = groups.agg(target=("target", joined), networks=("network", "size"))
        over = over.assign(replicates=replicates_in(panel.rows)).reset_index()
        treatments = zip(over["kind"], over["fine_tuned"], strict=True)
        lines = [LOOKS[drawn].label if drawn in shown else None for drawn in treatments]
        words.append(uneven(panel, over.assign(line=lines)))
    return " ".join(filter(None, words))


def markers(panels: list[Panel]) -> str:
    """Sentences on markers and intervals of panels that `draw_networks` filled."""
    single = [panel.rows for panel in panels if panel.replicates[1] == 1]
    words = []
    if len(single) < len(panels):
        words.append(f"Small markers: networks. Large markers: means with 95 % {T_INTERVALS}.")
    if single:
        where = "Markers of one replicate" if words else "Markers"
        images = pd.concat(single).get("validation_images", pd.Series()).dropna().astype(int)
        over = f"with 95 % Wilson intervals over {counted(images, 'validation image')} (without "
        kind = f"{over}training noise)" if len(images) else "without intervals"
        words.append(f"{where}: networks {kind}.")
    if any(rows["target"].nunique() > 1 for rows in single):
        words.append("Two markers: the networks of both targets, whose mean the line is.")
    return " ".join(words)
