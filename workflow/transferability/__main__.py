"""The command line: transferability <command>."""

import argparse
import contextlib
import logging
import os
import sys
from typing import NoReturn

from transferability.cli import analysis, figures, flags, images, records, studies, training
from transferability.storage import lease, signals

COMMANDS = (
    *(studies.new, studies.check, images.prepare_images, images.split_classes),
    *(training.train, training.import_source, training.probe_layers),
    *(analysis.collect_networks, analysis.read_published, analysis.estimate_effects),
    *(analysis.write_methods, figures.plot, figures.compare, figures.figures, records.layers),
    *(records.plan, records.status, records.verify, records.archive, records.export),
)


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = argparse.ArgumentParser(prog="transferability", description=__doc__)
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = top.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        flags.add(subparsers, command)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; 0 if it did its work, 75 if a signal ended it before that, 1 if an input
    or a training failed."""
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    # Other libraries log every letter that they draw.
    logging.getLogger("transferability").setLevel(logging.INFO)
    given = vars(parser().parse_args(arguments))
    debug, function = given.pop("debug"), given.pop("function")
    try:
        function(**given)
    except signals.Interrupted as error:
        logging.error("ended by %s; the same command continues the work", error)
        return signals.STATUS
    except (OSError, ValueError, ArithmeticError, MemoryError, lease.FolderLost) as error:
        if debug:
            raise
        logging.error("%s: %s", type(error).__name__, error)
        return 1
    return 0


def run() -> NoReturn:
    """The program, as it is installed: `transferability <command>`.

    It exits at once, after all output is written. To shut down in the usual way, a Python that has
    loaded torch needs a quarter of a second and 127 MB more than before.
    """
    status = main()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # Nobody reads any more, as after `| head`.
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
