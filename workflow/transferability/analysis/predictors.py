"""How well cheap scores of layers predict the measured curves: computes predictors.csv from probes
and the table of networks."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from transferability.analysis import effects, intervals
from transferability.analysis.treatments import EFFECTS
from transferability.study import targets
from transferability.study.networks import parse_name

MEASURED = ("transfer", "specificity", "source_gap", "freeze_cost")
DEPTH = "depth"
OVER_LAYERS, OVER_SOURCES, OVER_SPLITS = "layers", "sources", "splits"
FEWEST = {OVER_LAYERS: 3, OVER_SOURCES: 2, OVER_SPLITS: 3}
"""The smallest number of layers, sources or splits for a rank correlation."""
COLUMNS = [
    *("study", "split_kind", "source", "target", "target_size", "effect", "over", "predictor"),
    *("correlation", "low", "high", "depth", "lead", "lead_low", "lead_high", "interval"),
    *("replicates", "compared"),
]
KEY = [*effects.GROUP, "effect", "predictor"]
CELL = [*intervals.REPLICATE, "target"]
PROBES_COLUMNS = [
    *("study", "split", "seed", "source", "target", "target_size", "n", "layer", "predictor"),
    *("value", "seconds", "feature_seconds", "train_images", "validation_images"),
]
MECHANISM_COLUMNS = [
    *("study", "split", "seed", "network", "kind", "source", "target", "target_size", "copied"),
    *("frozen", "fine_tuned", "measure", "n", "layer", "other_seed", "top1", "loss", "top1_change"),
    *("loss_change", "validation_images"),
]


def collect(
    study: str, networks: Path, replicates: Iterable[tuple[str, int]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """probes.csv and mechanism.csv, from the file that `probe-layers` wrote for each replicate.

    Raises ValueError naming a file that is missing or not in the format of that command.
    """
    rows: dict[str, list[dict]] = {"probes": [], "mechanism": []}
    for split, seed in replicates:
        file = networks / split / f"seed{seed}" / targets.PROBES
        place = {"study": study, "split": split, "seed": seed}
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            for table, of_table in rows.items():
                of_table += [place | row for row in found[table]]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{file}: cannot be read ({error}); delete it and run again"
            ) from error
    for row in rows["mechanism"]:
        network = parse_name(row["network"])
        row |= {key: value for key, value in vars(network).items() if key != "n"}
        row["frozen"] = network.frozen_layers
    counts = dict.fromkeys(("n", "other_seed"), "Int64")
    return (
        pd.DataFrame(rows["probes"], columns=PROBES_COLUMNS),
        pd.DataFrame(rows["mechanism"], columns=MECHANISM_COLUMNS).astype(counts),
    )


def predictors(probes: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """predictors.csv: the rank correlation (Spearman) of each score with measured effects.

    One row for each effect (transfer, specificity or source_gap, freeze_cost), predictor and
    `over`:

    - `layers`: over the n of one replicate. `depth` is the correlation of −n with the same effects,
      which a good score must exceed; `lead` is the correlation minus `depth`.
    - `sources`: over the sources of one replicate at one n, averaged over n. All sources then have
      the same depth, so `lead` equals the correlation.
    - `splits`: over random splits at one n, averaged over n. It uses all replicates at once, so
      there is no interval.

    `correlation` and `lead` are means over replicates with 95 % intervals (of the kind `interval`),
    NaN with one replicate; `compared` is the largest number of layers, sources or splits ranked. A
    replicate is left out if its effects or scores do not vary, or if its control did not learn.
    """
    found = _beside_each_other(probes, networks)
    random = found[found["split_kind"] == effects.EXCHANGEABLE].assign(letter="")
    of_splits = random.groupby([*KEY, "split", "n"], as_index=False)[["value", "difference"]].mean()
    return _arranged(
        _means(_correlations(found, [*KEY, *CELL], OVER_LAYERS), KEY),
        _over_sources(found),
        _means(_correlations(of_splits, [*KEY, "n"], OVER_SPLITS), KEY),
    )


def across_studies(studies: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """Rows `sources` of predictors.csv over the sources of several studies with the same target.

    `studies` has the probes and the networks of each study, by its name. Everything that a study
    copies from is a source, also a half. Sources are ranked at the same n, split, seed and target.
    """
    found = pd.concat(_beside_each_other(*tables) for tables in studies.values())
    return _arranged(_over_sources(found.assign(study=" and ".join(studies))))


def _over_sources(found: pd.DataFrame) -> pd.DataFrame:
    by = [column for column in KEY if column != "letter"]
    return _means(_correlations(found, [*by, *CELL, "n"], OVER_SOURCES), by)


def _arranged(*tables: pd.DataFrame) -> pd.DataFrame:
    """predictors.csv from its parts, with columns and rows in order."""
    table = pd.concat(tables, ignore_index=True).reindex(columns=[*KEY, "over", *COLUMNS[8:]])
    table = table.assign(
        source=lambda table: table["letter"].astype(object).fillna(""),
        target=lambda table: table["pool"],
        size=lambda table: effects.size_order(table["target_size"]),
        place=lambda table: table["effect"].map({name: k for k, name in enumerate(MEASURED)}),
    )
    # A correlation is at most 1, but a symmetric interval may exceed this.
    table[["low", "high"]] = table[["low", "high"]].clip(-1, 1)
    counts = dict.fromkeys(("replicates", "compared"), "Int64")
    by_place = ["study", "over", "split_kind", "size", "target", "source", "place"]
    table = table.astype(counts).sort_values(by_place, kind="stable")
    return table[COLUMNS].reset_index(drop=True)


def _beside_each_other(probes: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """One row for each `value` of a score (or depth) and each `difference` of an effect."""
    table = effects.checked(networks)
    measured = [effect for effect in EFFECTS if effect.name in MEASURED]
    pairs = effects.complete(effects.all_pairs(table, measured))
    pairs = pairs[~pairs["row_control"].map(table["failed"])]
    sources = probes[probes["source"] != probes["target"]]
    sources = sources.astype({"target_size": str}).assign(letter=effects.letters)
    on = ["split", "seed", "target", "target_size", "letter", "n"]
    found = pairs.merge(sources[[*on, "predictor", "value"]], on=on)
    depth = pairs[pairs["row"].isin(found["row"])]
    depth = depth.assign(predictor=DEPTH, value=-depth["n"])
    return pd.concat([found, depth], ignore_index=True).dropna(subset="value")


def _correlations(found: pd.DataFrame, by: list[str], over: str) -> pd.DataFrame:
    """The rank correlation of value and difference, and that of depth, in each group of `by`."""
    rows = []
    for key, group in found.groupby(by):
        varies = group[["value", "difference"]].nunique().min() > 1
        if len(group) < FEWEST[over] or not varies:
            continue
        correlation = group["value"].corr(group["difference"], method="spearman")
        depth = 0.0
        if over == OVER_LAYERS:
            depth = (-group["n"]).corr(group["difference"], method="spearman")
        measured = {"correlation": correlation, "depth": depth, "lead": correlation - depth}
        rows.append(dict(zip(by, key, strict=True)) | measured | {"compared": len(group)})
    columns = [*by, "correlation", "depth", "lead", "compared"]
    return pd.DataFrame(rows, columns=columns).assign(over=over)


def _means(correlations: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The means over replicates, with intervals if there are several replicates."""
    by = [*by, "over"]
    if correlations.empty:
        return correlations[by]
    groups = correlations.groupby(by)
    if "split" not in correlations:
        table = groups[["correlation", "lead"]].mean().assign(compared=groups["compared"].max())
        table = table.assign(replicates=table["compared"], interval=intervals.NO_INTERVAL)
        return table.reset_index()
    table, lead = (
        intervals.mean_over_replicates(correlations, by, value).set_index(by)
        for value in ("correlation", "lead")
    )
    return table.assign(
        correlation=table["mean"],
        depth=groups["depth"].mean(),
        lead=lead["mean"],
        lead_low=lead["low"],
        lead_high=lead["high"],
        compared=groups["compared"].max(),
    ).reset_index()
