"""95 % intervals over replicates or, for a single replicate, over validation images."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

Correct = Callable[[pd.Series], np.ndarray]

CONFIDENCE = 0.95
RESAMPLES = 2000

MODERATED_OVER_SEEDS = "moderated t over seeds"
OVER_SPLITS = "t over splits"
OVER_SEEDS = "t over seeds"
# Appended if the seeds copy the layers of one checkpoint.
FOR_THIS_CHECKPOINT = ", for this checkpoint"
OVER_IMAGES = "image interval"
UNPAIRED = "unpaired image interval"
OF_MODEL = "t of the linear model"
NO_INTERVAL = "none"
# For a single replicate: these cover other validation images, but not other trainings.
OF_IMAGES = (OVER_IMAGES, UNPAIRED)

REPLICATE = ["split", "seed"]


def mean_over_replicates(
    values: pd.DataFrame, by: list[str], value: str, family: Sequence[str] = ()
) -> pd.DataFrame:
    """Mean of `value` for each group `by`, over replicates (split, seed), with its t interval.

    Several values of one replicate (targets, layers) are averaged first. Seeds of one split share
    its classes and are not independent draws of an effect. With several splits, the units are
    therefore the means of splits; with one split, the units are its seeds, and the interval is
    valid only for that split. If several groups share the columns `family` (the n of one effect),
    their variances are moderated, and p_holm is corrected for their number.

    If `values` has the column `floor`, no variance is smaller than it, so equal values do not give
    an interval of zero width.

    Columns: `by`; mean, median and std of the units; low and high (95 %, two-sided), lower (the
    one-sided 95 % lower limit), p (two-sided, for a mean of zero) and p_holm, all NaN with one
    unit; interval (its kind) and replicates.
    """
    inside = values.groupby([*by, *REPLICATE], as_index=False)[value].mean()
    of_splits = inside.groupby([*by, "split"], as_index=False)[value].mean()
    several = of_splits.groupby(by)[value].transform("count") >= 2
    one = inside.groupby(by)["split"].transform("nunique") == 1
    units = pd.concat(
        [
            of_splits[several].rename(columns={"split": "unit"}),
            inside[one].drop(columns="split").rename(columns={"seed": "unit"}),
        ]
    )
    table = units.groupby(by)[value].agg(["mean", "median", "std", "count"])
    table["freedom"], table["variance"] = table["count"] - 1.0, table["std"] ** 2
    splits = inside.groupby(by)["split"].nunique()
    table["interval"] = np.select(
        [splits >= 2, table["count"] >= 2], [OVER_SPLITS, OVER_SEEDS], NO_INTERVAL
    )
    families = _families(table, family)
    of_family = units.groupby(list(family)) if families else None
    for key, rows in families:
        matrix = of_family.get_group(key).pivot_table(value, "unit", by)[rows.index]
        table.loc[matrix.columns, ["variance", "freedom"]] = moderated(matrix)
        table.loc[matrix.columns, "interval"] = "moderated " + rows["interval"]
    if "floor" in values:
        table["variance"] = table["variance"].clip(lower=values.groupby(by)["floor"].mean())
    _add_limits(table)
    table["p_holm"] = table["p"]
    for _, rows in families:
        table.loc[rows.index, "p_holm"] = holm(table.loc[rows.index, "p"])
    table["replicates"] = inside.groupby(by).size()
    return table.drop(columns=["count", "freedom", "variance"]).reset_index()


def _families(table: pd.DataFrame, family: Sequence[str]) -> list[tuple[tuple, pd.DataFrame]]:
    """Groups of at least two rows that share the columns `family` and have several units each."""
    replicated = table[table["count"] >= 2]
    if not family or replicated.empty:
        return []
    family = list(family)
    size = replicated.groupby(family)["count"].transform("size")
    return [*replicated[size >= 2].groupby(family)]


def _add_limits(table: pd.DataFrame) -> None:
    """Adds low, high, lower and p, from mean, variance, degrees of freedom and count."""
    error = np.sqrt(table["variance"] / table["count"])
    freedom = table["freedom"].where(table["freedom"] > 0)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * error
    table["low"], table["high"] = table["mean"] - reach, table["mean"] + reach
    table["lower"] = table["mean"] - stats.t.ppf(CONFIDENCE, freedom) * error
    # If all values are equal, p is 1 for a mean of zero and 0 for any other mean.
    statistic = (table["mean"].abs() / error).where(table["mean"].abs() > 0, 0)
    table["p"] = 2 * stats.t.sf(statistic, freedom)


def moderated(units: pd.DataFrame) -> pd.DataFrame:
    """Variance and degrees of freedom of each column, moderated towards the mean of all variances.

    `units` has a row for each split or seed and a column for each n, with at least two numbers in
    each column. With a prior variance s0² that has d0 degrees of freedom, the moderated variance is
    (d0 s0² + d s²) / (d0 + d), with d0 + d degrees of freedom. d0 follows from the variance of log
    s² over the columns. Source: Smyth 2004, Statistical Applications in Genetics and Molecular
    Biology 3(1), article 3, sections 4 and 6.2.

    There are two changes, because the n of an effect are few, share networks, and differ in noise.
    s0² is the mean of the variances; Smyth's is smaller, so noisy n would be significant too often.
    The degrees of freedom are at most d G² / Σ r² (G columns, r their correlations), which are
    those of the mean of correlated variances.
    """
    variance, freedom = units.var(), units.count() - 1
    # Equal numbers have variance 0; such a column gets only the variance of the prior.
    spread = variance > 0
    if spread.sum() < 2:
        return pd.DataFrame({"variance": variance, "freedom": freedom})
    half = freedom[spread] / 2
    logs = np.log(variance[spread]) - special.digamma(half) + np.log(half)
    # If there is no excess, d0 is very large: all columns have the same variance.
    excess = max(logs.var() - special.polygamma(1, half).mean(), 1e-6)
    prior = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, 1e9)
    correlation = units.loc[:, spread].corr().fillna(1)
    most = freedom.mean() * correlation.size / (correlation**2).to_numpy().sum()
    return pd.DataFrame(
        {
            "variance": (prior * variance.mean() + freedom * variance) / (prior + freedom),
            "freedom": np.minimum(prior + freedom, np.maximum(freedom, most)),
        }
    )


def holm(p: pd.Series) -> pd.Series:
    """p values corrected for their number: if no effect of a family is real, a p below 0.05 occurs
    in at most 5 % of families. Source: Holm 1979, Scandinavian Journal of Statistics 6."""
    ordered = p.dropna().sort_values()
    factors = np.arange(len(ordered), 0, -1)
    return (ordered * factors).cummax().clip(upper=1).reindex(p.index)


def difference_of_means(
    treated: pd.DataFrame, control: pd.DataFrame, value: str
) -> tuple[float, float, str]:
    """Low, high and kind of the t interval of the mean of `treated` minus the mean of `control`.

    The units (splits, or the seeds of one split) may have unequal numbers of networks. Each unit is
    counted with its linearised contribution to the difference, which is the difference inside the
    unit if all have equal numbers. The degrees of freedom are those of the side with fewer units;
    NaN and `none` if one side has a single unit.
    """
    several = pd.concat([treated["split"], control["split"]]).nunique() >= 2
    unit, kind = (["split"], OVER_SPLITS) if several else (REPLICATE, OVER_SEEDS)
    sides = [side.groupby(unit)[value].agg(["sum", "count"]) for side in (treated, control)]
    fewest = min(len(side) for side in sides)
    if fewest < 2:
        return np.nan, np.nan, NO_INTERVAL
    units = pd.concat(sides, axis=1, keys=["treated", "control"]).fillna(0)
    means = {"treated": treated[value].mean(), "control": control[value].mean()}
    contribution = {
        side: (units[side]["sum"] - mean * units[side]["count"]) / units[side]["count"].mean()
        for side, mean in means.items()
    }
    error = stats.sem(contribution["treated"] - contribution["control"])
    difference = means["treated"] - means["control"]
    if error == 0:
        return difference, difference, kind
    return *stats.t.interval(CONFIDENCE, fewest - 1, difference, error), kind


def unpaired(top1: Sequence[float], images: Sequence[float]) -> tuple[float, float]:
    """Low and high (95 %) of the first top-1 minus the second, by Newcombe's score interval, which
    needs only the numbers of validation images.

    It is wider than a paired interval, because it ignores that both networks were validated on the
    same images and mostly fail on the same ones.
    """
    # Imported here because few studies need it, and figures import this module too.
    from statsmodels.stats.proportion import confint_proportions_2indep

    (first, second), (of_first, of_second) = top1, images
    counts = (first * of_first, of_first, second * of_second, of_second)
    return confint_proportions_2indep(
        *counts, compare="diff", method="newcomb", alpha=1 - CONFIDENCE
    )


class Images:
    """Bootstrap over validation images: a weighted sum of the 0/1 correctness of networks."""

    def __init__(self, table: pd.DataFrame, correct: Correct):
        self.table = table
        self.correct = cache(lambda row: np.asarray(correct(table.loc[row]), dtype=float))

    def interval(self, weights: pd.Series, location: float) -> np.ndarray:
        """Low and high of Σ weight × accuracy, shifted so that the centre is `location`.

        `weights` is indexed by row of the table. Networks with one (split, seed, target) share the
        drawn images; each (split, seed, target) has its own draws.
        """
        weights = weights.groupby(level=0).sum()
        cells = self.table.loc[weights.index, [*REPLICATE, "target"]]
        samples = []
        for _, rows in weights.groupby([cells[column] for column in cells]):
            images = np.stack([self.correct(row) for row in rows.index])
            samples.append(np.tensordot(rows.to_numpy(), images, axes=1))
        result = stats.bootstrap(
            samples,
            lambda *drawn, axis: sum(sample.mean(axis=axis) for sample in drawn),
            n_resamples=RESAMPLES,
            # Limits the memory of one batch to about 100 MB.
            batch=max(1, min(RESAMPLES, 5_000_000 // max(map(len, samples)))),
            vectorized=True,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        return np.array(result.confidence_interval) + (
            location - sum(sample.mean() for sample in samples)
        )
