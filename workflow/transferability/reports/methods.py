"""METHODS.md: a description of how a study was made; all its numbers come from the study's files.

The values are collected here; all sentences are in templates/METHODS.md.j2.
"""

import platform
import re
from collections import Counter
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from transferability import images, models
from transferability.analysis.collect import network_path
from transferability.analysis.intervals import CONFIDENCE, RESAMPLES
from transferability.models import summary
from transferability.reports.render import render
from transferability.storage.network_folder import NetworkFolder
from transferability.study import learned, targets
from transferability.study.design import Study, as_list, evaluations
from transferability.study.networks import ALL_IMAGES, HALVES, parse_name

Metrics = dict[tuple[str, int, str], dict]
ANALYSIS = ("numpy", "pandas", "scipy", "statsmodels", "seaborn", "matplotlib")


def text(
    study: Study, results: Path, effects: pd.DataFrame, boost: pd.DataFrame, citation: dict
) -> str:
    """The Methods section of a study, as Markdown.

    `study` is the resolved study, `results` the folder results/<study>, `effects` and `boost` its
    tables, `citation` the content of CITATION.cff. Raises ValueError naming metrics that are
    missing or cannot be used.
    """
    networks = results / "networks"
    metrics = {
        network: NetworkFolder(network_path(networks, *network)).read_metrics()
        for network in study.trained
    }
    written = render(
        "METHODS.md.j2",
        study=study,
        recipe=study["recipe"],
        citation=citation,
        notes=images.notes(results.parents[1] / targets.store(study), advice=False),
        **_design(study, metrics),
        sources=_sources(study, results),
        **_architecture(study, metrics),
        **_estimates(effects, boost),
        **_computation(list(metrics.values())),
    )
    paragraphs = (" ".join(paragraph.split()) for paragraph in written.split("\n\n"))
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _sources(study: Study, results: Path) -> list[dict]:
    """Each source with its letter, its settings and, if it was imported, the sha256 of its file."""
    described = []
    for letter, settings in study["sources"].items():
        folder = NetworkFolder(results / "sources" / letter)
        sha256 = folder.read_metrics()["source_id"] if settings["weights"] else ""
        described.append({"letter": letter, **settings, "sha256": sha256})
    return described


def _design(study: Study, metrics: Metrics) -> dict:
    """The splits, the halves, and the networks trained on them."""
    networks = [(split, parse_name(name), found) for (split, _, name), found in metrics.items()]
    # A source that is trained here has other images.
    networks = [
        (split, network, found) for split, network, found in networks if network.target in HALVES
    ]
    halves = {(split, network.target) for split, network, _ in networks}
    # The images of a half are counted with a network that was trained on all of them.
    complete = {
        (split, network.target): found["train_images"]
        for split, network, found in networks
        if network.target_size == ALL_IMAGES
    }
    splits = study.split_names
    dissimilar = study["splits"] and study["splits"]["dissimilar"]
    return {
        "splits": len(splits),
        # random0 and random1 are splits of one kind.
        "ways": {
            kind: [name for name in splits if _kind(name) == kind] for kind in map(_kind, splits)
        },
        "groups": {half: as_list(dissimilar[half]) for half in HALVES} if dissimilar else {},
        "halves": len(halves),
        "half_classes": [found["classes"] for *_, found in networks],
        "half_train_images": list(complete.values()) if complete.keys() == halves else [],
        "half_validation_images": [found["validation_images"] for *_, found in networks],
        "kinds": Counter(
            "retrained" if network.n == 0 and not network.is_base else network.treatment
            for network in map(parse_name, (name for *_, name in metrics))
        ),
        "shuffled": sum(found.get("shuffled_validation", False) for *_, found in networks),
        "trained": len(metrics),
        "omitted": len(study.omitted),
        "replicates": len(study.replicates),
        "evaluations": evaluations(study["recipe"]),
        "margin": study["margin"],
        "chance": sorted({found["chance"] for *_, found in networks}),
        "failed": [
            f"{split}/seed{seed}/{name}"
            for (split, seed, name), found in metrics.items()
            if not found["learned"]
        ],
        "significance": learned.SIGNIFICANCE,
        "few_images": learned.FEW_IMAGES,
        "loss_share": learned.LOSS_SHARE,
    }


def _kind(split: str) -> str:
    return split.rstrip("0123456789")


def _architecture(study: Study, metrics: Metrics) -> dict:
    """The size of the network, built for the number of classes of the first trained network."""
    settings, pixels = study["architecture"], study.input_size
    classes = next(iter(metrics.values()))["classes"]
    built = models.module(settings["name"]).build(settings, pixels, classes)
    return {
        "pixels": pixels,
        "classes": classes,
        "layer_names": [name for name, _ in built],
        "parameters": sum(layer.parameters for layer in summary.summarise(built, pixels)),
    }


def _estimates(effects: pd.DataFrame, boost: pd.DataFrame) -> dict:
    """The methods by which effects and intervals were estimated, from the tables."""
    # Only rows with all networks; `paired_learned` rows repeat the same effects.
    effects = effects[effects["estimator"] == "paired"]
    return {
        "retraining": sorted(effects[effects["effect"] == "retraining"]["mean"]),
        "intervals": {
            kind: list(rows["replicates"]) for kind, rows in effects.groupby("interval", sort=False)
        },
        "moderated": any(kind.startswith("moderated") for kind in effects["interval"]),
        "missing": int(effects["missing"].sum()),
        "estimators": list(boost["estimator"].unique()),
        "averaged": [] if boost.empty else list(boost["n"].unique()),
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
    }


def _computation(metrics: list[dict]) -> dict:
    """The machines, durations and software of the trainings."""
    jobs = [found["job"] for found in metrics]
    made_by = [found["provenance"] for found in metrics]
    return {
        "machines": Counter(map(_machine, metrics)),
        "days": sorted({job[key][:10] for job in jobs for key in ("started", "ended")}),
        "hosts": len({job["host"] for job in jobs}),
        "seconds": sum(found["seconds"] for found in metrics),
        "restarted": sum(job["restarts"] > 0 for job in jobs),
        "torch": sorted({found["identity"]["torch"] for found in metrics}),
        "python": sorted({origin["versions"]["python"] for origin in made_by}),
        "own_python": platform.python_version(),
        "libraries": [f"{name} {metadata.version(name)}" for name in ANALYSIS],
        # A conda environment may not contain it.
        "snakemake": metadata.version("snakemake") if find_spec("snakemake") else "",
        "commits": Counter(
            (origin["commit"], tuple(origin["changed_files"] or ())) for origin in made_by
        ),
    }


def _machine(metrics: dict) -> tuple[str, str, int, str]:
    """`cpu` or `gpu`, name of the processor without trademark signs, threads, precision."""
    if metrics["device"] != "cpu":
        return "gpu", metrics["device"].removeprefix("cuda "), 0, metrics["precision"]
    name = re.sub(r"\((R|TM)\)", "", metrics["provenance"]["processor"], flags=re.IGNORECASE)
    return "cpu", name, metrics["threads"], metrics["precision"]
