"""The commands for reports: what the tables say, in words and as pages."""

from pathlib import Path
from typing import Annotated

from transferability.cli import flags
from transferability.cli.tables import read_table
from transferability.storage import files
from transferability.study import config


def write_findings(
    *,
    table: flags.TABLE,
    effects: flags.EFFECTS,
    boost: flags.BOOST,
    decision: flags.DECISION = None,
    margin: Annotated[
        float, "the loss, as a fraction of top-1, that counts as none", {"type": flags.above_zero}
    ],
    page: Annotated[Path, "the HTML file to write"],
) -> None:
    """Write what the numbers say, effect by effect, as a page."""
    from transferability.reports import findings

    tables = map(read_table, (table, effects, boost))
    decided = decision and read_table(decision)
    files.write_text(page, findings.page(*tables, margin, decided))


def write_methods(
    *,
    study: Annotated[Path, "results/<study>/study.yaml"],
    results: Annotated[Path, "folder of the study, results/<study>"],
    effects: flags.EFFECTS,
    boost: flags.BOOST,
    citation: Annotated[Path, "CITATION.cff of this software"],
    text: Annotated[Path, "the Markdown file to write"],
) -> None:
    """Write how the study was made, for the Methods section of a paper."""
    import yaml

    from transferability.reports import methods

    cited = yaml.safe_load(citation.read_text(encoding="utf-8"))
    tables = read_table(effects), read_table(boost)
    files.write_text(text, methods.text(config.resolved(study), results, *tables, cited))


def show_tables(tables: Annotated[list[Path], "the tables, CSV files", {"nargs": "+"}]) -> None:
    """Write each table as a page beside it, to be sorted in a browser."""
    from transferability.reports import tables as table_pages

    for table in tables:
        page = table_pages.page(read_table(table), table.name)
        files.write_text(table.with_suffix(".html"), page)


COMMANDS = [write_findings, write_methods, show_tables]
