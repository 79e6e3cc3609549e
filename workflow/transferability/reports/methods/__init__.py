"""METHODS.md: how a study was made, in English, every number of it read from the study's files."""

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from transferability.analysis.collect import network_path
from transferability.reports.methods import analysis, computation, material, training
from transferability.reports.methods.sources import Sources
from transferability.storage.network_folder import NetworkFolder
from transferability.study import design


class Section(NamedTuple):
    """A heading and its paragraphs."""

    heading: str
    paragraphs: list[str]


def text(
    checked: dict, results: Path, effects: pd.DataFrame, boost: pd.DataFrame, citation: dict
) -> str:
    """The Methods section of a study, Markdown.

    `checked` is the resolved study, `results` the folder results/<study>, `effects` and `boost`
    its tables, `citation` what CITATION.cff says. Raises ValueError naming the metrics that are
    missing or of no use.
    """
    sources = Sources(checked, _metrics(checked, results), effects, boost, citation)
    sections = [
        Section("Images and classes", material.images(sources)),
        Section("Networks", material.networks(sources)),
        Section("Training", training.paragraphs(sources)),
        Section("Effects and intervals", analysis.paragraphs(sources)),
        Section("Computation", computation.paragraphs(sources)),
        Section("References", computation.references(sources)),
    ]
    parts = [f"# Methods of the study {checked['study']}"]
    for section in sections:
        parts += [f"## {section.heading}", *filter(None, section.paragraphs)]
    return "\n\n".join(parts) + "\n"


def _metrics(checked: dict, results: Path) -> dict[tuple[str, int, str], dict]:
    """What each network of the study says of its training."""
    found = {}
    for split, seed, name in design.trained(checked, layer_count=0):
        path = NetworkFolder(network_path(results / "networks", split, seed, name)).metrics
        try:
            found[split, seed, name] = json.loads(path.read_text(encoding="utf-8"))
            missing = {"job", "identity", "classes", "provenance"} - found[split, seed, name].keys()
            if missing:
                raise ValueError(f"without {', '.join(sorted(missing))}")
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path}: cannot be used ({error}); delete it, and snakemake trains the network"
            ) from error
    return found
