"""The sentences below a figure: the kind of its intervals, and the networks that are missing or did
not learn."""

from collections.abc import Iterable

import pandas as pd

from transferability.analysis import intervals
from transferability.analysis.effects import EXCHANGEABLE
from transferability.figures.panels import Panel, with_not_learned

# The number of networks that are named; the others are counted.
NAMED = 4
IN_EFFECTS_LOST = "Crosses are means that include networks that did not learn, lines leave them out"
NETWORKS_LOST = "Crosses did not learn and are left out of means"


def intervals_are(kinds: pd.Series) -> str:
    """A sentence about the interval bars of a table of effects."""
    kinds = [kind for kind in dict.fromkeys(kinds) if kind != intervals.NO_INTERVAL]
    over = [kind for kind in kinds if kind not in intervals.OF_IMAGES]
    words = [f"Bars: 95 % intervals, {' and '.join(over)}."] if over else []
    if len(over) < len(kinds):
        words.append(
            "Bars of one replicate: image intervals; they cover other images, not other trainings."
        )
    return " ".join(words) or "No intervals: one replicate, without predictions."


def halves(panels: list[Panel]) -> str:
    """A sentence that explains A and B, if random splits have networks with target A."""
    targets = {t for p in panels if p.split_kind == EXCHANGEABLE for t in p.rows["target"]}
    return "On random splits, B is the target half and A the other half." if targets - {"B"} else ""


def missing(rows: pd.DataFrame) -> str:
    """A sentence with the number of networks (or of differences) that have no score."""
    if "estimator" in rows:
        # A second row, `paired_learned`, is about the same differences.
        rows = rows[rows["estimator"] == "paired"]
    count = int(rows["missing"].sum() if "missing" in rows else rows["top1"].isna().sum())
    if not count:
        return ""
    noun = "difference" if "missing" in rows else "network"
    nouns = f"{noun} is" if count == 1 else f"{noun}s are"
    return f"{count:,} {nouns} missing, so lines may average different replicates."


def not_learned(names: Iterable[str], said: str = NETWORKS_LOST) -> str:
    """A sentence that names the networks that did not learn, e.g. random0/seed0/B0B. `said` is its
    beginning, about their marks."""
    names = list(dict.fromkeys(names))
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{said}: {', '.join(names[:NAMED])}{more}."


def lost_in(effects_table: pd.DataFrame, said: str = IN_EFFECTS_LOST) -> str:
    """The same sentence for the networks of a table of effects."""
    return not_learned(" ".join(with_not_learned(effects_table)["not_learned"]).split(), said)


def names_of(networks: pd.DataFrame) -> pd.Series:
    """The name random0/seed0/B0B of each network."""
    return networks["split"] + "/seed" + networks["seed"].astype(str) + "/" + networks["network"]
