"""The commands for analysis: from networks to tables."""

from pathlib import Path
from typing import Annotated

from transferability.cli import flags
from transferability.cli.tables import read_table, write_table
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config


def collect_networks(
    *, study: flags.STUDY, table: flags.TABLE, evaluations: flags.EVALUATIONS
) -> None:
    """Gather the metrics and histories of a study's networks in two tables; with a search, also its
    candidates, in search.csv beside them."""
    from transferability.analysis import collect
    from transferability.analysis import search as candidates

    settings = config.resolved(study)
    sources = dict.fromkeys(settings["sources"], ("dataset", ""))
    for letter in settings.imported.values():
        imported = NetworkFolder(study.parent / "sources" / letter).read_metrics()
        sources[letter] = ("weights", imported["source_id"])
    search = candidates.search(settings, study.parent / "networks") if settings["search"] else None
    networks, by_epoch = collect.collect(
        settings["study"],
        study.parent / "networks",
        settings.split_names,
        settings["seeds"],
        settings.table_names,
        settings["score"],
        [f"{split}/seed{seed}/{name}" for split, seed, name in settings.omitted],
        sources,
        search,
    )
    if search is not None:
        write_table(search, table.with_name("search.csv"))
    write_table(networks, table)
    write_table(by_epoch, evaluations)


def read_published(
    *,
    study: Annotated[str, "name of the study that they make up"],
    published: Annotated[Path, "the published table, networks.csv"],
    class_splits: Annotated[Path, "the published class splits, class_splits.csv"],
    table: flags.TABLE,
) -> None:
    """Read the published networks of 2014 into a table like a study's."""
    from transferability.analysis import collect

    write_table(collect.read_published(study, published, class_splits), table)


def estimate_effects(
    *,
    table: flags.TABLE,
    results: flags.RESULTS,
    labels: Annotated[
        Path | None,
        "validation.labels.npy of the image store: with one replicate, intervals are over its "
        "images; left empty where there are no predictions",
        {"nargs": "?"},
    ] = None,
    differences: flags.DIFFERENCES,
    effects: flags.EFFECTS,
    boost: flags.BOOST,
) -> None:
    """Estimate paired effects and the boost, with intervals."""
    import numpy as np

    from transferability.analysis import boost as boosts
    from transferability.analysis import collect
    from transferability.analysis import effects as paired
    from transferability.images.store import open_store

    networks, correct = read_table(table), None
    if labels:
        # What a search selected is judged by the other images.
        reported = ~open_store(labels.parent).selection if "training" in networks else None
        correct = collect.correctness(results / "networks", np.load(labels), reported)
    write_table(paired.paired_differences(networks), differences)
    write_table(paired.estimate(networks, correct), effects)
    write_table(boosts.boost(networks, correct), boost)


COMMANDS = [collect_networks, read_published, estimate_effects]
