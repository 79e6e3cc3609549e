"""The paper's five convolutions and three fully connected layers, at a small size.

As in CaffeNet, layers 1, 2 and 5 end in a pooling; unlike it, there is no local response
normalisation and there are no groups, and initialisation is that of He et al. (2015), but for the
last layer, whose weights are as small as in CaffeNet.
"""

from itertools import pairwise

from transferability.models import ArchitectureInfo

LAYER_NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
KERNEL_SIZES = (5, 3, 3, 3, 3)
POOLED = ("conv1", "conv2", "conv5")
LAST_STD = 0.01
"""Of the last layer's weights. A network then guesses at first; with larger ones it begins at a
high loss, whose long gradients can ruin the layers below."""


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """Eight layers; each of the three poolings halves the image."""
    return ArchitectureInfo(layer_names=LAYER_NAMES, smallest_image=2 ** len(POOLED))


def build(settings: dict, image_size: int, classes: int) -> list:
    """A layer is all that lies between its parameters and the next layer's: n counts as in the
    paper. Dropout closes the layer whose units it drops."""
    from torch import nn

    channels, layers = [3, *settings["channels"]], []
    pixels = (image_size // 2 ** len(POOLED)) ** 2
    units = [pixels * channels[-1], *settings["units"]]
    for (inputs, outputs), kernel in zip(pairwise(channels), KERNEL_SIZES, strict=True):
        layer = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
        if settings["batch_norm"]:
            layer.append(nn.BatchNorm2d(outputs))
        # Pooling before the rectifier gives the same values as after it, with a quarter of the work
        # for the rectifier.
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
    """Draw a layer's parameters again from torch's global generator: from a normal distribution of
    variance 2 / inputs (He et al. 2015), in the last layer, the only bare nn.Linear, of std 0.01;
    biases zero, batch normalisation as new."""
    from torch import nn

    for part in layer.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.reset_parameters()
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=LAST_STD)
