"""Few replicates, several n: moderated variances, and p that are corrected for their number."""

import numpy as np
import pandas as pd
from scipy import optimize, special


def moderated(units: pd.DataFrame) -> pd.DataFrame:
    """Variance and degrees of freedom of each column, moderated towards the mean of all variances.

    `units` has a row for each split or seed and a column for each n, with at least two numbers in
    each column. A variance s² from d + 1 numbers is known badly. With a prior variance s0² of d0
    degrees of freedom, the moderated variance is (d0 s0² + d s²) / (d0 + d), and the t statistic
    that divides by it has d0 + d degrees of freedom. d0 follows from the variance of log s² over
    the columns. Source: Smyth 2004, Statistical Applications in Genetics and Molecular Biology
    3(1), article 3, sections 4 and 6.2.

    Two things differ from it, since the n of an effect are few, share networks, and differ in
    noise: s0² is the mean of the variances (there it is below, and noisy n are found too often),
    and the degrees of freedom are at most d G² / Σ r², r the correlations between the G columns:
    those of the mean of correlated variances.
    """
    variance, freedom = units.var(), units.count() - 1
    # Equal numbers have no variance; there it is the prior's alone.
    spread = variance > 0
    if spread.sum() < 2:
        return pd.DataFrame({"variance": variance, "freedom": freedom})
    half = freedom[spread] / 2
    logs = np.log(variance[spread]) - special.digamma(half) + np.log(half)
    # As large as no excess at all means: a common variance.
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
    """The p of several hypotheses, corrected for their number: where none is true, one falls below
    0.05 in at most 5 % of families. Source: Holm 1979, Scandinavian Journal of Statistics 6."""
    ordered = p.dropna().sort_values()
    factors = np.arange(len(ordered), 0, -1)
    return (ordered * factors).cummax().clip(upper=1).reindex(p.index)
