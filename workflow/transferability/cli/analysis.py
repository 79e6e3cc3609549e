"""The commands for analysis: from networks to tables."""

from pathlib import Path

from transferability.cli.flags import add, flag, flags
from transferability.cli.tables import read_table, write_table


def register(subparsers) -> None:
    add(subparsers, collect_networks, read_published, estimate_effects)


@flags(
    flag("--study", "results/<study>/study.yaml; its networks lie beside it"),
    flag("--table", "tables/networks.csv to write"),
    flag("--evaluations", "tables/evaluations.csv to write"),
)
def collect_networks(study: Path, table: Path, evaluations: Path) -> None:
    """Gather the metrics and histories of a study's networks in two tables."""
    from transferability.analysis import collect
    from transferability.study import config

    settings = config.resolved(study)
    collected = collect.collect(
        settings["study"],
        study.parent / "networks",
        settings.split_names,
        settings["seeds"],
        settings.network_names,
        settings["score"],
        [f"{split}/seed{seed}/{name}" for split, seed, name in settings.omitted],
    )
    for content, path in zip(collected, (table, evaluations), strict=True):
        write_table(content, path)


@flags(
    flag("--study", "name of the study that they make up", str),
    flag("--published", "the published table, networks.csv"),
    flag("--class-splits", "the published class splits, class_splits.csv"),
    flag("--table", "tables/networks.csv to write"),
)
def read_published(study: str, published: Path, class_splits: Path, table: Path) -> None:
    """Read the published networks of 2014 into a table like a study's."""
    from transferability.analysis import collect

    write_table(collect.read_published(study, published, class_splits), table)


@flags(
    flag("--table", "tables/networks.csv"),
    flag("--results", "folder of the study, results/<study>"),
    flag(
        "--labels",
        "validation.labels.npy of the image store: with one replicate, intervals are over its "
        "images; left empty where there are no predictions",
        nargs="?",
        default=None,
    ),
    flag("--differences", "tables/differences.csv to write"),
    flag("--effects", "tables/effects.csv to write"),
    flag("--boost", "tables/boost.csv to write"),
)
def estimate_effects(
    table: Path,
    results: Path,
    labels: Path | None,
    differences: Path,
    effects: Path,
    boost: Path,
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
