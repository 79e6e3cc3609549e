"""Paired effects of copying layers, with intervals: the table of networks in, two tables out."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from transferability.intervals import (
    OVER_IMAGES,
    REPLICATE,
    Correct,
    Images,
    difference_of_means,
    mean_over_replicates,
)

logger = logging.getLogger(__name__)


class Effect(NamedTuple):
    """A difference in top-1: the treated network's (kind, fine_tuned) less the control's."""

    name: str
    treated: tuple[str, bool]
    control: tuple[str, bool]
    layers_copied: bool = True


BASE = ("base", False)
SELFFER, SELFFER_PLUS = ("selffer", False), ("selffer", True)
TRANSFER, TRANSFER_PLUS = ("transfer", False), ("transfer", True)
EFFECTS = (
    Effect("coadaptation", SELFFER, BASE),
    Effect("recovery", SELFFER_PLUS, SELFFER),
    Effect("specificity", TRANSFER, SELFFER),
    Effect("transfer", TRANSFER, BASE),
    Effect("boost", TRANSFER_PLUS, BASE),
    Effect("boost_over_selffer", TRANSFER_PLUS, SELFFER_PLUS),
    Effect("self_boost", SELFFER_PLUS, BASE),
    Effect("long_base", ("long_base", False), BASE, layers_copied=False),
    Effect("random", ("random", False), BASE),
    Effect("retraining", SELFFER, BASE, layers_copied=False),
)
# Table 1 of the paper averages over the layers 1-7, 3-7 and 5-7.
FIRST_LAYERS = (1, 3, 5)
COMPARISONS = {"base": "boost", "selffer": "boost_over_selffer"}
# The two halves of a random split are drawn alike, so their differences may be averaged.
EXCHANGEABLE = "random"
GROUP = ["study", "split_kind", "pool", "target_size"]
IDENTITY = ["study", "split", "seed", "target", "target_size"]
CELL = ["split_kind", *IDENTITY]
REQUIRED = [*IDENTITY, "network", "kind", "n", "fine_tuned", "top1"]
MEAN = ["estimator", "mean", "low", "high", "interval", "replicates"]
DESCRIBED = ["study", "split_kind", "target", "target_size"]
EFFECTS_COLUMNS = [*DESCRIBED, "effect", "n", *MEAN]
BOOST_COLUMNS = [*DESCRIBED, "layers", "n", "comparison", *MEAN, "networks"]


def checked(networks: pd.DataFrame) -> pd.DataFrame:
    """The table of networks with plain row numbers, `split_kind` and `pool`, the target's row.

    `split_kind` is the split's name without trailing digits; `pool` is empty where the two
    targets are pooled (random splits), and the target elsewhere.

    Raises ValueError when a column is missing or a network is listed twice.
    """
    missing = [column for column in REQUIRED if column not in networks]
    if missing:
        raise ValueError(
            f"the table of networks lacks the columns {', '.join(missing)}; "
            f"it needs {', '.join(REQUIRED)}"
        )
    table = networks.reset_index(drop=True)
    table["target_size"] = table["target_size"].astype(str)
    table["n"] = table["n"].astype(int)
    table["fine_tuned"] = table["fine_tuned"].astype(bool)
    table["split_kind"] = table["split"].str.replace(r"\d+$", "", regex=True)
    table["pool"] = table["target"].where(table["split_kind"] != EXCHANGEABLE, "")
    twice = table.duplicated([*CELL, "kind", "fine_tuned", "n"])
    if twice.any():
        first = table[twice].iloc[0]
        raise ValueError(
            f"the table of networks lists {first['split']}/seed{first['seed']}/{first['network']} "
            "twice (same split, seed, target, target_size, kind, n and fine_tuned); "
            "keep one row for each network"
        )
    return table


def size_order(target_size: pd.Series) -> pd.Series:
    """Sort key: sizes by number of images, `all` last."""
    return pd.to_numeric(target_size, errors="coerce").fillna(np.inf)


def _of(table: pd.DataFrame, treatment: tuple[str, bool]) -> pd.DataFrame:
    kind, fine_tuned = treatment
    return table[(table["kind"] == kind) & (table["fine_tuned"] == fine_tuned)]


def _log_missing(effect: Effect, pairs: pd.DataFrame, incomplete: pd.Series) -> None:
    first = pairs[incomplete].iloc[0]
    lacks = [
        f"{'fine-tuned ' if fine_tuned else ''}{kind}"
        for (kind, fine_tuned), top1 in (
            (effect.treated, first["top1"]),
            (effect.control, first["top1_control"]),
        )
        if pd.isna(top1)
    ]
    logger.warning(
        "effect %s: %d of %d differences left out, a network or its top1 is missing; the first is "
        "%s seed %s target %s target_size %s n %d, which has no %s",
        effect.name,
        incomplete.sum(),
        len(pairs),
        first["split"],
        first["seed"],
        first["target"],
        first["target_size"],
        first["n"],
        " and no ".join(lacks),
    )


def _pairs_of(effect: Effect, table: pd.DataFrame) -> pd.DataFrame:
    treated = _of(table, effect.treated)
    treated = treated[(treated["n"] > 0) == effect.layers_copied]
    control = _of(table, effect.control)
    on = [*CELL]
    shared = ["split_kind", "target_size"]
    grid = treated[[*shared, "n"]]
    if effect.control != BASE:
        control = control[control["n"] > 0]
        on.append("n")
        grid = pd.concat([grid, control[[*shared, "n"]]])
    # A base alone in its cell is there as a source: nothing was to be trained on its half.
    cells = table.loc[table["kind"] != "base", [*CELL, "pool"]].drop_duplicates()
    columns = ["network", "top1", "row"]
    pairs = (
        cells.merge(grid.drop_duplicates(), on=shared)
        .merge(treated[[*CELL, "n", *columns]], on=[*CELL, "n"], how="left")
        .merge(control[on + columns], on=on, how="left", suffixes=("", "_control"))
        .assign(effect=effect.name)
    )
    if pairs.empty:
        logger.warning("effect %s: the table has no network for it", effect.name)
        return pairs
    incomplete = pairs["top1"].isna() | pairs["top1_control"].isna()
    if incomplete.any():
        _log_missing(effect, pairs, incomplete)
    return pairs[~incomplete]


def _pairs(table: pd.DataFrame, effects: Sequence[Effect] = EFFECTS) -> pd.DataFrame:
    table = table.assign(row=table.index)
    pairs = pd.concat([_pairs_of(effect, table) for effect in effects], ignore_index=True)
    pairs["difference"] = pairs["top1"] - pairs["top1_control"]
    return pairs.astype({"row": int, "row_control": int, "n": int})


def paired_differences(networks: pd.DataFrame) -> pd.DataFrame:
    """Every effect on every (split, seed, target, target_size, n), one row each.

    Columns: study, split_kind, split, seed, target, target_size, effect, n, network, control
    (the names of both networks) and difference (top-1 of the network less that of its control,
    as a fraction). A control is always of the same split, seed, target and target_size and,
    unless it is a base, of the same n. Differences that lack a network or a top1 are left out,
    and the log says so, one line for each effect.

    Raises ValueError when a column is missing or a network is listed twice.
    """
    pairs = _pairs(checked(networks)).rename(columns={"network_control": "control"})
    return pairs[[*CELL, "effect", "n", "network", "control", "difference"]]


def _pair_weights(pairs: pd.DataFrame) -> pd.Series:
    """Weights on rows of the table whose sum of accuracies is the mean of the differences."""
    rows = np.concatenate([pairs["row"], pairs["row_control"]])
    return pd.Series(np.repeat([1, -1], len(pairs)) / len(pairs), index=rows)


def _joined(targets: pd.Series) -> str:
    return "+".join(sorted(set(targets)))


def estimate(networks: pd.DataFrame, correct: Correct | None = None) -> pd.DataFrame:
    """effects.csv: each effect at each n, averaged over replicates, with a 95 % interval.

    Columns: study, split_kind, target, target_size, effect, n, estimator (paired), mean, low,
    high (differences in top-1, as fractions), interval (its kind) and replicates, that is the
    number of (split, seed). On random splits the halves are exchangeable: where both are
    targets, their differences are averaged inside a replicate and `target` reads A+B. On other
    splits each target has its own rows.

    With several splits the interval is Student's t over the splits' means; with several seeds of
    one split it is over these, and holds for that split alone. With one replicate it is a paired
    percentile bootstrap over validation images, narrower than the truth since it knows nothing of
    training noise. `correct(row)` gives, for one row of `networks`, the 0/1 correctness of each
    validation image of its target half, in store order. The bootstrap decides the width only, the
    scores in the table the location: where a score is not the final accuracy (`mean_of_10_best`),
    the interval is shifted by the difference of the two.
    Without `correct`, low and high are NaN and interval is `none`.

    Raises ValueError when a column is missing, a network is listed twice, or networks that are
    compared differ in their number of validation images.
    """
    table = checked(networks)
    pairs = _pairs(table)
    if pairs.empty:
        return pd.DataFrame(columns=EFFECTS_COLUMNS)
    by = [*GROUP, "effect", "n"]
    groups = pairs.groupby(by)
    effects = mean_over_replicates(pairs, by, "difference")
    effects["target"] = groups["target"].agg(_joined).to_numpy()
    if correct:
        images = Images(table, correct)
        # Both tables are sorted by the same keys, so the groups come in the order of the rows.
        for row, (_, group) in enumerate(groups):
            if effects.loc[row, "replicates"] == 1:
                low_high = images.interval(_pair_weights(group), effects.loc[row, "mean"])
                effects.loc[row, ["low", "high"]] = low_high
                effects.loc[row, "interval"] = OVER_IMAGES
    order = {effect.name: place for place, effect in enumerate(EFFECTS)}
    effects = effects.assign(
        estimator="paired",
        size=size_order(effects["target_size"]),
        place=effects["effect"].map(order),
    ).sort_values(["study", "split_kind", "size", "pool", "place", "n"])
    return effects[EFFECTS_COLUMNS].reset_index(drop=True)


def _in_group(table: pd.DataFrame, key: tuple) -> pd.Series:
    return (table[GROUP] == pd.Series(key, index=GROUP)).all(axis=1)


def _paired_boost(pairs: pd.DataFrame, images: Images | None) -> dict[str, object]:
    mean = mean_over_replicates(pairs.assign(all=0), ["all"], "difference").iloc[0].to_dict()
    if images and mean["replicates"] == 1:
        mean["low"], mean["high"] = images.interval(_pair_weights(pairs), mean["mean"])
        mean["interval"] = OVER_IMAGES
    target = _joined(pairs["target"])
    return mean | {"estimator": "paired", "target": target, "networks": len(pairs)}


def _pooled_boost(
    treated: pd.DataFrame, control: pd.DataFrame, images: Images | None
) -> dict[str, object]:
    mean = treated["top1"].mean() - control["top1"].mean()
    low, high, interval = difference_of_means(treated, control, "top1")
    replicates = len(pd.concat([treated, control])[REPLICATE].drop_duplicates())
    if replicates == 1 and images:
        weights = pd.Series(
            np.repeat([1 / len(treated), -1 / len(control)], [len(treated), len(control)]),
            index=treated.index.append(control.index),
        )
        (low, high), interval = images.interval(weights, mean), OVER_IMAGES
    of_treated, of_control = _joined(treated["target"]), _joined(control["target"])
    return {
        "target": of_treated if of_treated == of_control else f"{of_treated} vs {of_control}",
        "estimator": "pooled",
        "mean": mean,
        "low": low,
        "high": high,
        "interval": interval,
        "replicates": replicates,
        "networks": len(treated),
    }


def boost(networks: pd.DataFrame, correct: Correct | None = None) -> pd.DataFrame:
    """boost.csv: what AnB+ gains over the base and over BnB+, on average over layers (Table 1).

    Columns: study, split_kind, target, target_size, layers (1-N, 3-N and 5-N, N the largest n of
    the AnB+), n (those of them that the study has, such as `3 4 7`), comparison (base or
    selffer), estimator, mean, low, high (differences in top-1, as fractions), interval (its
    kind), replicates and networks (how many AnB+ entered).

    `paired` is the mean over replicates of each AnB+ less its own control. `pooled` is the
    paper's estimator: the mean over the AnB+ less the mean over the control networks, each
    counted once. Both agree where the table is complete. Controls are those of the halves for
    which the table lists an AnB+, be it without score; where the scored AnB+ and the controls
    are of different halves, `target` says so (`B vs A+B`).

    Intervals are Student's t over splits, or over the seeds of one split; with one replicate, the
    bootstrap over images of `estimate`, and `none` without `correct`.

    Raises ValueError as `estimate` does. Source: Yosinski et al. 2014, Table 1.
    """
    table = checked(networks)
    pairs = _pairs(table, [effect for effect in EFFECTS if effect.name in COMPARISONS.values()])
    images = Images(table, correct) if correct else None
    listed = _of(table, TRANSFER_PLUS)
    rows = []
    for key, group in listed[listed["n"] > 0].groupby(GROUP):
        last = group.loc[group["top1"].notna(), "n"].max()
        halves = table["target"].isin(group["target"])
        scored = table[_in_group(table, key) & halves & table["top1"].notna()]
        own = pairs[_in_group(pairs, key)]
        for start in [start for start in FIRST_LAYERS if start <= last]:
            entered = sorted(group.loc[(group["n"] >= start) & group["top1"].notna(), "n"].unique())
            for comparison, effect in COMPARISONS.items():
                described = dict(
                    zip(GROUP, key, strict=True),
                    layers=f"{start}-{last}",
                    n=" ".join(map(str, entered)),
                    comparison=comparison,
                )
                differences = own[(own["effect"] == effect) & (own["n"] >= start)]
                if len(differences):
                    rows.append(described | _paired_boost(differences, images))
                treated = _of(scored, TRANSFER_PLUS)
                control = _of(scored, BASE if comparison == "base" else SELFFER_PLUS)
                treated = treated[treated["n"] >= start]
                control = control[(control["kind"] == "base") | (control["n"] >= start)]
                if len(treated) and len(control):
                    rows.append(described | _pooled_boost(treated, control, images))
    return pd.DataFrame(rows, columns=BOOST_COLUMNS)
