"""The commands for reports: what the tables say, in words and as pages."""

from collections.abc import Sequence
from pathlib import Path

from transferability.cli.flags import add, flag, flags
from transferability.cli.tables import read_table

EFFECTS = flag("--effects", "tables/effects.csv")
BOOST = flag("--boost", "tables/boost.csv")


def register(subparsers) -> None:
    add(subparsers, write_findings, write_methods, show_tables)


@flags(EFFECTS, BOOST, flag("--page", "the HTML file to write"))
def write_findings(effects: Path, boost: Path, page: Path) -> None:
    """Write what the numbers say, effect by effect, as a page."""
    from transferability.reports import findings
    from transferability.storage import files

    files.write_text(page, findings.page(read_table(effects), read_table(boost)))


@flags(
    flag("--study", "results/<study>/study.yaml"),
    flag("--results", "folder of the study, results/<study>"),
    EFFECTS,
    BOOST,
    flag("--citation", "CITATION.cff of this software"),
    flag("--text", "the Markdown file to write"),
)
def write_methods(
    study: Path, results: Path, effects: Path, boost: Path, citation: Path, text: Path
) -> None:
    """Write how the study was made, for the Methods section of a paper."""
    import yaml

    from transferability.reports import methods
    from transferability.storage import files
    from transferability.study import config

    written = methods.text(
        config.resolved(study),
        results,
        read_table(effects),
        read_table(boost),
        yaml.safe_load(citation.read_text(encoding="utf-8")),
    )
    files.write_text(text, written)


@flags(
    flag("--tables", "the tables, CSV files", nargs="+"),
    flag("--pages", "the HTML files to write, one for each table", nargs="+"),
)
def show_tables(tables: Sequence[Path], pages: Sequence[Path]) -> None:
    """Write tables as pages, to be sorted in a browser."""
    from transferability.reports import tables as table_pages
    from transferability.storage import files

    if len(tables) != len(pages):
        raise ValueError(f"{len(tables)} tables but {len(pages)} pages: give as many")
    for table, page in zip(tables, pages, strict=True):
        files.write_text(page, table_pages.page(read_table(table), table.name))
