"""The commands for figures: each from its tables, and all of a study from its networks alone."""

import logging
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Annotated

from transferability.cli import analysis
from transferability.cli.tables import read_table, write_table
from transferability.images import store_name
from transferability.records import archive
from transferability.storage import files
from transferability.study import config, targets

log = logging.getLogger(__name__)


def plot(
    name: Annotated[str, "which figure", {"choices": [*targets.FIGURES]}],
    inputs: Annotated[
        list[Path],
        "the tables that it shows, CSV files; for effects, also a table to show in the background; "
        "for decision and learning_curves, networks.csv first; for filters, weights.safetensors of "
        "the bases",
        {"nargs": "+"},
    ],
    *,
    figure: Annotated[Path, "the figure's file without suffix; a file for each format is written"],
    options: Annotated[dict | None, "the study's section figures, as JSON"] = None,
) -> None:
    """Draw a figure, and its interactive page if it has one."""
    from transferability import figures
    from transferability.figures import interactive

    contents = [_first_filters(inputs)] if name == "filters" else [*map(read_table, inputs)]
    with figures.used(figures.Options(**options or {})):
        draw = getattr(figures, name)
        figures.save(draw(*contents), figure)
        if name in targets.EXPLORED_FIGURES:
            page = interactive.page(draw, *contents)
            files.write_text(figure.with_name(f"{figure.name}.html"), page)


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


def compare(
    results: Annotated[
        list[Path],
        "folders of finished studies, results/<study>, or their archives",
        {"nargs": "*"},
    ],
    *,
    to: Annotated[Path, "the folder to write"],
    options: Annotated[dict | None, "the section figures of a study, as JSON"] = None,
) -> None:
    """Show the effects of several studies in one table and one figure; with probes, also how well
    these predict effects, for each study and over the sources of studies of the same images."""
    import pandas as pd

    from transferability import figures
    from transferability.analysis import predictors

    if not results:
        raise ValueError(
            "results: no study is given; give folders of finished studies, results/<study>, or "
            "their archives"
        )
    tables, predicted, probed = [], [], defaultdict(dict)
    for path in results:
        with archive.opened(path) as folder:
            file, study = folder / "tables" / "effects.csv", config.resolved(folder / targets.STUDY)
            if not file.is_file():
                raise ValueError(
                    f"{file}: does not exist; run the study {path.name} to its end first"
                )
            layers, name = len(study["layer_names"]), study["study"]
            if any(name in set(table["study"]) for table in tables):
                raise ValueError(
                    f"results: two studies are called {name} and would be drawn as one line; give "
                    "one of them another name and run it again"
                )
            tables.append(read_table(file).assign(layers=layers))
            if study["probes"]:
                predicted.append(read_table(file.with_name("predictors.csv")))
                names = ("probes.csv", "networks.csv")
                alike = probed[store_name(study["dataset"]), layers]
                alike[name] = [read_table(file.with_name(table)) for table in names]
    predicted += [predictors.across_studies(alike) for alike in probed.values() if len(alike) > 1]
    drawn = {"effects": (tables, figures.compare), "predictors": (predicted, figures.predictors)}
    with figures.used(figures.Options(**options or {})):
        for name, (parts, draw) in drawn.items():
            if parts:
                table = pd.concat(parts, ignore_index=True)
                write_table(table, to / f"{name}.csv")
                figures.save(draw(table), to / name)


def figures(
    results: Annotated[Path, "folder of the study, results/<study>, or its archive"],
    *,
    to: Annotated[Path, "the folder to write"],
) -> None:
    """Make the tables, findings and figures of a study or of its archive again, using only its
    networks."""
    if to.exists():
        raise ValueError(f"--to: {to} already exists; name another folder, or delete it")
    with archive.opened(results) as folder:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as temporary:
            drawn = Path(temporary, to.name)
            _redraw(folder, drawn)
            os.replace(drawn, to)


def _redraw(results: Path, to: Path) -> None:
    """Make all that the workflow makes of the networks in `results`, without images. Filters are
    left out if weights are missing. Raises ValueError if results are missing."""
    file = results / targets.STUDY
    study = config.resolved(file)
    tables = {name: to / "tables" / f"{name}.csv" for name in targets.tables(study)}
    inputs = {name: [table] for name, table in tables.items()}
    # An archive holds what it needs from the folder of the run.
    run = results if (results / archive.METADATA).exists() else targets.run_folder(file)
    labels, reference = targets.labels(study), targets.reference(study)
    inputs["reference"] = [run / reference] if reference else []
    inputs["weights"] = [
        results / "networks" / split / f"seed{seed}" / base / "weights.safetensors"
        for split, seed, base in targets.drawn_bases(study)
    ]
    analysis.collect_networks(study=file, table=tables["networks"])
    analysis.estimate_effects(
        table=tables["networks"],
        results=results,
        labels=run / labels if labels else None,
        margin=study["margin"],
        partial="decision" in tables,
        page=to / targets.FINDINGS,
    )
    for name in targets.figures(study):
        lacking = [path for path in inputs["weights"] if not path.exists()]
        if name == "filters" and lacking:
            log.warning("%s: does not exist, so the figure of filters is left out", lacking[0])
            continue
        given = [path for key in targets.FIGURES[name] for path in inputs[key]]
        plot(name, given, figure=to / "figures" / name, options=study["figures"])
