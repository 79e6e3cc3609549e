"""95 % intervals: over replicates where there are several, over validation images where not."""

import warnings
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

Correct = Callable[[pd.Series], np.ndarray]

CONFIDENCE = 0.95
RESAMPLES = 2000

OVER_SPLITS = "t over splits"
OVER_SEEDS = "t over seeds"
OVER_IMAGES = "bootstrap over images"
UNPAIRED = "unpaired over images"
OF_MODEL = "t of the linear model"
NO_INTERVAL = "none"

REPLICATE = ["split", "seed"]


def _t_interval(units: np.ndarray) -> np.ndarray:
    """2 × groups: low and high of the mean of each row's units, by Student's t."""
    with warnings.catch_warnings():
        # Equal units rightly give an interval of no width; scipy doubts its precision.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        return np.array(stats.ttest_1samp(units, 0, axis=-1).confidence_interval(CONFIDENCE))


def mean_over_replicates(values: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Mean of `value` for each group `by`, over replicates (split, seed), with its t interval.

    Several values of one replicate (targets, layers) are averaged first. Seeds of one
    split share its classes and are not independent draws of an effect: with several splits, the
    interval is over the splits' means; with one, it is over its seeds and holds for that split
    alone. Columns: `by`, mean, low, high (95 %), interval (`t over splits`, `t over seeds` or, with
    one replicate, `none`, low and high being NaN) and replicates.
    """
    inside = values.groupby([*by, *REPLICATE], as_index=False)[value].mean()
    of_splits = inside.groupby([*by, "split"], as_index=False)[value].mean()
    several = of_splits.groupby(by)[value].transform("count") >= 2
    one = inside.groupby(by)["split"].transform("nunique") == 1
    units = pd.concat([of_splits[several], inside[one]]).sort_values(by, kind="stable")
    groups = units.groupby(by)[value]
    table = groups.agg(mean="mean", units="count").assign(low=np.nan, high=np.nan)
    counts = groups.transform("count")
    for count in np.unique(counts[counts >= 2]):
        # The rows are sorted, so each group's units lie next to one another.
        matrix = units.loc[counts == count, value].to_numpy().reshape(-1, count)
        table.loc[table["units"] == count, ["low", "high"]] = _t_interval(matrix).T
    splits = inside.groupby(by)["split"].nunique()
    table["replicates"] = inside.groupby(by).size()
    table["interval"] = np.select(
        [splits >= 2, table["units"] >= 2], [OVER_SPLITS, OVER_SEEDS], NO_INTERVAL
    )
    return table.drop(columns="units").reset_index()


def difference_of_means(
    treated: pd.DataFrame, control: pd.DataFrame, value: str
) -> tuple[float, float, str]:
    """Low, high and kind of the t interval of the mean of `treated` less that of `control`.

    The units, splits or the seeds of one split, may hold unequal numbers of networks: each is
    counted with its linearised contribution to the difference, which is the unit's difference where
    all hold the same. The degrees of freedom are those of the side with fewer units; NaN
    and `none` where one side has a single unit.
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
    """Low and high (95 %) of the first top-1 less the second, from the number of validation images
    of each alone, by Newcombe's score interval.

    Wider than a paired interval: both networks were validated on the same images and mostly err on
    the same ones, which it ignores.
    """
    # Here, since few studies need it, and figures import this module too.
    from statsmodels.stats.proportion import confint_proportions_2indep

    (first, second), (of_first, of_second) = top1, images
    counts = (first * of_first, of_first, second * of_second, of_second)
    return confint_proportions_2indep(
        *counts, compare="diff", method="newcomb", alpha=1 - CONFIDENCE
    )


def _sum_of_means(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
    return sum(sample.mean(axis=axis) for sample in samples)


class Images:
    """Bootstrap over validation images: 0/1 correctness of networks, weighted and summed."""

    def __init__(self, table: pd.DataFrame, correct: Correct):
        self.table = table
        self.correct = cache(lambda row: np.asarray(correct(table.loc[row]), dtype=float))

    def interval(self, weights: pd.Series, location: float) -> np.ndarray:
        """Low and high of Σ weight × accuracy, moved to lie about `location`.

        `weights` is indexed by row of the table. Networks of one target share its images, and
        each (split, seed, target) draws its own.
        """
        weights = weights.groupby(level=0).sum()
        cells = self.table.loc[weights.index, [*REPLICATE, "target"]]
        samples = []
        for _, rows in weights.groupby([cells[column] for column in cells]):
            images = {row: self.correct(row) for row in rows.index}
            if len({of_row.shape for of_row in images.values()}) > 1:
                networks = self.table["network"]
                shapes = [f"{networks[row]} {of_row.shape}" for row, of_row in images.items()]
                raise ValueError(
                    "networks of one split and target differ in their validation images: "
                    f"{', '.join(shapes)}; evaluate them on the same image store"
                )
            samples.append(np.tensordot(rows.to_numpy(), np.stack([*images.values()]), axes=1))
        result = stats.bootstrap(
            samples,
            _sum_of_means,
            n_resamples=RESAMPLES,
            # Bounds the memory of one batch to about 100 MB.
            batch=max(1, min(RESAMPLES, 5_000_000 // max(map(len, samples)))),
            vectorized=True,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        return np.array(result.confidence_interval) + (location - _sum_of_means(*samples))
