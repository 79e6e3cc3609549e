"""The commands for figures: each from its tables, and all of a study from its networks alone."""

import logging
import os
import tempfile
from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated

from transferability.cli import analysis, reports
from transferability.cli.tables import read_table
from transferability.records import archive
from transferability.storage import files
from transferability.study import config, targets

log = logging.getLogger(__name__)

FLAGS = {
    "table": Annotated[Path, "tables/networks.csv"],
    "effects": Annotated[Path, "tables/effects.csv"],
    "boost": Annotated[Path, "tables/boost.csv"],
    "evaluations": Annotated[Path, "tables/evaluations.csv"],
    "reference": Annotated[
        Path | None,
        "effects.csv of other networks, to stand behind these; left empty for none",
        {"nargs": "?"},
    ],
    "weights": Annotated[list[Path], "weights.safetensors of the bases", {"nargs": "*"}],
    "figure": Annotated[Path, "the figure's file without suffix; each format adds its own"],
    "options": Annotated[dict, "the study's section figures, as JSON"],
}
DEFAULTS = {"reference": None, "options": {}}
PLOTS = {
    "transfer": (["table"], "Draw top-1 against n (figure 2 above)."),
    "effects": (["effects", "reference"], "Draw the effects against n (figure 2 below)."),
    "boost": (["boost"], "Draw the boost by each estimator (table 1)."),
    "random_features": (["table"], "Draw top-1 of random features against n (figure 3)."),
    "dissimilar": (["effects"], "Draw transfer between dissimilar halves (figure 3)."),
    "data_size": (["effects"], "Draw the effects against the images a class of the target half."),
    "learning_curves": (["table", "evaluations"], "Draw top-1 and training loss by epoch."),
    "cost": (["table"], "Draw the seconds that each network took."),
    "filters": (["weights"], "Draw the first-layer filters of the bases."),
}
"""What each figure is drawn from, and what it shows."""


def _plot(name: str) -> Callable:
    """The command that draws a figure from its inputs, with its page if it has one."""
    inputs, description = PLOTS[name]

    def plot(*, figure: Path, options: dict, **paths) -> None:
        from transferability import figures
        from transferability.figures import interactive

        if name == "filters":
            contents = [_first_filters(paths["weights"])]
        else:
            contents = [paths[key] and read_table(paths[key]) for key in inputs]
        with figures.used(figures.Options(**options)):
            figures.save(getattr(figures, name)(*contents), figure)
            if name in targets.EXPLORED_FIGURES:
                page = getattr(interactive, name)(*contents)
                files.write_text(figure.with_name(f"{figure.name}.html"), page)

    plot.__name__, plot.__doc__ = f"plot_{name}", description
    plot.__signature__ = Signature(
        Parameter(
            key,
            Parameter.KEYWORD_ONLY,
            annotation=FLAGS[key],
            default=DEFAULTS.get(key, Parameter.empty),
        )
        for key in (*inputs, "figure", "options")
    )
    return plot


def _first_filters(weights: list[Path]) -> dict:
    """The filters of each base's first layer, by the base's name."""
    from transferability.storage import checkpoint

    filters = {}
    for path in weights:
        tensors, _, _ = checkpoint.load(path)
        for _, tensor in sorted(tensors.items()):
            # In any architecture it is the first convolution that sees three colours.
            if tensor.ndim == 4 and tensor.shape[1] == 3:
                filters.setdefault(path.parent.name, tensor.numpy())
    return filters


def figures(
    results: Annotated[Path, "folder of the study, results/<study>, or its archive"],
    *,
    to: Annotated[Path, "the folder to write"],
) -> None:
    """Make the tables, the findings and the figures of a study, or of its archive, from its
    networks alone."""
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
    file = results / targets.STUDY
    study = config.resolved(file)
    tables = {name: to / "tables" / f"{name}.csv" for name in targets.TABLES}
    inputs = {**tables, "table": tables["networks"]}
    inputs["reference"] = _from_run(results, targets.reference(study))
    inputs["weights"] = [
        results / "networks" / split / f"seed{seed}" / base / "weights.safetensors"
        for split, seed, base in targets.drawn_bases(study)
    ]
    analysis.collect_networks(
        study=file, table=tables["networks"], evaluations=tables["evaluations"]
    )
    analysis.estimate_effects(
        results=results,
        labels=_from_run(results, targets.labels(study)),
        **{key: inputs[key] for key in ("table", "differences", "effects", "boost")},
    )
    reports.write_findings(
        table=tables["networks"],
        effects=tables["effects"],
        boost=tables["boost"],
        margin=study["margin"],
        page=to / targets.FINDINGS,
    )
    pages = [table.with_suffix(".html") for table in tables.values()]
    reports.show_tables(tables=list(tables.values()), pages=pages)
    for name in targets.figures(study):
        lacking = [path for path in inputs["weights"] if not path.exists()]
        if name == "filters" and lacking:
            log.warning("%s: is not there, so the figure of filters is left out", lacking[0])
            continue
        paths = {key: inputs[key] for key in PLOTS[name][0]}
        _plot(name)(figure=to / "figures" / name, options=study["figures"], **paths)


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


COMMANDS = [*map(_plot, PLOTS), figures]
