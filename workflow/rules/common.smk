# The study, checked and complete, and what the rules ask of it. No rule reads config itself.
import json
import os
import shlex
import shutil
import sys
from functools import cache, partial
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

LIBRARY = Path(workflow.basedir) / "workflow"
# Jobs run the Python that runs Snakemake, activated or not, and find the library without its being
# installed there.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.getenv("PATH", "")]),
    PYTHONPATH=os.pathsep.join(filter(None, [str(LIBRARY), os.getenv("PYTHONPATH")])),
)
sys.path.insert(0, str(LIBRARY))

from transferability import images
from transferability.records import fingerprint, slurm_refusals
from transferability.storage import files, runs
from transferability.study import (
    config as study_config,
    design,
    networks,
    schema,
    targets,
)


def typed(value):
    """Numbers and lists again, where --config has made texts of them."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


# Two studies that name no study must not share a folder.
if workflow.overwrite_configfiles:
    config.setdefault("study", Path(workflow.overwrite_configfiles[-1]).stem)
update_config(config, typed(workflow.config_settings.config))
try:
    STUDY = study_config.complete(config)
except design.StudyError as error:
    files = ", ".join(map(str, workflow.configfiles))
    raise WorkflowError(f"The study in {files} cannot be run:\n{error}") from None
# For the report, which shows it.
config.update(STUDY)

STORE = targets.store(STUDY)
STORE_ARRAYS = [
    f"{STORE}/{part}.{kind}.npy"
    for part in ("train", "validation")
    for kind in ("images", "labels")
]
DOWNLOAD = "yes" if STUDY["dataset"].get("download") else "no"
RESULTS = f"results/{STUDY['study']}"
SPLITS = STUDY.split_names
SEEDS = STUDY["seeds"]
NETWORKS = STUDY.network_names
TRAINED, OMITTED = STUDY.trained, STUDY.omitted
FIGURE_SUFFIXES = targets.figure_formats(STUDY)
TRAINING_CODE = fingerprint.training_fingerprint(
    STUDY["architecture"]["name"], STUDY["architecture"].get("build")
)
as_json = partial(json.dumps, sort_keys=True, ensure_ascii=False)


onstart:
    for folder in (STORE, RESULTS, LIBRARY / "resources"):
        files.date_back(Path(folder))


pathvars:
    store=STORE,
    results=RESULTS,
    base="<results>/networks/{split}/seed{seed}/{network,base[^/]+}",
    treatment="<results>/networks/{split}/seed{seed}/{network,[ABR][0-9][^/]+}",


wildcard_constraints:
    split="random[0-9]+|dissimilar|natman",
    seed="[0-9]+",


def of_every_network(file):
    """That file of each network of the study."""
    return [
        f"<results>/networks/{split}/seed{seed}/{network}/{file}"
        for split, seed, network in TRAINED
    ]


def recipe(wildcards):
    return as_json(
        STUDY.recipe_of(wildcards.split, int(wildcards.seed), wildcards.network)
    )


def minutes_to_train(wildcards, attempt):
    """What a cluster is asked for. A training that is cut short goes on in the next attempt."""
    split, seed, network = wildcards.split, int(wildcards.seed), wildcards.network
    base = Path(RESULTS, "networks", split, f"seed{seed}", targets.measured_by(network))
    try:
        metrics = json.loads((base / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        metrics = None
    chosen = STUDY.recipe_of(split, seed, network)
    return attempt * targets.minutes(network, chosen, STUDY["hours"], metrics)


@cache
def base_of(network):
    return networks.parse_name(network).base


def base_file(wildcards, file):
    """That file of the base whose layers a treatment copies; none if it copies none."""
    base = base_of(wildcards.network)
    if base is None:
        return []
    return f"{RESULTS}/networks/{wildcards.split}/seed{wildcards.seed}/{base}/{file}"


# Functions of their own, since Snakemake takes far longer to look into a partial one.
def base_metrics(wildcards):
    return base_file(wildcards, "metrics.json")


def base_weights(wildcards):
    return base_file(wildcards, "weights.safetensors")


def split_file(wildcards):
    """The file that a split is drawn from, beside the store; none for most."""
    if wildcards.split in STUDY["splits"]["published"]:
        return f"{PUBLISHED_DATA}/class_splits.csv"
    if wildcards.split == "dissimilar" and STUDY["dataset"].get("groups"):
        return STUDY["dataset"]["groups"]
    return []


def split_flag(wildcards):
    """By what a split is drawn: its number, the groups of its halves, or as it was published."""
    file = split_file(wildcards)
    if wildcards.split in STUDY["splits"]["published"]:
        return f"--published {shlex.quote(file)}"
    if wildcards.split != "dissimilar":
        return f"--random {wildcards.split.removeprefix('random')}"
    groups = {
        half: design.as_groups(STUDY["splits"]["dissimilar"][half])
        for half in networks.HALVES
    }
    grouped_by = f" --grouped-by {shlex.quote(file)}" if file else ""
    return f"--groups {shlex.quote(as_json(groups))}{grouped_by}"


def shelf(name, category):
    """Where the report shows something: on its shelf, or on that of a category with the same."""
    return (
        {"category": category, "subcategory": name} if category else {"category": name}
    )


def table_file(table, category=None):
    """A table, with its caption in the report."""
    return report(
        f"<results>/tables/{table}.csv",
        caption=f"../report/{table}_table.rst",
        **shelf("Tables", category),
        labels={"table": table, "sortable": "no"},
    )


def table_page(table, category=None):
    """A table as a page, which the report shows rather than the file."""
    return report(
        f"<results>/tables/{table}.html",
        caption=f"../report/{table}_table.rst",
        **shelf("Tables", category),
        labels={"table": table, "sortable": "yes"},
    )


def findings_file(category=None):
    """The page of findings, with its caption in the report."""
    return report(
        "<results>/findings.html",
        caption="../report/findings.rst",
        **shelf("What the numbers say", category),
        labels={"page": "what the numbers say"},
    )


def figure_files(figure, category=None):
    """A figure's outputs, with its caption in the report."""
    return dict(
        svg=report(
            f"<results>/figures/{figure}.svg",
            caption=f"../report/{figure}.rst",
            **shelf("Figures", category),
            labels={"figure": figure.replace("_", " "), "interactive": "no"},
        ),
        **{
            suffix: f"<results>/figures/{figure}.{suffix}"
            for suffix in FIGURE_SUFFIXES
            if suffix != "svg"
        },
    )


def figure_page(figure, category=None):
    """A figure to explore, with the figure's caption in the report."""
    return report(
        f"<results>/figures/{figure}.html",
        caption=f"../report/{figure}.rst",
        **shelf("Figures", category),
        labels={"figure": figure, "interactive": "yes"},
    )
