"""A study's tables, findings and figures made again from its networks alone, elsewhere: without the
workflow, and without images."""

import logging
import os
import tempfile
from argparse import Namespace
from pathlib import Path

from transferability.analysis.collect import network_path
from transferability.cli import commands
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, design, targets

log = logging.getLogger(__name__)


def redraw(results: Path, to: Path) -> None:
    """Make the folder `to` with all that the workflow makes of the networks in `results`, a study's
    folder or an archive's: whole, or not at all. Filters are left out where no weights are.

    Raises ValueError if there is something of that name already, or if results are missing.
    """
    if to.exists():
        raise ValueError(f"--to: {to} is there already; name another folder, or delete it")
    checked = config.resolved(results / targets.STUDY)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as temporary:
        drawn = Path(temporary, to.name)
        _draw(results, checked, drawn)
        os.replace(drawn, to)


def _draw(results: Path, checked: dict, to: Path) -> None:
    """By the commands that the rules of the workflow run; each takes what it needs of all flags."""
    trained, omitted = design.trained_and_omitted(checked, layer_count=0)
    flags = Namespace(
        study=checked["study"],
        results=results,
        splits=design.split_names(checked["splits"]),
        seeds=checked["seeds"],
        networks=design.network_names(checked, layer_count=0),
        omitted=[f"{split}/seed{seed}/{name}" for split, seed, name in omitted],
        score=checked["score"],
        labels=_from_run(results, targets.labels(checked)),
        reference=_from_run(results, targets.reference(checked)),
        weights=[
            NetworkFolder(network_path(results / "networks", *base)).weights
            for base in targets.drawn_bases(trained)
        ],
        table=to / "tables" / "networks.csv",
        **{name: to / "tables" / f"{name}.csv" for name in targets.TABLES if name != "networks"},
        tables=[to / "tables" / f"{name}.csv" for name in targets.TABLES],
        pages=[to / file for file in targets.page_files()],
        page=to / targets.FINDINGS,
        options=checked["figures"],
    )
    commands.collect_networks(flags)
    commands.estimate_effects(flags)
    commands.write_findings(flags)
    commands.show_tables(flags)
    for figure in targets.figures(checked):
        lacking = [path for path in flags.weights if not path.exists()]
        if figure == "filters" and lacking:
            log.warning("%s: is not there, so the figure of filters is left out", lacking[0])
            continue
        flags.figure = to / "figures" / figure
        getattr(commands, f"plot_{figure}")(flags)


def _from_run(results: Path, name: str | None) -> Path | None:
    """A file of the folder of the run, which an archive holds under the same name.

    Raises ValueError if it is in neither.
    """
    if name is None:
        return None
    run = results.resolve().parent.parent
    for folder in (results, run):
        if (folder / name).exists():
            return folder / name
    raise ValueError(
        f"{results}: its figures need {name}, which lies neither there nor in {run}; run the study "
        "again, or draw from its archive"
    )
