"""Any classification model of torchvision, with new weights, cut into layers.

`torchvision_cuts` cuts them; resources/torchvision_layers.csv lists the layers, so that the
workflow can build its graph without torchvision. In frozen layers stochastic depth is off, as batch
normalisation is: it drops a block for the sake of that block's learning, while dropout before a
layer that learns acts on that layer.
"""

import contextlib
import csv
import difflib
import re
from functools import cache
from pathlib import Path

from transferability.models import ArchitectureInfo

TABLE = Path(__file__).parents[2] / "resources" / "torchvision_layers.csv"
OLDER_NAMES = {
    r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.": r"\1\2.",
    r"\.mlp\.linear_1\.": ".mlp.0.",
    r"\.mlp\.linear_2\.": ".mlp.3.",
}
"""The files of torchvision's weights name some tensors as its models did when they were trained;
torchvision's own loading, and so ours, gives them the names of today."""
POSITIONS = "encoder.pos_embedding"


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """What the table says of the model.

    Raises ValueError if torchvision has no such classification model or if it cannot take images
    of this size.
    """
    name, rows = settings["model"], _rows()
    if name not in rows:
        close = difflib.get_close_matches(str(name), rows, n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise ValueError(
            f"architecture.model: torchvision has no classification model {name!r}; {hint}known: "
            f"{', '.join(rows)}"
        )
    row = rows[name]
    multiple = int(row["multiple_of"])
    if image_size % multiple:
        lower = image_size - image_size % multiple
        sizes = [str(size) for size in (lower, lower + multiple) if size]
        raise ValueError(
            f"dataset.image_size: the network's input has {image_size} pixels, but torchvision's "
            f"{name} needs a multiple of {multiple}; choose {' or '.join(sizes)}, here or in "
            "recipe.crop"
        )
    return ArchitectureInfo(
        layer_names=tuple(row["layers"].split()), smallest_image=int(row["smallest_image"])
    )


def build(settings: dict, image_size: int, classes: int) -> list:
    """The layers as torchvision's constructors leave them. Raises ValueError as `info` does."""
    from transferability.models import torchvision_cuts

    info(settings, image_size)
    return torchvision_cuts.cut(torchvision_cuts.make(settings["model"], classes, image_size))


def original_names(settings: dict, image_size: int) -> dict[str, str]:
    """Of each parameter and buffer of the layers, the name that it has in torchvision's model."""
    from transferability.models import torchvision_cuts

    model = torchvision_cuts.make(settings["model"], 2, image_size)
    return torchvision_cuts.original_names(model, torchvision_cuts.cut(model))


def fitted(settings: dict, image_size: int, tensors: dict) -> dict:
    """The tensors of a file, by today's names of torchvision's model, the positional embeddings of
    a vision transformer interpolated for images of this size."""
    for pattern, today in OLDER_NAMES.items():
        tensors = {re.sub(pattern, today, name): tensor for name, tensor in tensors.items()}
    if settings["model"].startswith("vit_") and POSITIONS in tensors:
        from torchvision.models.vision_transformer import interpolate_embeddings

        patch = int(_rows()[settings["model"]]["multiple_of"])
        # What cannot be interpolated is of a shape or kind that the caller refuses.
        with contextlib.suppress(ValueError, RuntimeError):
            tensors = interpolate_embeddings(image_size, patch, tensors)
    return tensors


@cache
def _rows() -> dict[str, dict]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file)}
