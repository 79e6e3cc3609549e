"""Builds a command from the signature and the docstring of the function that it runs."""

import argparse
import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args

STUDY = Annotated[Path, "results/<study>/study.yaml; splits and networks are beside it"]
RESULTS = Annotated[Path, "folder of the study, results/<study>"]
TABLE = Annotated[Path, "tables/networks.csv"]


def add(subparsers, function: Callable) -> None:
    """Add a function as a subcommand: its name is the function's, its help the docstring.

    Each parameter is `Annotated[type, help, options of argparse]`. One after the `*` is a flag,
    which is required unless it has a default; one before it is positional. A dict is JSON.
    """
    about = function.__doc__
    parser = subparsers.add_parser(
        function.__name__.replace("_", "-"), help=about, description=about
    )
    parser.set_defaults(function=function)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, text, *options = get_args(parameter.annotation)
        declared = {"help": text, **(options[0] if options else {})}
        if kind is bool:
            declared["action"] = "store_true"
        else:
            # Of Path | None and list[Path], each value is a Path.
            while get_args(kind):
                kind = get_args(kind)[0]
            declared.setdefault("type", json.loads if kind is dict else kind)
        if parameter.kind is parameter.KEYWORD_ONLY:
            name = f"--{name.replace('_', '-')}"
            if parameter.default is parameter.empty:
                declared["required"] = True
            else:
                declared["default"] = parameter.default
        parser.add_argument(name, **declared)


def above_zero(text: str) -> float:
    """A finite number above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
