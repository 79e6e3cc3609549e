"""The command line: one subcommand per rule of the workflow.

Each takes its inputs, outputs and settings as flags and imports what it needs itself, so that no
rule pays for another's libraries.
"""

import argparse
import json
import logging
import sys
from pathlib import Path


def prepare_images(flags: argparse.Namespace) -> None:
    """Draw or read the images of a dataset and write its store."""
    from transferability import images
    from transferability.images import store

    collection = images.source_module(flags.settings["source"]).read(flags.settings, flags.workers)
    store.write(collection, flags.folder, flags.settings)


def split_classes(flags: argparse.Namespace) -> None:
    """Part the classes of a dataset into halves A and B."""
    from transferability import classes
    from transferability.images import store

    opened = store.open_store(flags.images)
    if flags.groups:
        split = classes.draw_dissimilar(opened.classes, opened.groups, flags.groups)
    else:
        split = classes.draw_random(opened.classes, flags.random)
    classes.write(split, flags.split)


def train(flags: argparse.Namespace) -> None:
    """Train one network."""
    import torch

    from transferability import fingerprint, training
    from transferability.network_folder import NetworkFolder
    from transferability.task import Task

    torch.set_num_threads(flags.threads)
    task = Task.of(flags.network, flags.split.stem, flags.seed, flags.architecture, flags.recipe)
    folder = NetworkFolder.of(flags.outputs)
    metrics = training.train(
        task,
        images=flags.images,
        split=flags.split,
        base=flags.base,
        folder=folder,
        code=fingerprint.of_training(flags.architecture["name"]),
        keep_weights=folder.weights in flags.outputs,
    )
    folder.write_metrics(metrics)
    folder.remove_resume()


def collect_networks(flags: argparse.Namespace) -> None:
    """Gather the metrics and histories of a study's networks in two tables."""
    from transferability import results

    networks, evaluations = results.collect(
        flags.study,
        flags.results / "networks",
        flags.splits,
        flags.seeds,
        flags.networks,
        flags.score,
        flags.omitted,
    )
    _write_table(networks, flags.table)
    _write_table(evaluations, flags.evaluations)


def read_published(flags: argparse.Namespace) -> None:
    """Read the published networks of 2014 into a table like a study's."""
    from transferability import published

    networks = published.read(flags.study, flags.published, flags.class_splits)
    _write_table(networks, flags.table)


def estimate_effects(flags: argparse.Namespace) -> None:
    """Estimate paired effects and the boost, with intervals."""
    import numpy as np

    from transferability import boost, effects, results

    networks = read_table(flags.table)
    correct = None
    if flags.labels:
        correct = results.correctness(flags.results / "networks", np.load(flags.labels))
    _write_table(effects.paired_differences(networks), flags.differences)
    _write_table(effects.estimate(networks, correct), flags.effects)
    _write_table(boost.boost(networks, correct), flags.boost)


def write_findings(flags: argparse.Namespace) -> None:
    """Write what the numbers say, effect by effect, as a page."""
    from transferability import files, findings

    page = findings.page(read_table(flags.effects), read_table(flags.boost))
    files.write_text(flags.page, page)


def plot_transfer(flags: argparse.Namespace) -> None:
    """Draw top-1 against n (figure 2 above, in the paper)."""
    from transferability import figures

    figures.save(figures.transfer(read_table(flags.table)), flags.figure)


def plot_effects(flags: argparse.Namespace) -> None:
    """Draw the effects against n (figure 2 below)."""
    from transferability import figures

    reference = read_table(flags.reference) if flags.reference else None
    figures.save(figures.effects(read_table(flags.effects), reference), flags.figure)


def plot_boost(flags: argparse.Namespace) -> None:
    """Draw the boost by each estimator (table 1)."""
    from transferability import figures

    figures.save(figures.boost(read_table(flags.boost)), flags.figure)


def plot_dissimilar(flags: argparse.Namespace) -> None:
    """Draw dissimilar halves and random features (figure 3)."""
    from transferability import figures

    figures.save(
        figures.dissimilar(read_table(flags.table), read_table(flags.effects)), flags.figure
    )


def plot_filters(flags: argparse.Namespace) -> None:
    """Draw the first-layer filters of the bases."""
    from transferability import architectures, checkpoint, figures

    filters = {}
    for path in flags.weights:
        tensors, header, _ = checkpoint.load(path)
        first = architectures.facts(header["architecture"]).layer_names[0]
        filters[path.parent.name] = next(
            tensor.numpy()
            for name, tensor in tensors.items()
            if name.startswith(f"{first}.") and tensor.ndim == 4
        )
    figures.save(figures.filters(filters), flags.figure)


def plot_learning_curves(flags: argparse.Namespace) -> None:
    """Draw top-1 and training loss against the epoch."""
    from transferability import figures

    figures.save(
        figures.learning_curves(read_table(flags.table), read_table(flags.evaluations)),
        flags.figure,
    )


def plot_cost(flags: argparse.Namespace) -> None:
    """Draw the seconds that each network took."""
    from transferability import figures

    figures.save(figures.cost(read_table(flags.table)), flags.figure)


def read_table(path: Path):
    """A table as the project writes it; an empty cell is an empty text where texts are meant."""
    import pandas as pd

    return pd.read_csv(path, dtype={"source": str, "target_size": str}).fillna({"source": ""})


def _write_table(table, path: Path) -> None:
    from transferability import files

    with files.whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


class Section(dict):
    """A section of a study, given by hand or by Snakemake; it has to be complete."""

    def __missing__(self, key: str) -> None:
        raise ValueError(f"the JSON of a section lacks the key {key!r}; it has {', '.join(self)}")


def _section(text: str) -> Section:
    try:
        section = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON ({error})") from error
    if not isinstance(section, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is no section in JSON, such as {{"seed": 0}}')
    return Section(section)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = argparse.ArgumentParser(prog="python -m transferability", description=__doc__)
    top.add_argument("--debug", action="store_true", help="show where in the code an error arose")
    commands = top.add_subparsers(required=True, metavar="command")

    def command(function, **flags) -> None:
        name = function.__name__.replace("_", "-")
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(run=function)
        for flag, options in flags.items():
            sub.add_argument(f"--{flag.replace('_', '-')}", **{"required": True, **options})

    def path(text: str, **options) -> dict:
        return {"type": Path, "help": text, **options}

    def section(text: str, **options) -> dict:
        return {"type": _section, "metavar": "JSON", "help": text, **options}

    images = path("folder of the image store")
    table = path("tables/networks.csv")
    effects = path("tables/effects.csv")
    boost = path("tables/boost.csv")
    figure = path("the figure's file without suffix; .svg, .pdf and .png are written")

    command(
        prepare_images,
        settings=section("the study's section dataset"),
        folder=path("folder of the image store to write"),
        workers={
            "type": _at_least_one,
            "default": 1,
            "required": False,
            "help": "processes that draw",
        },
    )
    command(
        split_classes,
        images=images,
        random={"type": int, "default": 0, "required": False, "help": "number of a random split"},
        groups=section("groups of a dissimilar split, by half", default=None, required=False),
        split=path("the CSV file to write"),
    )
    command(
        train,
        network={"help": "its name, such as baseA, B0B, A3B, B3B+, R5B"},
        images=images,
        split=path("CSV file of the class split; its name is the split's"),
        seed={"type": int, "help": "the seed"},
        base=path("weights.safetensors of the base to copy from", default=None, required=False),
        architecture=section("the study's section architecture"),
        recipe=section("the network's recipe"),
        outputs=path(
            "the files to write, in the network's folder: metrics.json, history.jsonl and "
            "predictions.npy always are, weights.safetensors if it is named",
            nargs="+",
        ),
        threads={
            "type": _at_least_one,
            "default": 1,
            "required": False,
            "help": "threads of the processor",
        },
    )
    command(
        collect_networks,
        study={"help": "name of the study"},
        results=path("folder of the study, results/<study>"),
        splits={"nargs": "+", "help": "names of the splits"},
        seeds={"nargs": "+", "type": int, "help": "the seeds"},
        networks={"nargs": "+", "help": "names of the networks of each split and seed"},
        omitted={
            "nargs": "*",
            "default": [],
            "required": False,
            "help": "networks that the study leaves out, such as random0/seed0/A3B",
        },
        score={"choices": ["final", "mean_of_10_best"], "default": "final", "required": False},
        table=path("tables/networks.csv to write"),
        evaluations=path("tables/evaluations.csv to write"),
    )
    command(
        read_published,
        study={"help": "name of the study that they make up"},
        published=path("the published table, networks.csv"),
        class_splits=path("the published class splits, class_splits.csv"),
        table=path("tables/networks.csv to write"),
    )
    command(
        estimate_effects,
        table=table,
        results=path("folder of the study, results/<study>"),
        labels=path(
            "validation.labels.npy of the image store: with one replicate, intervals are over its "
            "images; left empty where there are no predictions",
            nargs="?",
            required=False,
        ),
        differences=path("tables/differences.csv to write"),
        effects=path("tables/effects.csv to write"),
        boost=path("tables/boost.csv to write"),
    )
    command(write_findings, effects=effects, boost=boost, page=path("the HTML file to write"))
    command(plot_transfer, table=table, figure=figure)
    command(
        plot_effects,
        effects=effects,
        reference=path(
            "effects.csv of other networks, to stand behind these; left empty for none",
            nargs="?",
            required=False,
        ),
        figure=figure,
    )
    command(plot_boost, boost=boost, figure=figure)
    command(plot_dissimilar, table=table, effects=effects, figure=figure)
    command(
        plot_filters,
        weights=path("weights.safetensors of the bases", nargs="*"),
        figure=figure,
    )
    command(
        plot_learning_curves,
        table=table,
        evaluations=path("tables/evaluations.csv"),
        figure=figure,
    )
    command(plot_cost, table=table, figure=figure)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; 0 if it did its work, 1 if an input or a training made it impossible."""
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    # Other libraries tell of every letter that they draw.
    logging.getLogger("transferability").setLevel(logging.INFO)
    flags = parser().parse_args(arguments)
    try:
        flags.run(flags)
    except (OSError, ValueError, ArithmeticError) as error:
        if flags.debug:
            raise
        logging.error("%s: %s", type(error).__name__, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
