"""A model of timm from one of the families below, cut into layers with the rules of
`torchvision_cuts`. timm is an extra, `pip install transferability[timm]`.

When a study that names a model is read, the model is built and its layers are tested, since models
of one family may differ in details that the rules do not know. timm's constructors initialise the
layers. Pretrained weights are read from a file, e.g. model.safetensors from huggingface.co.
"""

import contextlib
import difflib

import torch
from timm import models
from timm.layers import resample_abs_pos_embed
from torch import nn

from transferability.models import ArchitectureInfo, seeded, torchvision_cuts

FAMILIES: dict[type[nn.Module], tuple] = {
    models.ResNet: (
        *("conv1", "bn1", "act1", "maxpool", "layer1/*", "layer2/*", "layer3/*", "layer4/*"),
        *("global_pool", "fc"),
    ),
    models.EfficientNet: (
        *("conv_stem", "bn1", "blocks/*", "conv_head", "bn2", "global_pool", "classifier"),
    ),
    models.ConvNeXt: (
        "stem",
        *(f"stages.{i}.{part}" for i in range(4) for part in ("downsample", "blocks/*")),
        *("norm_pre", "head"),
    ),
    models.VisionTransformer: (
        *("embedding", "patch_drop", "norm_pre", "blocks/*"),
        ("norm", "class_token", "fc_norm", "head_drop", "head"),
    ),
}
POSITIONS = "pos_embed"


class Embedding(nn.Module):
    """The stem of a vision transformer, images → N×tokens×C: the class token and the patches, plus
    the positional embedding."""

    def __init__(self, model: models.VisionTransformer):
        super().__init__()
        self.patch_embed, self.pos_drop = model.patch_embed, model.pos_drop
        self.cls_token, self.pos_embed = model.cls_token, model.pos_embed

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        token = self.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat([token, self.patch_embed(images)], dim=1)
        return self.pos_drop(tokens + self.pos_embed)


UNNAMED = {"embedding": Embedding, "class_token": lambda _: torchvision_cuts.ClassToken()}


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """The names of the layers, after a test that their sequence has the same output as the model,
    bit for bit.

    Raises ValueError, naming `architecture.model`, if timm has no such model, or if the model
    cannot be cut into layers or does not accept images of this size.
    """
    name = settings["model"]
    with seeded(0), torch.no_grad():
        model = make(name, 2, image_size).eval()
        images = torch.randn(1, 3, image_size, image_size)
        try:
            expected = model(images)
            layers = cut(model)
            is_same = torch.equal(nn.Sequential(*(part for _, part in layers))(images), expected)
        except (AttributeError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"architecture.model: timm's {name} cannot be cut into layers, or cannot take "
                f"{image_size} pixels ({' '.join(str(error).split())[:200]})"
            ) from error
    if not is_same:
        raise ValueError(
            f"architecture.model: the layers of timm's {name}, one after another, do not give the "
            "same output as the model; cut it in your own module (my_module:build)"
        )
    return ArchitectureInfo(tuple(name for name, _ in layers), smallest_image=1)


def build(settings: dict, image_size: int, classes: int) -> list[tuple[str, nn.Module]]:
    """The layers, initialised by timm's constructors."""
    return cut(make(settings["model"], classes, image_size))


def original_names(settings: dict, image_size: int) -> dict[str, str]:
    """The name in timm's model of each parameter and buffer of the layers."""
    model = make(settings["model"], 2, image_size)
    return torchvision_cuts.original_names(model, cut(model))


def fitted(settings: dict, image_size: int, tensors: dict) -> dict:
    """The tensors of a file, by timm's names, with positional embeddings interpolated for images of
    this size."""
    model, found = make(settings["model"], 2, image_size), tensors.get(POSITIONS)
    wanted = getattr(model, POSITIONS, None)
    if wanted is None or found is None or found.ndim != 3 or found.shape == wanted.shape:
        return tensors
    # If interpolation fails, the caller raises an error about the shape.
    with contextlib.suppress(RuntimeError):
        found = resample_abs_pos_embed(found, list(model.patch_embed.grid_size))
    return {**tensors, POSITIONS: found}


def make(name: str, classes: int, image_size: int) -> nn.Module:
    """A model of timm with new weights. Raises ValueError if timm has no model of that name."""
    if not models.is_model(name):
        close = difflib.get_close_matches(name, models.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise ValueError(
            f"architecture.model: timm has no model {name!r}; {hint}timm.list_models() lists all"
        )
    # Vision transformers are made for one image size; the other models do not have this option.
    is_for_one = models.get_pretrained_cfg_value(name.partition(".")[0], "fixed_input_size")
    options = {"img_size": image_size} if is_for_one else {}
    return models.create_model(name, pretrained=False, num_classes=classes, **options)


def cut(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers of a model, (name, module) from input to output. The modules are the model's, not
    copies. Raises ValueError for a model of another family."""
    if type(model) not in FAMILIES:
        known = ", ".join(family.__name__ for family in FAMILIES)
        raise ValueError(
            f"architecture.model: timm's {type(model).__name__} cannot be cut into layers; {known} "
            "can, others need your own module (my_module:build)"
        )
    return torchvision_cuts.cut(model, FAMILIES, UNNAMED)
