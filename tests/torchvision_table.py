"""The tables of torchvision's classification models and of their weights,
workflow/resources/torchvision_layers.csv and torchvision_weights.csv.

`python tests/torchvision_table.py` writes them. Run it again when the pinned version of
torchvision changes.
"""

from pathlib import Path

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from transferability.models import torchvision, torchvision_cuts, weights
from transferability.storage import files

OF_MINUS_ONE_TO_ONE = ("googlenet", "inception_v3")
"""With pretrained weights, torchvision's versions of these convert images from ImageNet's mean and
std to 0.5 and 0.5 (`transform_input`). Their layers do not: the table has 0.5."""


class WithoutMemory(TorchFunctionMode):
    """In this mode, models are built without weights; the meta device would refuse the arithmetic
    with which some models compute their widths."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        options = dict(options or {})
        if function is torch.empty:
            options["device"] = "meta"
        return function(*arguments, **options)


def write_table(path: Path) -> None:
    """Write the table: for each classification model its layers, its smallest image size, and the
    number of pixels of which the size must be a multiple."""
    rows = []
    for name in models.list_models(module=models):
        with WithoutMemory():
            model = torchvision_cuts.make(name, classes=2)
        smallest, multiple = _image_sizes(name, model)
        layers = " ".join(layer for layer, _ in torchvision_cuts.cut(model))
        rows.append((name, smallest, multiple, layers))
    files.write_table(path, ("model", "smallest_image", "multiple_of", "layers"), rows)


def write_weights(path: Path) -> None:
    """Write the table: for each set of weights its address and the images that it expects."""
    rows = []
    for name in models.list_models(module=models):
        for entry in models.get_model_weights(name):
            wanted = entry.transforms()
            mean, std = wanted.mean, wanted.std
            if name in OF_MINUS_ONE_TO_ONE:
                mean = std = [0.5, 0.5, 0.5]
            (image_size,), (resize,) = wanted.crop_size, wanted.resize_size
            statistics = [" ".join(map(repr, values)) for values in (mean, std)]
            interpolation = wanted.interpolation.value
            rows.append(
                (name, entry.name, entry.url, image_size, resize, interpolation, *statistics)
            )
    columns = ("model", "weights", "url", "image_size", "resize", "interpolation", "mean", "std")
    files.write_table(path, columns, rows)


def _image_sizes(name: str, model: nn.Module) -> tuple[int, int]:
    """The smallest image size, and the number of pixels of which it must be a multiple."""
    if isinstance(model, models.VisionTransformer):
        return model.patch_size, model.patch_size
    if isinstance(model, models.MaxVit):
        # The stem and each block halve the image, and windows of 7 × 7 tile the rest.
        size = 2 ** (1 + len(model.blocks)) * 7
        return size, size
    if isinstance(model, models.SwinTransformer):
        # Published weights are for one size; the model accepts any size of at least a patch.
        return 4, 1
    return models.get_model_weights(name).DEFAULT.meta["min_size"][0], 1


if __name__ == "__main__":
    write_table(torchvision.TABLE)
    write_weights(weights.TABLE)
