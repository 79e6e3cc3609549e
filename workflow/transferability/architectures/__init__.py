"""An architecture is an ordered list of named layers.

Each lives in a file of its own, named as in the study, behind three functions:
`facts(settings)`, which is cheap and free of torch; `build(settings, image_size, classes)`, the
layers from input to output; and `initialise(layer)`, which draws the parameters of one of them
anew from torch's global generator. Nothing else in the project knows what a layer is made of.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Facts:
    """What can be known of an architecture without building it.

    `layer_names` from input to output; `smallest_image`, height and width in pixels, that it can
    take.
    """

    layer_names: tuple[str, ...]
    smallest_image: int


def module(name: str) -> ModuleType:
    """The module of one architecture.

    Raises ValueError if there is none of that name.
    """
    known = sorted(entry.name for entry in pkgutil.iter_modules(__path__))
    if name not in known:
        raise ValueError(
            f"architecture.name: there is no architecture {name!r}; known: {', '.join(known)}"
        )
    return importlib.import_module(f"{__name__}.{name}")


def facts(settings: dict) -> Facts:
    """The facts of the architecture that the study's section `architecture` describes."""
    return module(settings["name"]).facts(settings)
