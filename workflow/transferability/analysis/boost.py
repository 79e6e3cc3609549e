"""Computes boost.csv from the table of networks: the gain of transfer with fine-tuning.

This is Table 1 of the paper, with the paper's estimator and with others.
"""

import numpy as np
import pandas as pd

from transferability.analysis import effects, intervals
from transferability.analysis.treatments import BASE, EFFECTS, SELFFER_PLUS, TRANSFER_PLUS

# The paper averages over the layers 1-7, 3-7 and 5-7.
FIRST_LAYERS = (1, 3, 5)
COMPARISONS = {"base": ("boost", BASE), "selffer": ("boost_over_selffer", SELFFER_PLUS)}
MEAN = ["estimator", "mean", "low", "high", "interval", "replicates"]
BOOST_COLUMNS = [
    *("study", "split_kind", "target", "target_size", "layers", "n", "comparison", *MEAN),
    *("networks", "controls", "missing", "not_learned"),
]


def boost(networks: pd.DataFrame, correct: intervals.Correct | None = None) -> pd.DataFrame:
    """boost.csv: the gain of AnB+ over the base and over BnB+, averaged over layers (Table 1).

    Some columns: layers (1-N, 3-N or 5-N, N the largest n of the AnB+), n (the values of n in this
    range that the study has, e.g. `3 4 7`), comparison (base or selffer), replicates (of the AnB+
    or of the controls, whichever has fewer), networks and controls (the numbers of AnB+ and of
    control networks used), missing (the number of both without top1) and not_learned (those that
    did not learn, and copied bases that did not). A study with sources has no such table.

    `paired` is the mean over replicates of each AnB+ minus its own control. `pooled` is the paper's
    estimator: the mean of the AnB+ minus the mean of the control networks, each counted once. Both
    are equal if the table is complete. Controls are only those of halves with an AnB+ in the table,
    with or without a score. If the scored AnB+ and the controls are of different halves, `target`
    shows this (`B vs A+B`).

    If an AnB+ or a BnB+ with a score has no partner with the same split, seed, target and n, two
    more estimators are given: `through_base`, the mean gain of the AnB+ over their bases minus that
    of the BnB+; and `linear_model`, least squares with an effect of each target half. Both assume
    that the networks of two halves differ by as much as the bases of these halves.

    Intervals are Student's t over splits, or over the seeds of one split; `none` if the AnB+ or the
    controls have only one split or seed. With one replicate, it is the image interval of
    `effects.estimate`, or `none` without `correct`. The linear model has its own t interval, which
    assumes independent noise of the networks of a half. Source: Yosinski et al. 2014, Table 1.
    """
    table = effects.checked(networks)
    table = table[table["letter"] == ""]
    table = table.assign(lost=effects.not_learned(table))
    needed = [effect for effect in EFFECTS if effect.name in dict(COMPARISONS.values())]
    pairs = effects.complete(effects.all_pairs(table, needed))
    images = intervals.Images(table, correct) if correct else None
    rows = []
    for key, networks in table.groupby(effects.GROUP):
        group = dict(zip(effects.GROUP, key, strict=True))
        treated = effects.of_treatment(networks, TRANSFER_PLUS).query("n > 0")
        layers = sorted(treated.loc[treated["top1"].notna(), "n"].unique())
        networks = networks[networks["target"].isin(treated["target"])]
        of_group = pairs[(pairs[effects.GROUP] == pd.Series(group)).all(axis=1)]
        for start in [start for start in FIRST_LAYERS if start <= max(layers, default=0)]:
            group["layers"] = f"{start}-{layers[-1]}"
            group["n"] = " ".join(str(n) for n in layers if n >= start)
            of_layers = networks[(networks["n"] >= start) | (networks["kind"] == "base")]
            for comparison, (effect, control) in COMPARISONS.items():
                group["comparison"] = comparison
                differences = of_group[(of_group["effect"] == effect) & (of_group["n"] >= start)]
                estimates = _estimates(of_layers, differences, control, images)
                rows += [group | estimate for estimate in estimates]
    return pd.DataFrame(rows, columns=BOOST_COLUMNS)


def _estimates(
    networks: pd.DataFrame,
    differences: pd.DataFrame,
    control_treatment: tuple[str, bool],
    images: intervals.Images | None,
) -> list[dict[str, object]]:
    """The estimates of one comparison. `networks` are those with the n of the comparison, and the
    bases; `differences` are those between each AnB+ and its own control."""
    treatments = (TRANSFER_PLUS, control_treatment)
    listed = [effects.of_treatment(networks, treatment) for treatment in treatments]
    treated, control = (side.dropna(subset="top1") for side in listed)
    estimates = []
    if len(differences):
        estimates.append(_paired(differences, images))
    if len(treated) and len(control):
        unpaired = max(len(treated), len(control)) > len(differences)
        if control_treatment == SELFFER_PLUS and unpaired:
            bases = effects.of_treatment(networks, BASE).dropna(subset="top1")
            over_base = [_relative(side, bases) for side in (treated, control)]
            if all(len(side) for side in over_base):
                estimates.append(_pooled(*over_base, "relative", images, "through_base"))
                estimates.append(_linear_model(*over_base, bases))
        estimates.append(_pooled(treated, control, "top1", images, "pooled"))
    missing = sum(side["top1"].isna().sum() for side in listed)
    lost = effects.names(pd.concat([treated["lost"], control["lost"]]))
    return [estimate | {"missing": missing, "not_learned": lost} for estimate in estimates]


def _paired(differences: pd.DataFrame, images: intervals.Images | None) -> dict[str, object]:
    """The estimate from the differences between each AnB+ and its own control."""
    means = intervals.mean_over_replicates(differences.assign(all=0), ["all"], "difference")
    mean = means.iloc[0].to_dict()
    if images and mean["replicates"] == 1:
        mean["low"], mean["high"] = images.interval(effects.pair_weights(differences), mean["mean"])
        mean["interval"] = intervals.OVER_IMAGES
    return mean | {
        "estimator": "paired",
        "target": effects.joined(differences["target"]),
        "networks": len(differences),
        "controls": differences["row_control"].nunique(),
    }


def _pooled(
    treated: pd.DataFrame,
    control: pd.DataFrame,
    score: str,
    images: intervals.Images | None,
    estimator: str,
) -> dict[str, object]:
    """The mean score of the AnB+ minus that of the controls. If the score is relative to a base,
    the column row_base contains that base's row."""
    mean = treated[score].mean() - control[score].mean()
    low, high, interval = intervals.difference_of_means(treated, control, score)
    sides = _sides(treated, control)
    if sides["replicates"] == 1 and images:
        weights = pd.concat([_mean_weights(treated, 1), _mean_weights(control, -1)])
        (low, high), interval = images.interval(weights, mean), intervals.OVER_IMAGES
    return sides | dict(zip(MEAN, (estimator, mean, low, high, interval), strict=False))


def _sides(treated: pd.DataFrame, control: pd.DataFrame) -> dict[str, object]:
    """The targets of an estimate and its numbers of replicates and networks."""
    targets = dict.fromkeys([effects.joined(treated["target"]), effects.joined(control["target"])])
    replicates = [len(side.groupby(intervals.REPLICATE)) for side in (treated, control)]
    return {
        "target": " vs ".join(targets),
        "replicates": min(replicates),
        "networks": len(treated),
        "controls": len(control),
    }


def _mean_weights(rows: pd.DataFrame, sign: int) -> pd.Series:
    """Weights of rows of the table; the weighted sum of accuracies is the signed mean of `rows`."""
    weights = pd.Series(sign / len(rows), index=rows.index)
    if "row_base" not in rows:
        return weights
    return pd.concat([weights, pd.Series(-sign / len(rows), index=rows["row_base"])])


def _relative(rows: pd.DataFrame, bases: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a base, with columns for that base's row and their top-1 minus its
    top-1."""
    of_base = bases[[*effects.CELL, "top1"]].assign(row_base=bases.index)
    beside = rows[effects.CELL].merge(of_base, on=effects.CELL, how="left").set_index(rows.index)
    relative = rows.assign(relative=rows["top1"] - beside["top1"], row_base=beside["row_base"])
    return relative.dropna(subset="relative").astype({"row_base": int})


def _linear_model(
    treated: pd.DataFrame, control: pd.DataFrame, bases: pd.DataFrame
) -> dict[str, object]:
    """AnB+ minus BnB+ by least squares. Top-1 is modelled as the sum of an effect of the treatment
    (base, BnB+ or AnB+), an effect of the target half (split, seed, target), and independent noise.

    The bases link halves on which only AnB+ or only BnB+ were trained.
    """
    # Imported here because the import takes longer than drawing a figure, and few studies need it.
    from statsmodels.formula import api as smf

    treatments = {"AnB_plus": treated, "BnB_plus": control, "base": bases}
    rows = pd.concat([side.assign(treatment=name) for name, side in treatments.items()])
    rows["half"] = rows[effects.CELL].astype(str).agg(" ".join, axis=1)
    rows = rows[rows["half"].isin(rows.loc[rows["kind"] != "base", "half"])]
    fit = smf.ols("top1 ~ C(treatment, Treatment('BnB_plus')) + C(half)", rows).fit()
    (difference,) = [name for name in fit.params.index if "AnB_plus" in name]
    interval = np.nan, np.nan, intervals.NO_INTERVAL
    if fit.df_resid > 0:
        interval = *fit.conf_int(1 - intervals.CONFIDENCE).loc[difference], intervals.OF_MODEL
    estimate = ("linear_model", fit.params[difference], *interval)
    return _sides(treated, control) | dict(zip(MEAN, estimate, strict=False))
