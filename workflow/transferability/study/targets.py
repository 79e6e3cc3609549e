"""The files that a study writes (tables, figures), its inputs outside its results, and the expected
duration of a training.

The workflow gets its targets from here, and so do the commands that archive a study and redraw it.
Imports no heavy libraries, since the workflow imports it each time it builds its graph.
"""

import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from transferability import images
from transferability.study.design import Network, Study
from transferability.study.networks import ALL_IMAGES, HALVES, base_name, other_half, parse_name

STUDY, METHODS, FINDINGS = "study.yaml", "METHODS.md", "findings.html"
LABELS, PROBES = "validation.labels.npy", "probes.json"
OF_PROBES = ("probes", "seeds", "targets", "target_sizes")
"""The keys of the study, in addition to those of networks, on which its probes depend."""
FIGURES = {
    "decision": ["networks", "decision"],
    "effects": ["effects", "reference"],
    "transfer": ["networks"],
    "boost": ["boost"],
    "random_features": ["networks"],
    "dissimilar": ["effects"],
    "data_size": ["effects"],
    "filters": ["weights"],
    "learning_curves": ["networks", "evaluations"],
    "cost": ["networks"],
    "predictors": ["predictors"],
    "mechanism": ["mechanism"],
}
"""The inputs of each figure: tables of the study; effects of other networks, if any, to draw behind
its own; and weights of the bases."""

PUBLISHED_TABLES = ("networks", "differences", "effects", "boost")
PUBLISHED_FIGURES = ("transfer", "effects", "boost", "dissimilar", "random_features")
EXPLORED_FIGURES = ("transfer", "effects")
"""Figures that are also written as interactive pages."""

START = 10
"""Minutes requested in addition to the training: start, reading, a slow file system."""

MARGIN = 1.5
"""Allows for trainings slower than the base: other GPUs, a shared node, evaluations."""


def collected_tables(study: Study) -> list[str]:
    """The tables collected from the networks of a study and, if it has any, its probes."""
    probes = ["probes", "mechanism", "predictors"] * bool(study["probes"])
    return ["networks", "evaluations", *["search"] * bool(study["search"]), *probes]


def estimated_tables(study: Study) -> list[str]:
    """The tables that are computed from the table of networks."""
    return ["differences", "effects", "boost", *["decision"] * ("partial" in study["treatments"])]


def tables(study: Study) -> list[str]:
    """All tables of a study."""
    return collected_tables(study) + estimated_tables(study)


def probe_files(study: Study) -> list[str]:
    """The files of the probes of each replicate, relative to the folder of the study's results."""
    replicates = study.replicates if study["probes"] else []
    return [f"networks/{split}/seed{seed}/{PROBES}" for split, seed in replicates]


def figures(study: Study) -> list[str]:
    """The figures of a study, the main one first."""
    names = ["decision"] * ("partial" in study["treatments"])
    names += ["effects"] * ("baseB" in study["controls"]) + ["transfer"]
    names += ["boost"] * ("transfer+" in study["treatments"] and not study["sources"])
    names += ["filters"] * bool(drawn_bases(study))
    names += ["learning_curves", "cost"]
    names += ["random_features"] * ("random" in study["treatments"])
    names += ["dissimilar"] * bool({"dissimilar", "natman"} & {*study.split_names})
    names += ["data_size"] * (len(study["target_sizes"]) > 1)
    return names + ["predictors", "mechanism"] * bool(study["probes"])


def figure_formats(study: Study) -> list[str]:
    """The formats of a study's figures, including SVG, which the report shows."""
    return sorted({"svg", *study["figures"]["formats"]})


def files(study: Study) -> list[str]:
    """All files made from a study's networks, relative to its results."""
    return [*_shown(figures(study), tables(study), study), METHODS, FINDINGS]


def published_files(study: Study) -> list[str]:
    """The files made from the published networks, below their results, in the study's style."""
    return [*_shown(PUBLISHED_FIGURES, PUBLISHED_TABLES, study), FINDINGS]


def _shown(figures: Sequence[str], tables: Sequence[str], study: Study) -> list[str]:
    """The files of figures and tables. Tables and explored figures are also written as pages."""
    formats = figure_formats(study)
    return [
        *(f"tables/{table}.{suffix}" for table in tables for suffix in ("csv", "html")),
        *(f"figures/{figure}.{suffix}" for figure in figures for suffix in formats),
        *(f"figures/{figure}.html" for figure in figures if figure in EXPLORED_FIGURES),
    ]


def drawn_bases(study: Study) -> list[Network]:
    """The networks whose filters are drawn: the bases of the first replicate."""
    first = study.trained[0][:2]
    bases = [n for n in study.trained if n[:2] == first and parse_name(n[2]).kind == "base"]
    # Leaves out the candidates of a search.
    return [n for n in bases if parse_name(n[2]).plain_name == n[2]]


def store(study: Study, target: str = "B") -> str:
    """The folder of the image store of a half, or of a source that is trained here, relative to the
    folder of the run."""
    dataset = study["dataset"] if target in HALVES else study["sources"][target]["dataset"]
    return f"{images.STORES}/{images.store_name(dataset)}"


def datasets(study: Study) -> list[dict]:
    """The section dataset of the study, and those of sources that are trained here."""
    sources = [source["dataset"] for source in study["sources"].values()]
    return [study["dataset"], *filter(None, sources)]


def source_store(study: Study) -> str | None:
    """The store of the source with whose images all networks of the study are normalised, relative
    to the folder of the run; None if there is none."""
    trained = [letter for letter, source in study["sources"].items() if source["dataset"]]
    is_measured = study["recipe"]["normalise"] in ("channels", "mean_image")
    return store(study, trained[0]) if trained and is_measured else None


def base_folder(study: Study, split: str, seed: int, base: str) -> str:
    """The folder of a base, relative to the study's results."""
    letter = study.imported.get(base)
    return f"sources/{letter}" if letter else f"networks/{split}/seed{seed}/{base}"


def probed(study: Study, split: str, seed: int) -> list[tuple[str, str, str]]:
    """The (letter, target, target size) of each network whose layers are probed: for each target
    its own base, then the bases that treatments copy, if the study has them."""
    has = {network[2] for network in study.trained if network[:2] == (split, seed)}
    found = []
    for target, size in itertools.product(study["targets"], map(str, study["target_sizes"])):
        others = {letter: base_name(letter) for letter in study["sources"] or [other_half(target)]}
        bases = {target: base_name(target, size)} | others
        found += [(k, target, size) for k, base in bases.items() if base in has | {*study.imported}]
    return found


def kept(study: Study, split: str, seed: int) -> list[str]:
    """The networks of a (split, seed) that were trained on a half and whose weights are kept,
    except candidates of a search."""
    names = [n[2] for n in study.trained if n[:2] == (split, seed) and study.keeps_weights(n[2])]
    specs = {name: parse_name(name) for name in names}
    return [k for k, spec in specs.items() if spec.plain_name == k and spec.target in HALVES]


def read_by_probes(study: Study, split: str, seed: int) -> list[str]:
    """The folders of the networks whose weights the probes of a (split, seed) read, relative to the
    study's results. These include networks of the next seed, with which its own are mixed."""
    seeds = study["seeds"]
    seeds = seeds[seeds.index(seed) :][:2]
    names = [(k, name) for k in seeds for name in kept(study, split, k)]
    names += [(seed, base_name(letter)) for letter in study["sources"]]
    return [base_folder(study, split, k, name) for k, name in names]


def run_folder(study_file: Path) -> Path:
    """The folder of the run that wrote results/<study>/study.yaml; it also contains images/. Links
    are not followed, because results may be a link."""
    return Path(os.path.abspath(study_file)).parents[2]


def labels(study: Study) -> str | None:
    """The labels for intervals over validation images, relative to the folder of the run; None if
    all effects have several replicates."""
    kinds = [split.rstrip("0123456789") for split in study.split_names]
    one_replicate = len(study["seeds"]) == 1 and any(kinds.count(kind) == 1 for kind in kinds)
    # If networks are omitted, an effect may have only one replicate.
    if not (one_replicate or study.omitted):
        return None
    return f"{store(study)}/{LABELS}"


def reference(study: Study) -> str | None:
    """The effects drawn faintly behind the study's own, relative to the folder of the run."""
    if study["reference"] == "none":
        return None
    return f"results/{study['reference']}/tables/effects.csv"


def measured_by(name: str) -> str:
    """The base whose speed is used to estimate a network's training time: the base that it copies,
    or else that of its target half. A source may have far fewer images than the target; a network
    that copies a source therefore uses the target's base."""
    network = parse_name(name)
    if network.source not in ("", "random", *HALVES):
        return base_name(network.target, network.target_size)
    return network.base or base_name(network.target)


def minutes(name: str, recipe: Mapping, hours: float, base: Mapping | None) -> int:
    """Minutes to request, so that a training ends within one job.

    `recipe` is the network's own; `hours` is the longest expected time of a base; `base` has the
    metrics of the base that `measured_by` names, or is None if that is not trained yet.
    """
    network = parse_name(name)
    if base is None:
        return math.ceil(60 * hours * (2 if network.kind == "long_base" else 1))
    images = base["train_images"]
    if network.target_size != ALL_IMAGES:
        images = min(images, int(network.target_size) * base["classes"])
    steps = recipe["iterations"]
    seen = steps * recipe["batch_size"] if steps else recipe["epochs"] * images
    return math.ceil(START + MARGIN * seen / base["images_per_second"] / 60)


def minutes_to_train(study: Study, results: Path, split: str, seed: int, name: str) -> int:
    """Minutes to request for training one network of a study whose bases are in `results`."""
    base = results / "networks" / split / f"seed{seed}" / measured_by(name) / "metrics.json"
    metrics = json.loads(base.read_text(encoding="utf-8")) if base.exists() else None
    return minutes(name, study.recipe_of(split, seed, name), study["hours"], metrics)


def drawn_from(study: Study, split: str, published: str) -> list[str]:
    """The file from which a split is made, in addition to the store: that of the published splits,
    in the folder `published`, or of the groups of classes. Empty for most splits."""
    if study["splits"] and split in study["splits"]["published"]:
        return [f"{published}/class_splits.csv"]
    groups = study["dataset"].get("groups") if split == "dissimilar" else None
    return [str(images.path_of(groups))] if groups else []
