"""The command line, `python -m transferability <command>`: its flags, and how it ends."""

import argparse
import contextlib
import json
import logging
import math
import os
import sys
from pathlib import Path
from typing import NoReturn

from transferability.cli import by_hand, commands
from transferability.storage import lease, signals


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


def _above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = argparse.ArgumentParser(prog="python -m transferability", description=__doc__)
    top.add_argument("--debug", action="store_true", help="show where in the code an error arose")
    subparsers = top.add_subparsers(required=True, metavar="command")

    def command(function, **flags) -> argparse.ArgumentParser:
        name = function.__name__.replace("_", "-")
        sub = subparsers.add_parser(name, help=function.__doc__, description=function.__doc__)
        sub.set_defaults(run=function)
        for flag, options in flags.items():
            sub.add_argument(f"--{flag.replace('_', '-')}", **{"required": True, **options})
        return sub

    def path(text: str, **options) -> dict:
        return {"type": Path, "help": text, **options}

    def section(text: str, **options) -> dict:
        return {"type": _section, "metavar": "JSON", "help": text, **options}

    images = path("folder of the image store")
    table = path("tables/networks.csv")
    effects = path("tables/effects.csv")
    boost = path("tables/boost.csv")
    figure = path("the figure's file without suffix; .svg and the other formats are written")
    options = section("the study's section figures", default={}, required=False)

    command(
        commands.prepare_images,
        settings=section("the study's section dataset"),
        folder=path("folder of the image store to write"),
        workers={
            "type": _at_least_one,
            "default": 1,
            "required": False,
            "help": "processes that draw or read",
        },
        download={
            "choices": ["yes", "no"],
            "default": "no",
            "required": False,
            "help": "whether torchvision may download what is not there",
        },
    )
    command(
        commands.split_classes,
        images=images,
        random={"type": int, "default": 0, "required": False, "help": "number of a random split"},
        groups=section("groups of a dissimilar split, by half", default=None, required=False),
        grouped_by=path(
            "CSV file with the group of each class, where the store does not hold it",
            default=None,
            required=False,
        ),
        published=path(
            "CSV file of published splits, of which one has the name of the split to write",
            default=None,
            required=False,
        ),
        split=path("the CSV file to write; its name is the split's"),
    )
    command(by_hand.layers).add_argument("study", **path("the study file"))
    command(
        by_hand.plan,
        images_per_second={
            "type": _above_zero,
            "default": None,
            "required": False,
            "help": "of a network that learns with all layers, on the device that is thought of; "
            "without it, this machine is tried",
        },
        seconds={
            "type": _above_zero,
            "default": 2.0,
            "required": False,
            "help": "for how long this machine is tried with each number of frozen layers",
        },
    ).add_argument("study", **path("the study file"))
    command(
        commands.write_study,
        study=section("the whole study, complete, its layers written out"),
        file=path("the YAML file to write, results/<study>/study.yaml"),
    )
    status = command(by_hand.status)
    status.add_argument("results", **path("folder of the study, results/<study>"))
    status.add_argument("--watch", action="store_true", help="again and again, until it has ended")
    status.add_argument("--json", action="store_true", help="for programs: a line of JSON a look")
    command(
        commands.train,
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
    export = command(
        by_hand.export,
        to=path("the file to write: .safetensors or .pt"),
        images=path(
            "folder of the image store that it was trained on; without it, the one in images/",
            default=None,
            required=False,
        ),
    )
    export.add_argument(
        "network", **path("its folder, results/<study>/networks/<split>/seed<seed>/<network>")
    )
    command(commands.forget_finished, results=path("folder of the study, results/<study>"))
    of_study = path("folder of the study, results/<study>, or its archive")
    command(by_hand.verify).add_argument("results", **of_study)
    archive = command(
        by_hand.archive,
        to=path("the file to write, .zip"),
        license={
            "default": None,
            "required": False,
            "help": "what others may do with the results: a name of spdx.org/licenses, such as "
            "CC-BY-4.0, or a web address",
        },
        author={
            "action": "append",
            "default": [],
            "required": False,
            "help": "who made the study; may be given again",
        },
    )
    archive.add_argument("results", **path("folder of the study, results/<study>"))
    archive.add_argument(
        "--without-weights", action="store_true", help="leave out the weights that were kept"
    )
    command(by_hand.figures, to=path("the folder to write")).add_argument("results", **of_study)
    command(
        commands.collect_networks,
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
        commands.read_published,
        study={"help": "name of the study that they make up"},
        published=path("the published table, networks.csv"),
        class_splits=path("the published class splits, class_splits.csv"),
        table=path("tables/networks.csv to write"),
    )
    command(
        commands.estimate_effects,
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
    command(
        commands.write_findings, effects=effects, boost=boost, page=path("the HTML file to write")
    )
    command(
        commands.write_methods,
        study=path("results/<study>/study.yaml"),
        results=path("folder of the study, results/<study>"),
        effects=effects,
        boost=boost,
        citation=path("CITATION.cff of this software"),
        text=path("the Markdown file to write"),
    )
    command(
        commands.show_tables,
        tables=path("the tables, CSV files", nargs="+"),
        pages=path("the HTML files to write, one for each table", nargs="+"),
    )
    command(commands.plot_transfer, table=table, figure=figure, options=options)
    command(
        commands.plot_effects,
        effects=effects,
        reference=path(
            "effects.csv of other networks, to stand behind these; left empty for none",
            nargs="?",
            required=False,
        ),
        figure=figure,
        options=options,
    )
    command(commands.plot_boost, boost=boost, figure=figure, options=options)
    command(commands.plot_dissimilar, table=table, effects=effects, figure=figure, options=options)
    command(commands.plot_data_size, effects=effects, figure=figure, options=options)
    command(
        commands.plot_filters,
        weights=path("weights.safetensors of the bases", nargs="*"),
        figure=figure,
        options=options,
    )
    command(
        commands.plot_learning_curves,
        table=table,
        evaluations=path("tables/evaluations.csv"),
        figure=figure,
        options=options,
    )
    command(commands.plot_cost, table=table, figure=figure, options=options)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; 0 if it did its work, 75 if a signal ended it before that, 1 if an input
    or a training made it impossible."""
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    # Other libraries tell of every letter that they draw.
    logging.getLogger("transferability").setLevel(logging.INFO)
    arguments = sys.argv[1:] if arguments is None else arguments
    flags = parser().parse_args(arguments, argparse.Namespace(arguments=arguments))
    try:
        flags.run(flags)
    except signals.Interrupted as error:
        logging.error("ended by %s; the same command goes on", error)
        return signals.STATUS
    except (OSError, ValueError, ArithmeticError, MemoryError, lease.FolderLost) as error:
        if flags.debug:
            raise
        logging.error("%s: %s", type(error).__name__, error)
        return 1
    return 0


def end(status: int) -> NoReturn:
    """End the process with what has been said, and all else as it stands.

    To take itself down, a Python that has loaded torch takes a quarter of a second and 127 MB more
    than it ever had; one that has loaded seaborn, a sixth of a second.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # Nobody reads on, as after `| head`.
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(status)


def run() -> NoReturn:
    """The program, as it is installed: `transferability <command>`."""
    end(main())


if __name__ == "__main__":
    run()
