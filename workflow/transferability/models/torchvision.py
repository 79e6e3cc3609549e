"""Any classification model of torchvision, with new weights, cut into layers.

`torchvision_cuts` cuts the models. resources/torchvision_layers.csv lists their layers, so that the
workflow can build its graph without torchvision. In frozen layers, stochastic depth is off, and
batch-norm statistics do not change. Stochastic depth only regularises the block that it drops,
whereas dropout also regularises the next layer, which may be trained.
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
"""In torchvision's files of weights, some tensors have the names of an older version of the model.
torchvision renames them when it loads the file, and so does this project."""
POSITIONS = "encoder.pos_embedding"


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """The layers and the smallest image of the model, from the table.

    Raises ValueError if torchvision has no such classification model, or if the model does not
    accept images of this size.
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
    """The layers, initialised by torchvision's constructors. Raises ValueError as `info` does."""
    from transferability.models import torchvision_cuts

    info(settings, image_size)
    return torchvision_cuts.cut(torchvision_cuts.make(settings["model"], classes, image_size))


def original_names(settings: dict, image_size: int) -> dict[str, str]:
    """The name in torchvision's model of each parameter and buffer of the layers."""
    from transferability.models import torchvision_cuts

    model = torchvision_cuts.make(settings["model"], 2, image_size)
    return torchvision_cuts.original_names(model, torchvision_cuts.cut(model))


def fitted(settings: dict, image_size: int, tensors: dict) -> dict:
    """The tensors of a file, with the present names of torchvision's model; the positional
    embeddings of a vision transformer are interpolated for images of this size."""
    for pattern, today in OLDER_NAMES.items():
        tensors = {re.sub(pattern, today, name): tensor for name, tensor in tensors.items()}
    if settings["model"].startswith("vit_") and POSITIONS in tensors:
        from torchvision.models.vision_transformer import interpolate_embeddings

        patch = int(_rows()[settings["model"]]["multiple_of"])
        # If interpolation fails, the caller raises an error about the shape or kind.
        with contextlib.suppress(ValueError, RuntimeError):
            tensors = interpolate_embeddings(image_size, patch, tensors)
    return tensors


@cache
def _rows() -> dict[str, dict]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["model"]: row for row in csv.DictReader(file)}
