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
    """Gather the metrics and histories of a study's networks in two tables."""
    from transferability.analysis import collect

    settings = config.resolved(study)
    sources = dict.fromkeys(settings["sources"], ("dataset", ""))
    for letter in settings.imported.values():
        imported = NetworkFolder(study.parent / "sources" / letter).read_metrics()
        sources[letter] = ("weights", imported["source_id"])
    networks, by_epoch = collect.collect(
        settings["study"],
        study.parent / "networks",
        settings.split_names,
        settings["seeds"],
        settings.table_names,
        settings["score"],
        [f"{split}/seed{seed}/{name}" for split, seed, name in settings.omitted],
        sources,
    )
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

    networks = read_table(table)
    correct = collect.correctness(results / "networks", np.load(labels)) if labels else None
    write_table(paired.paired_differences(networks), differences)
    write_table(paired.estimate(networks, correct), effects)
    write_table(boosts.boost(networks, correct), boost)


COMMANDS = [collect_networks, read_published, estimate_effects]
