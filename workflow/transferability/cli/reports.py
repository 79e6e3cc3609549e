"""The command for reports: how a study was made, in words."""

from pathlib import Path
from typing import Annotated

from transferability.cli import flags
from transferability.cli.tables import read_table
from transferability.storage import files
from transferability.study import config


def write_methods(
    *,
    study: Annotated[Path, "results/<study>/study.yaml"],
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
    files.write_text(text, methods.text(config.resolved(study), study.parent, *tables, cited))


COMMANDS = [write_methods]
