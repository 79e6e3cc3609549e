"""Cut torchvision's classification models into layers.

Layers are counted as in the paper: a layer is a part with weights and everything up to the next
such part. A block of a residual, dense, inception or transformer family is one layer, since a cut
inside it would separate a sum from its terms. The stem of a family is one layer. The last layer is
the classifier's last linear map, with a normalisation before it that no other part uses. A dropout
belongs to the layer after it. The sequence of the layers has the same output as the model, bit for
bit. resources/torchvision_layers.csv lists all layers; tests/torchvision_table.py writes this file.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torchvision import models
from torchvision.models.densenet import _DenseLayer
from torchvision.models.maxvit import MaxVitBlock
from torchvision.models.regnet import AnyStage

STAGES = (nn.Sequential, nn.ModuleList, AnyStage, MaxVitBlock)


class Mean(nn.Module):
    """The mean over positions, N×C×H×W → N×C."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean([2, 3])


class ClassToken(nn.Module):
    """The first token, N×tokens×C → N×C; the classifier uses only this one."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, 0]


class Embedding(nn.Module):
    """The stem of a vision transformer, images → N×tokens×C: the class token and the patches, plus
    the positional embedding."""

    def __init__(self, model: models.VisionTransformer):
        super().__init__()
        self.conv_proj, self.dropout = model.conv_proj, model.encoder.dropout
        self.class_token, self.pos_embedding = model.class_token, model.encoder.pos_embedding

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        patches = self.conv_proj(images).flatten(2).permute(0, 2, 1)
        token = self.class_token.expand(len(images), -1, -1)
        return self.dropout(torch.cat([token, patches], dim=1) + self.pos_embedding)


class Concatenated(nn.Module):
    """A layer of a dense block, whose input and output are concatenated for the next layer."""

    def __init__(self, layer: _DenseLayer):
        super().__init__()
        self.layer = layer

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([features, self.layer(features)], 1)


# Steps of `forward` that are not modules of the model.
UNNAMED = {
    "embedding": Embedding,
    "class_token": lambda _: ClassToken(),
    "flattened": lambda _: nn.Flatten(),
    "mean": lambda _: Mean(),
    "pooled": lambda _: nn.AdaptiveAvgPool2d(1),
    "rectified": lambda _: nn.ReLU(inplace=True),
}

# The parts of each family in the order of its `forward`. "features/*" makes each child of features
# a separate part (a stage is divided into its blocks); a tuple is one part.
FAMILIES: dict[type[nn.Module], tuple] = {
    models.AlexNet: ("features/*", "avgpool", "flattened", "classifier/*"),
    models.VGG: ("features/*", "avgpool", "flattened", "classifier/*"),
    models.SqueezeNet: ("features/*", "classifier/*", "flattened"),
    models.ResNet: (
        *("conv1", "bn1", "relu", "maxpool", "layer1/*", "layer2/*", "layer3/*", "layer4/*"),
        *("avgpool", "flattened", "fc"),
    ),
    models.DenseNet: (
        *("features.conv0", "features.norm0", "features.relu0", "features.pool0"),
        *("features.denseblock1/*", "features.transition1", "features.denseblock2/*"),
        *("features.transition2", "features.denseblock3/*", "features.transition3"),
        *("features.denseblock4/*",),
        ("features.norm5", "rectified", "pooled", "flattened", "classifier"),
    ),
    models.Inception3: (
        *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1"),
        *("Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b"),
        *("Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c"),
        *("avgpool", "dropout", "flattened", "fc"),
    ),
    models.GoogLeNet: (
        *("conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b"),
        *("maxpool3", "inception4a", "inception4b", "inception4c", "inception4d", "inception4e"),
        *("maxpool4", "inception5a", "inception5b", "avgpool", "flattened", "dropout", "fc"),
    ),
    models.ShuffleNetV2: (
        *("conv1", "maxpool", "stage2/*", "stage3/*", "stage4/*", "conv5", "mean", "fc"),
    ),
    models.MobileNetV2: ("features/*", "pooled", "flattened", "classifier/*"),
    models.MobileNetV3: ("features/*", "avgpool", "flattened", "classifier/*"),
    models.MNASNet: (
        # After the first convolution there is a block without a name: a depthwise and a pointwise
        # convolution.
        *("layers.0", "layers.1", "layers.2", tuple(f"layers.{i}" for i in range(3, 8))),
        *(f"layers.{i}/*" for i in range(8, 14)),
        *("layers.14", "layers.15", "layers.16", "mean", "classifier/*"),
    ),
    models.RegNet: ("stem", "trunk_output/*", "avgpool", "flattened", "fc"),
    models.EfficientNet: ("features/*", "avgpool", "flattened", "classifier/*"),
    models.ConvNeXt: ("features/*", "avgpool", "classifier"),
    models.SwinTransformer: ("features/*", ("norm", "permute", "avgpool", "flatten", "head")),
    models.MaxVit: (
        *("stem", "blocks/*", "classifier.0", "classifier.1"),
        *(("classifier.2", "classifier.3"), "classifier.4", "classifier.5"),
    ),
    models.VisionTransformer: (
        "embedding",
        "encoder.layers/*",
        ("encoder.ln", "class_token", "heads"),
    ),
}


def cut(
    model: nn.Module, families: Mapping = FAMILIES, unnamed: Mapping = UNNAMED
) -> list[tuple[str, nn.Module]]:
    """The layers of a model, (name, module) from input to output. Each layer has weights and one
    input tensor; its name is the path of its weights in the model, with _ in place of dots.

    The modules are the model's, not copies.
    """
    layers, waiting = [], []
    for name, part in _parts(model, families[type(model)], unnamed):
        if _has_weights(part):
            layers.append((name.replace(".", "_"), [*waiting, part]))
            waiting = []
        elif waiting or isinstance(part, nn.Dropout):
            waiting.append(part)
        else:
            layers[-1][1].append(part)
    return [(name, nn.Sequential(*parts) if parts[1:] else parts[0]) for name, parts in layers]


def _parts(model: nn.Module, family: tuple, unnamed: Mapping) -> Iterator[tuple[str, nn.Module]]:
    def part_at(path: str) -> nn.Module:
        return unnamed[path](model) if path in unnamed else model.get_submodule(path)

    for entry in family:
        if isinstance(entry, tuple):
            parts = {path: part_at(path) for path in entry}
            *_, name = (path for path, part in parts.items() if _has_weights(part))
            yield name, nn.Sequential(*parts.values())
        elif entry.endswith("/*"):
            path = entry.removesuffix("/*")
            for name, child in model.get_submodule(path).named_children():
                yield from _blocks(f"{path}.{name}", child)
        else:
            yield entry, part_at(entry)


def _blocks(path: str, part: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The blocks of a stage (its children have one class), or the part if it is not a stage."""
    children = dict(part.named_children())
    if type(part) in STAGES and len({type(child) for child in children.values()}) == 1:
        for name, child in children.items():
            yield from _blocks(f"{path}.{name}", child)
    else:
        yield path, Concatenated(part) if isinstance(part, _DenseLayer) else part


def _has_weights(part: nn.Module) -> bool:
    """Whether a part has weights, i.e. parameters other than biases and those of normalisation."""
    return any(parameter.ndim > 1 for parameter in part.parameters())


def original_names(model: nn.Module, layers: list[tuple[str, nn.Module]]) -> dict[str, str]:
    """The name in the model of each parameter and buffer of its layers."""
    network = nn.Sequential(OrderedDict(layers))
    names = {id(tensor): name for name, tensor in model.state_dict(keep_vars=True).items()}
    return {name: names[id(t)] for name, t in network.state_dict(keep_vars=True).items()}


def make(name: str, classes: int, image_size: int | None = None) -> nn.Module:
    """A classification model of torchvision with new weights; some need `image_size`."""
    return models.get_model(name, weights=None, **options(name, classes, image_size))


def options(name: str, classes: int, image_size: int | None = None) -> dict:
    """The arguments for torchvision's function of that name."""
    given = {"num_classes": classes}
    if name in ("googlenet", "inception_v3"):
        # With auxiliary classifiers, the model would not be a sequence of layers.
        given |= {"aux_logits": False, "init_weights": True}
    elif image_size and name.startswith("vit_"):
        given["image_size"] = image_size
    elif image_size and name.startswith("maxvit_"):
        given["input_size"] = (image_size, image_size)
    return given
