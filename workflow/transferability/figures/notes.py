"""The sentences below a figure: what its intervals are, and which networks are missing or did not
learn."""

from collections.abc import Iterable

import pandas as pd

from transferability.analysis import intervals
from transferability.analysis.effects import EXCHANGEABLE
from transferability.figures.panels import Panel, with_not_learned

# How many networks are named before the rest are counted.
NAMED = 4
IN_EFFECTS_LOST = "Crosses are means that include networks that did not learn, lines leave them out"
NETWORKS_LOST = "Crosses did not learn and are left out of means"


def intervals_are(kinds: pd.Series) -> str:
    """What the interval bars of a table of effects are."""
    kinds = [kind for kind in dict.fromkeys(kinds) if kind != intervals.NO_INTERVAL]
    over = [kind for kind in kinds if kind not in intervals.OF_IMAGES]
    words = [f"Bars: 95 % intervals, {' and '.join(over)}."] if over else []
    if len(over) < len(kinds):
        words.append(
            "Bars of one replicate: image intervals; they cover other images, not other trainings."
        )
    return " ".join(words) or "No intervals: one replicate, without predictions."


def halves(panels: list[Panel]) -> str:
    """What A and B stand for, where targets A occur on random splits."""
    targets = {t for p in panels if p.split_kind == EXCHANGEABLE for t in p.rows["target"]}
    return "On random splits, B is the target half and A the other half." if targets - {"B"} else ""


def missing(rows: pd.DataFrame) -> str:
    """How many networks of networks.csv have no score, or differences of effects.csv."""
    if "estimator" in rows:
        # A second row, without what did not learn, is of the same differences.
        rows = rows[rows["estimator"] == "paired"]
    count = int(rows["missing"].sum() if "missing" in rows else rows["top1"].isna().sum())
    if not count:
        return ""
    noun = "difference" if "missing" in rows else "network"
    nouns = f"{noun} is" if count == 1 else f"{noun}s are"
    return f"{count:,} {nouns} missing, so lines may average different replicates."


def not_learned(names: Iterable[str], said: str = NETWORKS_LOST) -> str:
    """Which networks did not learn, from their names, e.g. random0/seed0/B0B, after what is `said`
    of how they are drawn."""
    names = list(dict.fromkeys(names))
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{said}: {', '.join(names[:NAMED])}{more}."


def lost_in(effects_table: pd.DataFrame, said: str = IN_EFFECTS_LOST) -> str:
    """Which networks of a table of effects did not learn, after what is `said` of these."""
    return not_learned(" ".join(with_not_learned(effects_table)["not_learned"]).split(), said)


def names_of(networks: pd.DataFrame) -> pd.Series:
    """random0/seed0/B0B for each network."""
    return networks["split"] + "/seed" + networks["seed"].astype(str) + "/" + networks["network"]
