"""How a subcommand declares its flags, right above the function that it runs."""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path


def flag(name: str, text: str, kind: Callable = Path, **options) -> tuple[str, dict]:
    """A flag of a subcommand, as argparse knows it: `--name` has to be given unless it has a
    default, `name` stands by itself. `text` is its help, `kind` what reads its value."""
    if not options.get("action", "").startswith("store"):
        options["type"] = kind
        if name.startswith("--"):
            options["required"] = "default" not in options
    return name, {"help": text, **options}


def flags(*declared: tuple[str, dict]) -> Callable:
    """Declare the flags of a subcommand; its function takes each as an argument of that name."""

    def declare(function: Callable) -> Callable:
        function.flags = declared
        return function

    return declare


def add(subparsers, *functions: Callable) -> None:
    """Add a subcommand for each function: its name is the function's, its help the docstring."""
    for function in functions:
        name = function.__name__.replace("_", "-")
        parser = subparsers.add_parser(name, help=function.__doc__, description=function.__doc__)
        parser.set_defaults(function=function)
        for flag_name, options in function.flags:
            parser.add_argument(flag_name, **options)


class Section(dict):
    """A section of a study, given as JSON; it has to be complete."""

    def __missing__(self, key: str) -> None:
        raise ValueError(f"the JSON of a section lacks the key {key!r}; it has {', '.join(self)}")


def section(text: str) -> Section:
    """A section of a study from its JSON."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is no section in JSON, e.g. {{"seed": 0}}')
    return Section(content)


def at_least_one(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def above_zero(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number
