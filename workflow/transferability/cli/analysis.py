"""The commands for analysis: from networks to tables, findings and the Methods section."""

from pathlib import Path
from typing import Annotated

from transferability.cli import flags
from transferability.cli.tables import read_table, write_page, write_table
from transferability.storage import files
from transferability.study import config


def collect_networks(*, study: flags.STUDY, table: flags.TABLE) -> None:
    """Gather the metrics of a study's networks in a table, and their histories in evaluations.csv
    beside it. With a search, also write its candidates to search.csv; with probes, also probes.csv,
    mechanism.csv and predictors.csv (how well the probes predict what was measured)."""
    from transferability.analysis import collect

    settings = config.resolved(study)
    search = collect.search(settings, study.parent / "networks") if settings["search"] else None
    networks, by_epoch = collect.collect(settings, study.parent, search)
    if search is not None:
        write_table(search, table.with_name("search.csv"))
    if settings["probes"]:
        from transferability.analysis import predictors

        folder = study.parent / "networks"
        probes, mechanism = predictors.collect(settings["study"], folder, settings.replicates)
        write_table(probes, table.with_name("probes.csv"))
        write_table(mechanism, table.with_name("mechanism.csv"))
        predicted = predictors.predictors(probes, networks)
        write_table(predicted, table.with_name("predictors.csv"))
    write_table(networks, table)
    write_table(by_epoch, table.with_name("evaluations.csv"))


def read_published(
    published: Annotated[Path, "the table of the published networks"],
    *,
    table: flags.TABLE,
) -> None:
    """Copy the table of the networks published in 2014 to the results, as if of a study."""
    files.write_text(table, published.read_text(encoding="utf-8"))
    write_page(table)


def estimate_effects(
    *,
    table: flags.TABLE,
    results: flags.RESULTS,
    labels: Annotated[
        Path | None,
        "validation.labels.npy of the image store: with one replicate, intervals are over its "
        "images; omit it if there are no predictions",
        {"nargs": "?"},
    ] = None,
    margin: Annotated[
        float, "a loss of top-1, as a fraction, to treat as negligible", {"type": flags.above_zero}
    ],
    partial: Annotated[bool, "also write decision.csv, for studies with partial networks"] = False,
    page: Annotated[Path, "the HTML file to write: the findings"],
) -> None:
    """Estimate paired effects and the boost with intervals; write them as tables beside that of the
    networks, and findings.html."""
    import numpy as np

    from transferability.analysis import boost, collect, decision, effects
    from transferability.images import store
    from transferability.reports import findings

    networks, correct = read_table(table), None
    if labels:
        right, reported = np.load(labels), None
        if "training" in networks:
            # What a search selected is judged by the other images.
            reported = ~store.selection(right, store.read_classes(labels.parent)[0])
        correct = collect.correctness(results / "networks", right, reported)
    made = {
        "differences": effects.paired_differences(networks),
        "effects": effects.estimate(networks, correct),
        "boost": boost.boost(networks, correct),
    }
    if partial:
        made["decision"] = decision.decision(networks, margin)
    for name in made:
        file = table.with_name(f"{name}.csv")
        write_table(made[name], file)
        # Read again, since the page says what the files hold.
        made[name] = read_table(file)
    text = findings.page(networks, made["effects"], made["boost"], margin, made.get("decision"))
    files.write_text(page, text)


def write_methods(
    *,
    study: flags.STUDY,
    citation: Annotated[Path, "CITATION.cff of this software"],
    text: Annotated[Path, "the Markdown file to write"],
) -> None:
    """Write how the study was made, for the Methods section of a paper."""
    import yaml

    from transferability.reports import methods

    cited = yaml.safe_load(citation.read_text(encoding="utf-8"))
    tables = (read_table(study.parent / "tables" / f"{name}.csv") for name in ("effects", "boost"))
    files.write_text(text, methods.text(config.resolved(study), study.parent, *tables, cited))
