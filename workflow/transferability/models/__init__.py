"""An architecture is an ordered list of named layers.

Each architecture is a module here, with three functions. `info(settings, image_size)` is fast and,
if possible, does not import torch. `build(settings, image_size, classes)` returns the layers as
(name, module) from input (N×3×image_size×image_size) to output (N×classes). `initialise(layer)`
draws new parameters for one layer from torch's global generator; without this function, layers are
initialised by their constructors. No other code depends on the content of a layer.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class ArchitectureInfo:
    """The names of an architecture's layers, from input to output, and the height and width in
    pixels of the smallest image that it accepts."""

    layer_names: tuple[str, ...]
    smallest_image: int


def module(name: str) -> ModuleType:
    """The module of the architecture `name`. Raises ValueError if it needs a package that is not
    installed."""
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"architecture.name: {name} needs a package that is not installed ({error.name}); "
            f"install it with `uv sync --extra {name}` or `pip install {error.name}`"
        ) from error


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """The info of the architecture that the study's section `architecture` describes.

    `image_size` is the height and width, in pixels, of the network's input. Raises ValueError,
    naming the key, for settings or a size that the architecture does not allow; the caller compares
    the size with `smallest_image`.
    """
    return module(settings["name"]).info(settings, image_size)


@contextmanager
def seeded(number: int) -> Iterator[None]:
    """Seed the global generators of torch, numpy and Python in a block; restore them afterwards."""
    import random

    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        np.random.seed(number % 2**32)
        random.seed(number)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
