"""The paper's five convolutions and three fully connected layers, at a small size.

As in CaffeNet, layers 1, 2 and 5 contain a pooling. Unlike in CaffeNet, there is no local response
normalisation and there are no groups. The initialisation is that of He et al. (2015), except in the
last layer, whose weights are as small as in CaffeNet.
"""

from itertools import pairwise

from transferability.models import ArchitectureInfo

LAYER_NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
KERNEL_SIZES = (5, 3, 3, 3, 3)
POOLED = ("conv1", "conv2", "conv5")
LAST_STD = 0.01
"""The std of the last layer's weights. It makes the first predictions nearly uniform; with larger
weights, the first losses are high, and their large gradients can ruin the layers below."""


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """The eight layers; each of the three poolings halves the height and width of the image."""
    return ArchitectureInfo(layer_names=LAYER_NAMES, smallest_image=2 ** len(POOLED))


def build(settings: dict, image_size: int, classes: int) -> list:
    """The layers. A layer is a convolution or linear map and everything up to the next one, so that
    n means the same as in the paper. Dropout belongs to the layer whose units it drops."""
    from torch import nn

    channels, layers = [3, *settings["channels"]], []
    pixels = (image_size // 2 ** len(POOLED)) ** 2
    units = [pixels * channels[-1], *settings["units"]]
    for (inputs, outputs), kernel in zip(pairwise(channels), KERNEL_SIZES, strict=True):
        layer = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
        if settings["batch_norm"]:
            layer.append(nn.BatchNorm2d(outputs))
        # Pooling before the ReLU gives the same values as after it, with a quarter of the work for
        # the ReLU.
        if LAYER_NAMES[len(layers)] in POOLED:
            layer.append(nn.MaxPool2d(2))
        layers.append(layer.append(nn.ReLU()))
    for inputs, outputs in pairwise(units):
        layer = nn.Sequential(nn.Linear(inputs, outputs))
        if settings["batch_norm"]:
            layer.append(nn.BatchNorm1d(outputs))
        layer.append(nn.ReLU())
        if settings["dropout"]:
            layer.append(nn.Dropout(settings["dropout"]))
        layers.append(layer)
    layers[len(KERNEL_SIZES)].insert(0, nn.Flatten())
    return list(zip(LAYER_NAMES, [*layers, nn.Linear(units[-1], classes)], strict=True))


def initialise(layer) -> None:
    """Draw a layer's parameters from torch's global generator. Weights are normal with variance
    2 / inputs (He et al. 2015), or with std 0.01 in the last layer, the only plain nn.Linear.
    Biases are zero, and batch normalisation is reset."""
    from torch import nn

    for part in layer.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.reset_parameters()
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=LAST_STD)
