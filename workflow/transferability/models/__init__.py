"""An architecture is an ordered list of named layers.

Each is a module here, named as in the study, with three functions: `info(settings, image_size)`,
which is cheap and free of torch where it can be; `build(settings, image_size, classes)`, the layers
as (name, module) from input (N×3×image_size×image_size) to output (N×classes); and
`initialise(layer)`, which draws the parameters of one layer again from torch's global generator.
Without `initialise`, layers start as their constructors leave them. Nothing else in the project
knows what a layer consists of.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class ArchitectureInfo:
    """The layers of an architecture, from input to output, and the height and width in pixels of
    the smallest image that it takes."""

    layer_names: tuple[str, ...]
    smallest_image: int


def module(name: str) -> ModuleType:
    """The module of one architecture, by its name. Raises ValueError if it needs a package that is
    not installed."""
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
    """The global generators of torch, numpy and Python from one seed; afterwards as they were."""
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
