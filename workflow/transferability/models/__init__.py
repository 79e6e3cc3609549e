"""An architecture is an ordered list of named layers.

Each lives in a file of its own, named as in the study, behind three functions:
`info(settings, image_size)`, which is cheap and free of torch; `build(settings, image_size,
classes)`, the layers from input to output; and `initialise(layer)`, which draws the parameters of
one of them anew from torch's global generator. Where `initialise` is missing, layers start as
their constructors leave them. Nothing else in the project knows what a layer is made of.
"""

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class ArchitectureInfo:
    """What can be known of an architecture without building it.

    `layer_names` from input to output; `smallest_image`, height and width in pixels, that it can
    take.
    """

    layer_names: tuple[str, ...]
    smallest_image: int


def names() -> list[str]:
    """The names of all architectures: the modules of this folder that define `info`, sorted."""
    modules = (file for file in Path(__file__).parent.glob("*.py") if file.stem != "__init__")
    defines_info = re.compile(r"^def info\(", re.MULTILINE)
    return sorted(file.stem for file in modules if defines_info.search(file.read_text("utf-8")))


def module(name: str) -> ModuleType:
    """The module of one architecture.

    Raises ValueError if there is none of that name.
    """
    known = names()
    if name not in known:
        raise ValueError(
            f"architecture.name: there is no architecture {name!r}; known: {', '.join(known)}"
        )
    return importlib.import_module(f"{__name__}.{name}")


def info(settings: dict, image_size: int | None = None) -> ArchitectureInfo:
    """The info of the architecture that the study's section `architecture` describes.

    `image_size` is the height and width, in pixels, of what the network will see, where it is
    known. Raises ValueError, naming the key, for settings that the architecture cannot meet and for
    a size that it cannot take; that a size is below `smallest_image` is left to the caller.
    """
    return module(settings["name"]).info(settings, image_size)
