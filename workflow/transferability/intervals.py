"""95 % intervals: over replicates where there are several, over validation images where not."""

import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

Correct = Callable[[pd.Series], np.ndarray]

CONFIDENCE = 0.95
RESAMPLES = 2000

OVER_REPLICATES = "t over replicates"
OVER_IMAGES = "bootstrap over images"
OVER_CLUSTERS = "bootstrap over replicates"
NO_INTERVAL = "none"

REPLICATE = ["split", "seed"]


def mean_over_replicates(values: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Mean of `value` for each group `by`, over replicates (split, seed), with its t interval.

    What a replicate holds several of (targets, layers) is averaged inside it first. Columns:
    `by`, mean, low, high (95 %), interval and replicates. With one replicate low and high are
    NaN and interval is `none`.
    """
    inside = values.groupby([*by, *REPLICATE], as_index=False)[value].mean()
    groups = inside.groupby(by)[value]
    table = groups.agg(mean="mean", replicates="count").assign(low=np.nan, high=np.nan)
    counts = groups.transform("count")
    for count in np.unique(counts[counts >= 2]):
        # Grouping sorted the rows, so each group's replicates lie next to one another.
        matrix = inside.loc[counts == count, value].to_numpy().reshape(-1, count)
        with warnings.catch_warnings():
            # Equal replicates rightly give an interval of no width; scipy doubts its precision.
            warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
            interval = stats.ttest_1samp(matrix, 0, axis=1).confidence_interval(CONFIDENCE)
        table.loc[table["replicates"] == count, "low"] = interval.low
        table.loc[table["replicates"] == count, "high"] = interval.high
    table["interval"] = np.where(table["replicates"] >= 2, OVER_REPLICATES, NO_INTERVAL)
    return table.reset_index()


def _sum_of_means(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
    return sum(sample.mean(axis=axis) for sample in samples)


def _difference_of_means(
    treated: np.ndarray, n_treated: np.ndarray, control: np.ndarray, n_control: np.ndarray, axis=-1
) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return treated.sum(axis) / n_treated.sum(axis) - control.sum(axis) / n_control.sum(axis)


def _bootstrap(samples: list[np.ndarray], statistic: Callable, paired: bool) -> np.ndarray:
    """Low and high of the percentile bootstrap; resamples without a value are left out."""
    with warnings.catch_warnings():
        # Said by scipy of resamples without a value, which are dealt with below.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            samples,
            statistic,
            n_resamples=RESAMPLES,
            # Bounds the memory of one batch to some 100 MB.
            batch=max(1, min(RESAMPLES, 5_000_000 // max(len(sample) for sample in samples))),
            vectorized=True,
            paired=paired,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    tail = 50 * (1 - CONFIDENCE)
    return np.nanpercentile(result.bootstrap_distribution, [tail, 100 - tail])


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
            images = [self.correct(row) for row in rows.index]
            if len({image.shape for image in images}) > 1:
                names = ", ".join(
                    f"{name} {image.shape}"
                    for name, image in zip(
                        self.table.loc[rows.index, "network"], images, strict=True
                    )
                )
                raise ValueError(
                    f"networks of one split and target differ in their validation images: {names}; "
                    "evaluate them on the same image store"
                )
            samples.append(np.tensordot(rows.to_numpy(), np.stack(images), axes=1))
        low_high = _bootstrap(samples, _sum_of_means, paired=False)
        return low_high + (location - _sum_of_means(*samples))


def over_clusters(clusters: pd.DataFrame) -> np.ndarray:
    """Low and high of a difference of two means, by a bootstrap over replicates.

    `clusters` has one row per replicate: sum and number of treated networks' scores, sum and
    number of the control networks'. Replicates are drawn whole, so the four stay together, and
    may be unequally filled.
    """
    return _bootstrap(list(clusters.to_numpy(float).T), _difference_of_means, paired=True)
