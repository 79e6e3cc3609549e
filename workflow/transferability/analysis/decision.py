"""How many layers to freeze: computes decision.csv from the table of networks."""

import numpy as np
import pandas as pd
from scipy import stats

from transferability.analysis import effects, intervals
from transferability.analysis.equivalence import replicates_needed, transferred
from transferability.analysis.treatments import FREEZE_COST

COLUMNS = [
    *("study", "split_kind", "source", "target", "target_size", "margin", "n", "layer"),
    *("mean", "lower", "passes", "n_star", "n_best", "reporting_mean", "reporting_low"),
    *("reporting_high", "one_training_low", "seeds_needed", "replicates", "interval"),
    *("images_per_second_gain", "trainable_parameters"),
]
BY = [*effects.GROUP, "n"]


def decision(networks: pd.DataFrame, margin: float) -> pd.DataFrame:
    """decision.csv: the cost of freezing the first n of the copied layers, and the best n.

    One row for each n > 0 of the networks `partial`. The cost is P7fnB − P7f0B, a difference of
    top-1 as a fraction; a loss is below zero. Some columns: layer (the last frozen one); mean and
    lower (one-sided 95 % lower limit) over replicates; passes, whether lower > −margin; n_star, the
    largest n such that all n up to it pass (0 if the first does not); n_best, the n with the
    highest mean top1_selection (may be 0); reporting_mean, reporting_low and reporting_high, the
    cost and its 95 % interval on the other half of the validation images (top1_reporting), not used
    to choose n; one_training_low, the cost below which 5 % of single trainings fall; seeds_needed,
    the number of seeds with which this mean and std would pass; replicates; interval (its kind);
    images_per_second_gain, the training speed divided by that of n = 0; trainable_parameters.

    With one replicate, all columns that need intervals are NaN. Replicates whose P7f0B did not
    learn are left out, since they have no reference. A P7fnB that did not learn is a cost of
    freezing, and is kept.
    """
    table = effects.checked(networks)
    pairs = _pairs(table, "top1")
    if pairs.empty:
        return pd.DataFrame(columns=COLUMNS)
    groups = pairs.groupby(BY)
    rows = _means(pairs)
    first = groups["row"].first()
    speed, speed_of_all = (
        pairs.assign(speed=pairs[row].map(table["images_per_second"])).groupby(BY)["speed"].mean()
        for row in ("row", "row_control")
    )
    rows = rows.assign(
        margin=margin,
        target=groups["target"].agg(effects.joined),
        layer=first.map(table["layer"]),
        interval=effects.of_checkpoints(
            *(rows["interval"], first.map(table["source_kind"]) == "weights"),
            rows.index.to_frame()["letter"],
        ),
        passes=(rows["lower"] > -margin).where(rows["lower"].notna()),
        one_training_low=groups[["split", "seed", "difference", "floor"]].apply(_one_training_low),
        seeds_needed=[
            replicates_needed(row["mean"], row["std"], margin) if row["lower"] <= -margin else None
            for row in rows.to_dict("records")
        ],
        images_per_second_gain=speed / speed_of_all,
        trainable_parameters=first.map(table["trainable_parameters"]),
    )
    ends = {"mean": "reporting_mean", "low": "reporting_low", "high": "reporting_high"}
    reported = _means(_pairs(table, "top1_reporting"))[[*ends]].rename(columns=ends)
    rows = rows.drop(columns=["low", "high"]).join(reported)
    selection = _means(_pairs(table, "top1_selection"))["mean"]
    judged = []
    for key, group in rows.groupby(effects.GROUP):
        by_n = group.reset_index()
        if by_n["lower"].notna().all():
            shown = transferred(by_n.to_dict("records"), margin).shown
            by_n["n_star"] = shown[-1]["n"] if shown else 0
            costs = selection.loc[key]
            # The largest n with the highest mean, including n = 0, whose cost is zero.
            by_n["n_best"] = max([(0.0, 0), *zip(costs, costs.index, strict=True)])[1]
        judged.append(by_n)
    table = pd.concat(judged).assign(source=lambda rows: rows["letter"])
    whole = dict.fromkeys(("n_star", "n_best", "seeds_needed", "trainable_parameters"), "Int64")
    table = table.reindex(columns=COLUMNS).astype({**whole, "passes": "boolean"})
    order = ["study", "split_kind", "size", "target", "source", "n"]
    table = table.assign(size=effects.size_order(table["target_size"])).sort_values(order)
    return table[COLUMNS].reset_index(drop=True)


def _one_training_low(pairs: pd.DataFrame) -> float:
    """The difference below which 5 % of further trainings fall: trainings with a new split or, if
    there is only one split, with a new seed. NaN with one split and one seed."""
    units = pairs.groupby("split" if pairs["split"].nunique() > 1 else "seed")["difference"]
    means, count = units.mean(), units.size()
    if len(means) < 2:
        return np.nan
    within = (units.var().fillna(0) * (count - 1)).sum() / max(1, (count - 1).sum())
    # The variance of the means already contains a part (1 / count) of that of the trainings.
    between = max(means.var(), pairs["floor"].mean())
    variance = between * (1 + 1 / len(means)) + within * (1 - (1 / count).mean())
    return means.mean() - stats.t.ppf(intervals.CONFIDENCE, len(means) - 1) * np.sqrt(variance)


def _pairs(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """The cost of freezing in a score, for each network whose control (nothing frozen) learned."""
    scored = table.assign(top1=table[score])
    pairs = effects.all_pairs(scored, [FREEZE_COST])
    pairs = effects.complete(effects.with_groups(pairs, table))
    pairs["lost"] = pairs["row"].map(table["failed"])
    if score != "top1" and "training" not in table:
        # These scores use half of the images.
        pairs["floor"] *= 4
    return pairs[~pairs["row_control"].map(table["failed"])]


def _means(pairs: pd.DataFrame) -> pd.DataFrame:
    """The mean difference of each n, with its interval, by n. As in effects.csv, an n with a
    network that did not learn does not contribute its variance to the intervals of other n."""
    every, learned = (
        intervals.mean_over_replicates(rows, BY, "difference", effects.GROUP).set_index(BY)
        for rows in (pairs, pairs[~pairs["lost"]])
    )
    lost = pairs.groupby(BY)["lost"].any()
    return pd.concat([every[lost], learned[~lost.reindex(learned.index)]]).sort_index()
