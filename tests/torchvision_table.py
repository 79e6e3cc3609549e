"""The table of torchvision's classification models, workflow/resources/torchvision_layers.csv.

`python tests/torchvision_table.py` makes it, again when the pinned version of torchvision changes.
"""

import csv
from pathlib import Path

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from transferability.models import torchvision, torchvision_cuts


class WithoutMemory(TorchFunctionMode):
    """Under it, models are made without their weights; the meta device would refuse the arithmetic
    by which some find their widths."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = dict(options or {})
        if function is torch.empty:
            options["device"] = "meta"
        return function(*arguments, **options)


def write_table(path: Path) -> None:
    """Write the table: for each classification model its layers, the smallest image that it can
    take and of which number of pixels the size has to be a multiple."""
    rows = []
    for name in models.list_models(module=models):
        with WithoutMemory():
            model = torchvision_cuts.make(name, classes=2)
        smallest, multiple = _image_sizes(name, model)
        layers = " ".join(layer for layer, _ in torchvision_cuts.cut(model))
        rows.append((name, smallest, multiple, layers))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("model", "smallest_image", "multiple_of", "layers"))
        writer.writerows(rows)


def _image_sizes(name: str, model: nn.Module) -> tuple[int, int]:
    """The smallest image, and the number of pixels of which its size has to be a multiple."""
    if isinstance(model, models.VisionTransformer):
        return model.patch_size, model.patch_size
    if isinstance(model, models.MaxVit):
        # The stem and each block halve the image, and windows of 7 × 7 tile what is left.
        size = 2 ** (1 + len(model.blocks)) * 7
        return size, size
    if isinstance(model, models.SwinTransformer):
        # Published weights are for one size, the model itself for any of at least a patch.
        return 4, 1
    return models.get_model_weights(name).DEFAULT.meta["min_size"][0], 1


if __name__ == "__main__":
    write_table(torchvision.TABLE)
