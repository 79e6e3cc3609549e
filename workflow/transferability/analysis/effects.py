"""Paired effects of copying layers: computes each difference, and their means with intervals, from
the table of networks."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from transferability.analysis import intervals
from transferability.analysis.treatments import BASE, COPY_A_SOURCE, EFFECTS, Effect
from transferability.study.networks import ALL_IMAGES, HALVES, trained_name

logger = logging.getLogger(__name__)


# Both halves of a random split are drawn in the same way, so their differences may be averaged.
EXCHANGEABLE = "random"
GROUP = ["study", "split_kind", "letter", "pool", "target_size"]
IDENTITY = ["study", "split", "seed", "target", "target_size"]
CELL = ["split_kind", *IDENTITY]
EFFECTS_COLUMNS = [
    *("study", "split_kind", "source", "target", "target_size", "effect", "n", "layer"),
    *("estimator", "mean", "median", "std", "low", "high", "lower", "interval", "replicates"),
    *("p", "p_holm", "differences", "missing", "not_learned"),
]
DIFFERENCES_COLUMNS = [
    *("split_kind", "source", *IDENTITY, "effect", "n", "network", "control", "difference")
]


def checked(networks: pd.DataFrame) -> pd.DataFrame:
    """The table of networks with consecutive row numbers, `split_kind`, `pool` and `letter`.

    `split_kind` is the split's name without trailing digits. `pool` is empty if the two targets are
    pooled (random splits), otherwise it is the target. `letter` is that of the source whose layers
    are copied; empty for layers copied from a half. Raises ValueError if a network is listed twice.
    """
    table = networks.reset_index(drop=True)
    table = table.astype({"target_size": str, "n": int, "fine_tuned": bool})
    table["split_kind"] = table["split"].str.replace(r"\d+$", "", regex=True)
    table["pool"] = table["target"].where(table["split_kind"] != EXCHANGEABLE, "")
    table["letter"] = letters(table)
    # Tables of earlier versions lack these columns.
    table["copied"] = table.get("copied", table["n"])
    for column in ("source_kind", "source_group", "layer"):
        table[column] = table.get(column, pd.Series("", table.index)).fillna("")
    table["failed"] = table.get("learned", pd.Series(True, table.index)).eq(False).fillna(False)
    twice = table.duplicated([*CELL, "kind", "letter", "fine_tuned", "n"])
    if twice.any():
        first = table[twice].iloc[0]
        raise ValueError(
            f"the table of networks lists {first['split']}/seed{first['seed']}/{first['network']} "
            "twice; keep one row for each network"
        )
    return table


def letters(table: pd.DataFrame) -> pd.Series:
    """The letter or group of the source of each row; empty if the source is a half or nothing is
    copied."""
    source = table.get("source", pd.Series("", table.index)).fillna("")
    return source.mask(source.isin([*HALVES, "random"]), "")


def size_order(target_size: pd.Series) -> pd.Series:
    """Sort key: sizes by number of images, `all` last."""
    return pd.to_numeric(target_size, errors="coerce").fillna(np.inf)


def of_treatment(table: pd.DataFrame, treatment: tuple[str, bool]) -> pd.DataFrame:
    """The networks with one (kind, fine_tuned)."""
    kind, fine_tuned = treatment
    return table[(table["kind"] == kind) & (table["fine_tuned"] == fine_tuned)]


def joined(targets: pd.Series) -> str:
    """The targets of networks as one text, e.g. A+B."""
    return "+".join(sorted(set(targets)))


def all_pairs(table: pd.DataFrame, effects: Sequence[Effect]) -> pd.DataFrame:
    """All pairs of networks for these effects in a checked table, including incomplete pairs.

    Columns: those that identify the table's cells, letter, effect, n; network, top1 and row (in the
    table) of the treated network, the same for its control with the suffix _control; difference;
    and floor, the smallest variance of differences that can be measured. An effect has no pairs if
    the table lists none of its treated networks or none of its controls.
    """
    table = table.assign(row=table.index)
    pairs = pd.concat([_pairs_of(effect, table) for effect in effects], ignore_index=True)
    # The variance of a difference of two top-1 values, each rounded to 1 / (number of images).
    images = table.get("validation_images", pd.Series(np.inf, table.index)).astype(float)
    pairs["floor"] = 1 / (6 * pairs["row"].map(images) ** 2)
    return pairs.astype({"n": int})


def _pairs_of(effect: Effect, table: pd.DataFrame) -> pd.DataFrame:
    treated, control = (of_treatment(table, of) for of in (effect.treated, effect.control))
    treated = treated[(treated["n"] > 0) == effect.layers_copied]
    if effect.only:
        treated = treated[(treated["letter"] != "") == (effect.only == "sources")]
    control = control[(control["n"] == 0) == effect.control_of_zero]
    shared, columns = ["split_kind", "target_size"], ["network", "top1", "row"]
    on, grid = [*CELL], treated[[*shared, "n"]]
    if not effect.control_of_zero:
        on.append("n")
        grid = pd.concat([grid, control[[*shared, "n"]]])
    if effect.control[0] in COPY_A_SOURCE:
        on.append("letter")
    # A base without other networks in its cell is only a source; nothing is trained on its half.
    cells = table.loc[table["kind"] != "base", [*CELL, "pool"]].drop_duplicates()
    sources = treated[["letter"]] if len(control) else control[["letter"]]
    of_treated = [*CELL, "letter", "n"]
    pairs = (
        cells.merge(sources.drop_duplicates(), how="cross")
        .merge(grid.drop_duplicates(), on=shared)
        .merge(treated[[*of_treated, *columns]], on=of_treated, how="left")
        .merge(control[on + columns], on=on, how="left", suffixes=("", "_control"))
    )
    if effect.control[0].endswith("partial"):
        # P7B, whose n is that of P7f7B, is the same network.
        trained = pairs["network_control"].map(trained_name, na_action="ignore")
        pairs = pairs[trained.ne(pairs["network"])]
    return pairs.assign(effect=effect.name, difference=pairs["top1"] - pairs["top1_control"])


def with_groups(pairs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The pairs, followed by copies for groups of several sources. In these copies, the group
    replaces the letter and the letter replaces the split, so that sources are the units.

    Only for effects whose controls also copy the source. Other controls are the same networks for
    every source, so an interval over sources would not include their noise.
    """
    of_source = [effect.name for effect in EFFECTS if effect.control[0] in COPY_A_SOURCE]
    groups = table[table["source_group"] != ""].groupby("letter")["source_group"].first()
    grouped = pairs[pairs["letter"].isin(groups.index) & pairs["effect"].isin(of_source)]
    grouped = grouped.assign(letter=grouped["letter"].map(groups), split=grouped["letter"])
    scored = grouped["split"].where(grouped["difference"].notna())
    several = scored.groupby([grouped[key] for key in (*GROUP, "effect", "n")]).transform("nunique")
    return pd.concat([pairs, grouped[several >= 2]], ignore_index=True)


def complete(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs in which both networks have a score."""
    return pairs.dropna(subset="difference").astype({"row": int, "row_control": int})


def paired_differences(networks: pd.DataFrame) -> pd.DataFrame:
    """Every effect for every (split, seed, target, target_size, n), one row each.

    A control has the same split, seed, target and target_size, and the same n, or n = 0 (as bases
    have). Differences that lack a network or a top1 are left out; the log has one line for each
    such effect, and one line for all effects without networks or without controls.
    """
    pairs = all_pairs(checked(networks), EFFECTS)
    absent = [effect.name for effect in EFFECTS if effect.name not in set(pairs["effect"])]
    if absent:
        logger.info("effects that this study has no networks for: %s", ", ".join(absent))
    for effect in EFFECTS:
        of_effect = pairs[pairs["effect"] == effect.name]
        incomplete = of_effect[of_effect["difference"].isna()]
        for first in incomplete.head(1).to_dict("records"):
            sides = {"top1": effect.treated, "top1_control": effect.control}
            lacks = [f"no {k}{'+' * plus}" for c, (k, plus) in sides.items() if pd.isna(first[c])]
            logger.warning(
                "effect %s: %d of %d differences left out, a network or its top1 is missing; the "
                "first is %s seed %s target %s target_size %s n %d, which has %s",
                *(effect.name, len(incomplete), len(of_effect)),
                *(first[key] for key in ("split", "seed", "target", "target_size", "n")),
                " and ".join(lacks),
            )
    renamed = {"network_control": "control", "letter": "source"}
    return complete(pairs).rename(columns=renamed)[DIFFERENCES_COLUMNS]


def pair_weights(pairs: pd.DataFrame) -> pd.Series:
    """Weights of rows of the table; the weighted sum of accuracies is the mean difference."""
    rows = np.concatenate([pairs["row"], pairs["row_control"]])
    return pd.Series(np.repeat([1, -1], len(pairs)) / len(pairs), index=rows)


def estimate(networks: pd.DataFrame, correct: intervals.Correct | None = None) -> pd.DataFrame:
    """effects.csv: each effect at each n, averaged over replicates, with a 95 % interval.

    Some columns: source (the letter of the source that the treated networks copy, or the group of
    several sources; otherwise empty), layer (the last copied one; for partial, the last frozen
    one), interval (its kind), replicates (number of (split, seed)), differences (number of averaged
    differences), missing (number of differences without a network or its top1) and not_learned
    (split/seed/name of each compared network or copied base that did not learn). On random splits,
    whose halves are exchangeable, the differences of both targets are averaged inside a replicate
    and `target` is A+B; on other splits each target has its own rows.

    The estimator `paired` uses all networks. If one of them did not learn, a second row,
    `paired_learned`, uses only the others, if there are any.

    Intervals are those of `intervals.mean_over_replicates`, moderated over the n of an effect. One
    replicate gives an image interval, a paired percentile bootstrap over validation images, which
    does not include the variation between trainings, so p, p_holm and lower are NaN. `correct(row)`
    returns, for a row of `networks`, the 0/1 correctness of each validation image of its target
    half, in store order. The bootstrap gives only the width; the location is from the scores in the
    table, which need not be final accuracies (`mean_of_10_best`). Without `correct`, a single
    difference has an unpaired image interval if `validation_images` is known, otherwise none (NaN).
    """
    table = checked(networks)
    everything = with_groups(all_pairs(table, EFFECTS), table)
    pairs = complete(everything)
    if pairs.empty:
        return pd.DataFrame(columns=EFFECTS_COLUMNS)
    images = intervals.Images(table, correct) if correct else None
    by = [*GROUP, "effect", "n"]
    pairs["layer"] = pairs["row"].map(table["layer"])
    failed = not_learned(table)
    pairs["failed"] = pairs["row"].map(failed) + pairs["row_control"].map(failed)
    pairs["weights"] = pairs["row"].map(table["source_kind"] == "weights")
    groups = pairs.groupby(by)
    about = pd.DataFrame(
        {
            "target": groups["target"].agg(joined),
            "layer": groups["layer"].first(),
            "weights": groups["weights"].any(),
            "missing": (everything.groupby(by).size() - groups.size()).dropna().astype(int),
            "not_learned": pairs[pairs["failed"] != ""].groupby(by)["failed"].agg(names),
        }
    ).fillna({"not_learned": ""})
    # An n with a network that did not learn does not affect the variances of other n.
    failed = about["not_learned"] != ""
    learned = _means(pairs[pairs["failed"] == ""], by, table, images)
    learned["estimator"] = np.where(failed[learned.index], "paired_learned", "paired")
    everything = _means(pairs, by, table, images)[failed].assign(estimator="paired")
    effects = pd.concat([learned, everything])
    order = {effect.name: place for place, effect in enumerate(EFFECTS)}
    effects = (
        effects.reset_index()
        .merge(about.reset_index(), on=by)
        .assign(
            source=lambda table: table["letter"],
            interval=lambda rows: of_checkpoints(rows["interval"], rows["weights"], rows["letter"]),
            size=lambda table: size_order(table["target_size"]),
            place=lambda table: table["effect"].map(order),
        )
    )
    by_place = ["study", "split_kind", "size", "pool", "source", "place", "n", "estimator"]
    return effects.sort_values(by_place)[EFFECTS_COLUMNS].reset_index(drop=True)


def of_checkpoints(interval: pd.Series, weights: pd.Series, letter: pd.Series) -> pd.Series:
    """The kinds of intervals. Those over seeds get the words "for this checkpoint" if `weights` is
    true (networks that copy imported weights); those of a group are over its sources."""
    seeds = interval.isin([intervals.OVER_SEEDS, intervals.MODERATED_OVER_SEEDS])
    over_sources = interval.str.replace("splits", "sources").where(letter.str.len() > 1, interval)
    return over_sources.mask(seeds & weights, interval + intervals.FOR_THIS_CHECKPOINT)


def names(texts: pd.Series) -> str:
    """All names in these texts, without repetitions."""
    return " ".join(sorted({*" ".join(texts).split()}))


def not_learned(table: pd.DataFrame) -> pd.Series:
    """For each network, the names (`split/seed0/name `) of itself, if it did not learn, and of the
    base that it copied, if that did not learn."""
    names = table["split"] + "/seed" + table["seed"].astype(str) + "/" + table["network"] + " "
    failed = names.where(table["failed"], "")
    copied = table.assign(
        # The base of a selffer had as many images per class as the selffer; other bases had all.
        target_size=table["target_size"].where(table["source"] == table["target"], ALL_IMAGES),
        target=table["source"].where(table["copied"] > 0),
    )
    on = ["study", "split", "seed", "target", "target_size"]
    bases = of_treatment(table, BASE).assign(base=names, lost=table["failed"])
    of_copied = copied.merge(bases[[*on, "base", "lost"]], on=on, how="left")
    # In a search, the row of a base may be another candidate than the copied one.
    lost = of_copied.get("base_learned", ~of_copied["lost"].eq(True)).eq(False)
    return failed + of_copied["base"].where(lost, "").fillna("")


def _means(
    pairs: pd.DataFrame, by: list[str], table: pd.DataFrame, images: intervals.Images | None
) -> pd.DataFrame:
    """The mean difference of each effect and n, with its interval, indexed by effect and n."""
    means = intervals.mean_over_replicates(pairs, by, "difference", by[:-1]).set_index(by)
    groups = pairs.groupby(by)
    for key in means.index[means["replicates"] == 1]:
        interval = _of_one_replicate(groups.get_group(key), table, images)
        means.loc[key, ["low", "high", "interval"]] = interval
    return means.assign(differences=groups.size())


def _of_one_replicate(
    pairs: pd.DataFrame, table: pd.DataFrame, images: intervals.Images | None
) -> tuple[float, float, str]:
    """Low, high and kind of the interval over validation images for the mean of these pairs."""
    if images:
        low, high = images.interval(pair_weights(pairs), pairs["difference"].mean())
        return low, high, intervals.OVER_IMAGES
    if len(pairs) == 1 and "validation_images" in table:
        both = table.loc[[*pairs["row"], *pairs["row_control"]]]
        if both["validation_images"].notna().all():
            return *intervals.unpaired(both["top1"], both["validation_images"]), intervals.UNPAIRED
    return np.nan, np.nan, intervals.NO_INTERVAL
