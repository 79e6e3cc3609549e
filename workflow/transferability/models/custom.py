"""A user's own architecture: a function `build(image_size, classes)` in a user's module, which
returns the layers, a list of (name, module) from input to output.

The module must be in the folder of the run or on PYTHONPATH. It is imported when a study that names
it is read. The function initialises the layers, with torch's global generator. The names of the
layers must depend only on the function's arguments.
"""

import contextlib
import hashlib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import ModuleType

from transferability.models import ArchitectureInfo

EXPECTED = "a function in a module, written as my_module:build"
TRIED = Path(".snakemake", "tried")
"""A record of the networks that passed their trial, in the folder of the run, so that not every
command and job that reads the study tries a large network again."""


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """The names of the network's layers. The network is tried first (`trial.check`), unless it was
    tried before with the same settings, Python, libraries and code.

    The user's function must raise errors for images that are too small. Raises ValueError, naming
    `architecture.build`, if the network cannot be built or trained.
    """
    from transferability.models import trial

    # The arguments are saved as JSON in results.
    arguments = settings["arguments"]
    try:
        is_same = json.loads(json.dumps(arguments, default=str, allow_nan=False)) == arguments
    except ValueError:
        is_same = False
    if not is_same:
        raise ValueError(
            f"architecture.arguments: {arguments} cannot be written as JSON; put keys that are "
            "numbers, dates, infinity and NaN in quotes"
        )
    decisive = [settings, image_size, str(source(settings["build"])), sys.version, sys.prefix]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
    file = TRIED / f"{digest}.json"
    with contextlib.suppress(OSError, ValueError):
        names, code = json.loads(file.read_text(encoding="utf-8"))
        if code == _last_changes(code):
            return ArchitectureInfo(tuple(names), smallest_image=1)
    try:
        names = trial.check(partial(build, settings, image_size), image_size)
    except trial.TrialError as error:
        raise ValueError(f"architecture.build: {settings['build']}: {error}") from error
    loaded = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
    code = _last_changes(os.path.abspath(path) for path in loaded if os.path.isfile(path))
    with contextlib.suppress(OSError):
        TRIED.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([names, code]), encoding="utf-8")
    return ArchitectureInfo(names, smallest_image=1)


def _last_changes(paths: Iterable[str]) -> dict[str, list[int]]:
    """The time of the last change (in ns) and the size (in bytes) of each file."""
    return {path: [(found := os.stat(path)).st_mtime_ns, found.st_size] for path in paths}


def build(settings: dict, image_size: int, classes: int) -> list:
    """The checked layers of the user's function: (name, module) from input to output.

    Raises ValueError if there is no such function, or if it fails or does not return layers.
    """
    from transferability.models import trial

    function = _function(settings["build"])
    arguments = {"image_size": image_size, "classes": classes}
    if given := arguments.keys() & settings["arguments"].keys():
        raise ValueError(
            f"architecture.arguments: {' and '.join(sorted(given))} cannot be set here, since "
            "the dataset determines it; remove it"
        )
    arguments |= settings["arguments"]
    called = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    try:
        layers = function(**arguments)
    except Exception as error:
        raise ValueError(
            f"architecture.build: {settings['build']}, called with {called}, failed with "
            f"{_summary(error)}"
        ) from error
    if mistake := _mistake(layers):
        raise ValueError(
            f"architecture.build: {settings['build']} must return a list of (name, module), the "
            f"layers from input to output{mistake}"
        )
    trial.show_first_input(layers, image_size)
    return [(name, layer) for name, layer in layers]


def source(build: str) -> Path:
    """The file of the module that `build` names. Raises ValueError as `build` does."""
    module = _module(build.partition(":")[0], build)
    if not (module.__file__ or "").endswith(".py"):
        raise ValueError(f"architecture.build: {build} is not in a .py file; expected {EXPECTED}")
    return Path(module.__file__)


def _function(build: str) -> Callable:
    name, colon, function = build.partition(":")
    if not (colon and function.isidentifier() and all(map(str.isidentifier, name.split(".")))):
        raise ValueError(f"architecture.build: {build!r} is not valid; expected {EXPECTED}")
    attribute = getattr(_module(name, build), function, None)
    if callable(attribute):
        return attribute
    kind = type(attribute).__name__
    reason = "there is no such name" if attribute is None else f"it is a {kind}"
    raise ValueError(
        f"architecture.build: {build} is not a function: {reason}; expected {EXPECTED}"
    )


def _module(name: str, build: str) -> ModuleType:
    # Jobs (`python -m`) search the folder of the run first; this gives the workflow the same order.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
        why = (
            f"there is no module {error.name} in {os.getcwd()} or on PYTHONPATH"
            if missing
            else f"its module cannot be imported: {_summary(error)}"
        )
        raise ValueError(f"architecture.build: {build}: {why}; expected {EXPECTED}") from error


def _summary(error: Exception) -> str:
    """An error of the user's code in one line, with its file and line."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    places = traceback.extract_tb(error.__traceback__)
    theirs = [place for place in places if place.filename not in (__file__, importlib.__file__)]
    # The text of a syntax error has the file and line already.
    if not theirs or isinstance(error, SyntaxError):
        return text
    return f"{text} ({theirs[-1].filename}, line {theirs[-1].lineno})"


def _mistake(layers: object) -> str:
    """The mistake in the layers that a user's function returned; empty if there is none."""
    from torch import nn

    if not isinstance(layers, list | tuple):
        return f", but returned {type(layers).__name__}"
    if not layers:
        return ", but returned an empty list"
    owners, names = {}, set()
    for i, layer in enumerate(layers):
        match layer:
            case (str() as name, nn.Module() as module):
                parameters = list(module.parameters())
            case _:
                return f", but item {i} is {layer!r:.100}"
        if not name or "." in name or hasattr(nn.Sequential(), name):
            return f"; {name!r} is not a valid name of a layer, choose another without dots"
        if name in names:
            return f", but {name} is the name of two layers; rename one"
        if not parameters:
            return f"; {name} has no parameters, which each layer needs: join it to a neighbour"
        names.add(name)
        for tensor in (*parameters, *module.buffers()):
            if (owner := owners.setdefault(id(tensor), name)) != name:
                return f"; {owner} and {name} share a tensor, so neither can be copied alone"
    return ""
