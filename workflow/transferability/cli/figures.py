"""The commands for figures: each from its tables, and all of a study from its networks alone."""

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from transferability.cli import analysis, reports
from transferability.cli.flags import add, flag, flags, section
from transferability.cli.tables import read_table

log = logging.getLogger(__name__)

FIGURE = flag("--figure", "the figure's file without suffix; .svg and other formats are written")
OPTIONS = flag("--options", "the study's section figures, as JSON", section, default={})
TABLES = {name: flag(f"--{name}", f"tables/{name}.csv") for name in ("effects", "boost")}
TABLES["table"] = flag("--table", "tables/networks.csv")
TABLES["evaluations"] = flag("--evaluations", "tables/evaluations.csv")
TABLES["reference"] = flag(
    "--reference",
    "effects.csv of other networks, to stand behind these; left empty for none",
    nargs="?",
    default=None,
)
PLOTS = {
    "transfer": (["table"], "Draw top-1 against n (figure 2 above)."),
    "effects": (["effects", "reference"], "Draw the effects against n (figure 2 below)."),
    "boost": (["boost"], "Draw the boost by each estimator (table 1)."),
    "dissimilar": (["table", "effects"], "Draw dissimilar halves and random features (figure 3)."),
    "data_size": (["effects"], "Draw the effects against the images a class of the target half."),
    "learning_curves": (["table", "evaluations"], "Draw top-1 and training loss by epoch."),
    "cost": (["table"], "Draw the seconds that each network took."),
}
"""The tables that each figure is drawn from, and what it shows; filters come from weights."""


def register(subparsers) -> None:
    add(subparsers, *map(_plot, PLOTS), plot_filters, figures)


def _plot(name: str) -> Callable:
    """The command that draws a figure from its tables."""
    inputs, description = PLOTS[name]

    @flags(*(TABLES[table] for table in inputs), FIGURE, OPTIONS)
    def plot(figure: Path, options: dict, **tables: Path | None) -> None:
        _draw(name, figure, options, *(tables[i] and read_table(tables[i]) for i in inputs))

    plot.__name__, plot.__doc__ = f"plot_{name}", description
    return plot


@flags(flag("--weights", "weights.safetensors of the bases", nargs="*"), FIGURE, OPTIONS)
def plot_filters(weights: Sequence[Path], figure: Path, options: dict) -> None:
    """Draw the first-layer filters of the bases."""
    from transferability.storage import checkpoint

    filters = {}
    for path in weights:
        tensors, _, _ = checkpoint.load(path)
        # In any architecture it is the first convolution that sees three colours.
        of_colours = [
            tensor.numpy()
            for _, tensor in sorted(tensors.items())
            if tensor.ndim == 4 and tensor.shape[1] == 3
        ]
        if of_colours:
            filters[path.parent.name] = of_colours[0]
    _draw("filters", figure, options, filters)


def _draw(name: str, figure: Path, options: dict, *inputs) -> None:
    """Draw a figure as the study wants it and write its files, with its page if it has one."""
    from transferability import figures
    from transferability.figures import interactive
    from transferability.storage import files
    from transferability.study.targets import EXPLORED_FIGURES

    with figures.used(figures.Options.of(options)):
        figures.save(getattr(figures, name)(*inputs), figure)
        if name in EXPLORED_FIGURES:
            page = getattr(interactive, name)(*inputs)
            files.write_text(figure.with_name(f"{figure.name}.html"), page)


@flags(
    flag("--to", "the folder to write"),
    flag("results", "folder of the study, results/<study>, or its archive"),
)
def figures(to: Path, results: Path) -> None:
    """Make the tables, the findings and the figures of a study, or of its archive, from its
    networks alone."""
    from transferability.records import archive

    if to.exists():
        raise ValueError(f"--to: {to} is there already; name another folder, or delete it")
    with archive.opened(results) as folder:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as temporary:
            drawn = Path(temporary, to.name)
            _redraw(folder, drawn)
            os.replace(drawn, to)


def _redraw(results: Path, to: Path) -> None:
    """Make all that the workflow makes of the networks in `results`, without images. Filters are
    left out where no weights are. Raises ValueError if results are missing."""
    from transferability.storage.network_folder import NetworkFolder
    from transferability.study import config, targets

    study = config.resolved(results / targets.STUDY)
    table = {name: to / "tables" / f"{name}.csv" for name in targets.TABLES}
    analysis.collect_networks(results / targets.STUDY, table["networks"], table["evaluations"])
    analysis.estimate_effects(
        table=table["networks"],
        results=results,
        labels=_from_run(results, targets.labels(study)),
        differences=table["differences"],
        effects=table["effects"],
        boost=table["boost"],
    )
    reports.write_findings(table["effects"], table["boost"], to / targets.FINDINGS)
    reports.show_tables(
        [table[name] for name in targets.TABLES],
        [to / f"tables/{name}.html" for name in targets.TABLES],
    )
    weights = [
        NetworkFolder(results / "networks" / split / f"seed{seed}" / base).weights
        for split, seed, base in targets.drawn_bases(study)
    ]
    tables = {
        **{name: path for name, path in table.items() if name != "networks"},
        "table": table["networks"],
        "reference": _from_run(results, targets.reference(study)),
    }
    for name in targets.figures(study):
        lacking = [path for path in weights if not path.exists()]
        if name != "filters":
            inputs = {key: tables[key] for key in PLOTS[name][0]}
            _plot(name)(figure=to / "figures" / name, options=study["figures"], **inputs)
        elif lacking:
            log.warning("%s: is not there, so the figure of filters is left out", lacking[0])
        else:
            plot_filters(weights, to / "figures" / name, study["figures"])


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
