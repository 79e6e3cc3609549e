"""What a study leaves, tables and figures, and what of it lies elsewhere than in its results.

The workflow reads here what to make, and so do the commands that archive a study and draw it again.
A study has its layers written out here (`study.resolved`). Pure and standard library only, since
the workflow imports it each time it builds its graph.
"""

from collections.abc import Sequence
from pathlib import Path

from transferability import images
from transferability.study import design
from transferability.study.networks import parse_name

STUDY, METHODS, FINDINGS = "study.yaml", "METHODS.md", "findings.html"
LABELS = "validation.labels.npy"
TABLES = ("networks", "evaluations", "differences", "effects", "boost")
EXPLORED_FIGURES = ("transfer", "effects")
"""Figures that are pages, too."""


def figures(checked: dict) -> list[str]:
    """The figures of a study."""
    names = ["transfer", "effects", "boost", "filters", "learning_curves", "cost"]
    # Figure 3 of the paper is about these two.
    dissimilar = not {"dissimilar", "natman"}.isdisjoint(design.split_names(checked["splits"]))
    names += ["dissimilar"] * (dissimilar or "random" in checked["treatments"])
    return names + ["data_size"] * (len(checked["target_sizes"]) > 1)


def figure_formats(checked: dict) -> list[str]:
    """The formats of a study's figures. SVG is what the report shows."""
    return sorted({"svg", *checked["figures"]["formats"]})


def table_files() -> list[str]:
    """The tables, below the results of a study."""
    return [f"tables/{table}.csv" for table in TABLES]


def page_files() -> list[str]:
    """The tables that are pages."""
    return [f"tables/{table}.html" for table in TABLES]


def figure_files(checked: dict) -> list[str]:
    """The files of a study's figures."""
    files = [
        f"figures/{figure}.{suffix}"
        for figure in figures(checked)
        for suffix in figure_formats(checked)
    ]
    return files + [f"figures/{figure}.html" for figure in EXPLORED_FIGURES]


def drawn_bases(trained: Sequence[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    """Of the (split, seed, name) of a study those whose filters are drawn: the bases of the first
    replicate."""
    return [
        (split, seed, name)
        for split, seed, name in trained
        if (split, seed) == trained[0][:2] and parse_name(name).kind == "base"
    ]


def store(checked: dict) -> str:
    """The folder of the image store, from that of the run."""
    return f"{images.STORES}/{images.store_name(checked['dataset'])}"


def run_folder(study_file: Path) -> Path:
    """The folder of the run that wrote results/<study>/study.yaml, in which images/ lies too."""
    return study_file.resolve().parents[2]


def labels(checked: dict) -> str | None:
    """The labels that intervals over validation images need, from the folder of the run; None where
    all effects have replicates enough."""
    kinds = [split.rstrip("0123456789") for split in design.split_names(checked["splits"])]
    one_replicate = len(checked["seeds"]) == 1 and any(kinds.count(kind) == 1 for kind in kinds)
    # What is omitted may leave an effect with one.
    if not (one_replicate or design.omitted(checked, layer_count=0)):
        return None
    return f"{store(checked)}/{LABELS}"


def reference(checked: dict) -> str | None:
    """The effects that stand faintly behind the study's own, from the folder of the run."""
    if checked["reference"] == "none":
        return None
    return f"results/{checked['reference']}/tables/effects.csv"
