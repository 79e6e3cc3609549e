"""The commands for figures: each from its tables, and all of a study from its networks alone."""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from transferability.cli import analysis, reports
from transferability.cli.flags import add, flag, flags, section
from transferability.cli.tables import read_table

log = logging.getLogger(__name__)

TABLE = flag("--table", "tables/networks.csv")
EFFECTS = flag("--effects", "tables/effects.csv")
FIGURE = flag(
    "--figure", "the figure's file without suffix; .svg and the other formats are written"
)
OPTIONS = flag("--options", "the study's section figures, as JSON", section, default={})


def register(subparsers) -> None:
    add(subparsers, *PLOTS.values(), figures)


@flags(TABLE, FIGURE, OPTIONS)
def plot_transfer(table: Path, figure: Path, options: dict) -> None:
    """Draw top-1 against n (figure 2 above)."""
    _draw("transfer", figure, options, read_table(table))


@flags(
    EFFECTS,
    flag(
        "--reference",
        "effects.csv of other networks, to stand behind these; left empty for none",
        nargs="?",
        default=None,
    ),
    FIGURE,
    OPTIONS,
)
def plot_effects(effects: Path, reference: Path | None, figure: Path, options: dict) -> None:
    """Draw the effects against n (figure 2 below)."""
    behind = read_table(reference) if reference else None
    _draw("effects", figure, options, read_table(effects), behind)


@flags(flag("--boost", "tables/boost.csv"), FIGURE, OPTIONS)
def plot_boost(boost: Path, figure: Path, options: dict) -> None:
    """Draw the boost by each estimator (table 1)."""
    _draw("boost", figure, options, read_table(boost))


@flags(TABLE, EFFECTS, FIGURE, OPTIONS)
def plot_dissimilar(table: Path, effects: Path, figure: Path, options: dict) -> None:
    """Draw dissimilar halves and random features (figure 3)."""
    _draw("dissimilar", figure, options, read_table(table), read_table(effects))


@flags(EFFECTS, FIGURE, OPTIONS)
def plot_data_size(effects: Path, figure: Path, options: dict) -> None:
    """Draw the effects against the images a class of the target half."""
    _draw("data_size", figure, options, read_table(effects))


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


@flags(TABLE, flag("--evaluations", "tables/evaluations.csv"), FIGURE, OPTIONS)
def plot_learning_curves(table: Path, evaluations: Path, figure: Path, options: dict) -> None:
    """Draw top-1 and training loss against the epoch."""
    _draw("learning_curves", figure, options, read_table(table), read_table(evaluations))


@flags(TABLE, FIGURE, OPTIONS)
def plot_cost(table: Path, figure: Path, options: dict) -> None:
    """Draw the seconds that each network took."""
    _draw("cost", figure, options, read_table(table))


PLOTS = {
    "transfer": plot_transfer,
    "effects": plot_effects,
    "boost": plot_boost,
    "dissimilar": plot_dissimilar,
    "data_size": plot_data_size,
    "filters": plot_filters,
    "learning_curves": plot_learning_curves,
    "cost": plot_cost,
}


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
        [table[name] for name in targets.TABLES], [to / file for file in targets.page_files()]
    )
    weights = [
        NetworkFolder(results / "networks" / split / f"seed{seed}" / base).weights
        for split, seed, base in targets.drawn_bases(study.trained)
    ]
    inputs = {
        "table": table["networks"],
        "evaluations": table["evaluations"],
        "effects": table["effects"],
        "boost": table["boost"],
        "reference": _from_run(results, targets.reference(study)),
        "weights": weights,
        "options": study["figures"],
    }
    for name in targets.figures(study):
        lacking = [path for path in weights if not path.exists()]
        if name == "filters" and lacking:
            log.warning("%s: is not there, so the figure of filters is left out", lacking[0])
            continue
        plot = PLOTS[name]
        declared = [flag_name.removeprefix("--") for flag_name, _ in plot.flags]
        plot(
            figure=to / "figures" / name,
            **{key: inputs[key] for key in declared if key != "figure"},
        )


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
