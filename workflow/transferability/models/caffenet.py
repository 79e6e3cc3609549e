"""CaffeNet, the network of the 2014 paper, also at other sizes.

With the default settings it is Caffe's reference network, which the paper trained: the network of
Krizhevsky et al. (2012) with pooling before normalisation, and with convolutions 2, 4 and 5 in two
groups. It is made for 227 × 227 pixels, which give fc6 6 × 6 × 256 inputs.
"""

from itertools import pairwise

from transferability.models import ArchitectureInfo

CHANNELS = (96, 256, 384, 384, 256)
UNITS = 4096
GROUPS = 2
POOLED = ("conv1", "conv2", "conv5")
NORMALISED = ("conv1", "conv2")
STEMS = {
    "paper": {"kernel_size": 11, "stride": 4, "padding": 0},
    # With 55 × 55 pixels, conv1 has outputs of the same size as the paper's with 227 × 227 pixels.
    "small": {"kernel_size": 5, "stride": 1, "padding": 2},
}
STARTS = {
    "conv1": (0.01, 0.0),
    "conv2": (0.01, 1.0),
    "conv3": (0.01, 0.0),
    "conv4": (0.01, 1.0),
    "conv5": (0.01, 1.0),
    "fc6": (0.005, 1.0),
    "fc7": (0.005, 1.0),
    "fc8": (0.01, 0.0),
}
"""The std of the weights of each layer, and the value of its biases, in the paper."""
SMALLEST_IMAGE = {"paper": 39, "small": 8}
"""With smaller images, the last pooling would have no input."""


def info(settings: dict, image_size: int) -> ArchitectureInfo:
    """The eight layers; the size of the smallest image depends on the stem."""
    return ArchitectureInfo(tuple(STARTS), SMALLEST_IMAGE[settings["stem"]])


def build(settings: dict, image_size: int, classes: int) -> list:
    """The layers; `settings["width"]` multiplies the number of channels and units."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class LocalResponseNorm(nn.LocalResponseNorm):
        """The same as torch's for features N×C×H×W, but the sum over neighbouring channels is a
        product with a band matrix of ones, which is several times as fast on a CPU."""

        def __init__(self, channels: int, *settings: float):
            super().__init__(*settings)
            ones = torch.ones(channels, channels)
            band = ones.triu(-(self.size // 2)).tril((self.size - 1) // 2)
            # Not saved with the weights, since the settings determine it.
            self.register_buffer("band", band[..., None, None], persistent=False)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            sums = F.conv2d(features.square(), self.band)
            # In fp32, since bf16 has no numbers between 1 and 1.008.
            factors = (self.k + self.alpha / self.size * sums.float()) ** -self.beta
            return features * factors.to(features.dtype)

    channels = [3, *(_even(settings["width"] * count) for count in CHANNELS)]
    pixels = _pixels(image_size, **STEMS[settings["stem"]]) ** 2
    units = _even(settings["width"] * UNITS)
    shapes = {
        "conv1": STEMS[settings["stem"]],
        "conv2": {"kernel_size": 5, "padding": 2, "groups": GROUPS},
        "conv3": {"kernel_size": 3, "padding": 1},
        "conv4": {"kernel_size": 3, "padding": 1, "groups": GROUPS},
        "conv5": {"kernel_size": 3, "padding": 1, "groups": GROUPS},
    }
    layers = {}
    for (name, shape), (inputs, outputs) in zip(shapes.items(), pairwise(channels), strict=True):
        layers[name] = nn.Sequential(nn.Conv2d(inputs, outputs, **shape))
        # Pooling before the ReLU gives the same values as after it, with less work for the ReLU.
        if name in POOLED:
            # Caffe rounds sizes up.
            layers[name].append(nn.MaxPool2d(3, 2, ceil_mode=True))
        layers[name].append(nn.ReLU())
        if name in NORMALISED:
            # As in torch, alpha is divided by the number of summed channels; Caffe does the same.
            layers[name].append(LocalResponseNorm(outputs, 5, 1e-4, 0.75, 1.0))
    # Dropout is at the start of the next layer, so that the outputs of frozen layers are the same
    # in each epoch.
    layers["fc6"] = nn.Sequential(nn.Flatten(), nn.Linear(pixels * channels[-1], units), nn.ReLU())
    layers["fc7"] = nn.Sequential(nn.Dropout(0.5), nn.Linear(units, units), nn.ReLU())
    layers["fc8"] = nn.Sequential(nn.Dropout(0.5), nn.Linear(units, classes))
    for name, layer in layers.items():
        # Used by `initialise`; None means He et al. (2015).
        layer.std, layer.bias = STARTS[name] if settings["initialisation"] == "paper" else (None, 0)
    return list(layers.items())


def initialise(layer) -> None:
    """Draw a layer's parameters from torch's global generator: Gaussian weights and constant biases
    as in the paper, or weights as in He et al. (2015) and biases of zero."""
    from torch import nn

    for part in layer.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            if layer.std is None:
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            else:
                nn.init.normal_(part.weight, std=layer.std)
            nn.init.constant_(part.bias, layer.bias)


def _even(count: float) -> int:
    """The nearest positive number that is divisible by the number of groups."""
    return max(1, round(count / GROUPS)) * GROUPS


def _pixels(image_size: int, kernel_size: int, stride: int, padding: int) -> int:
    """The height and width of the input of fc6."""
    size = (image_size + 2 * padding - kernel_size) // stride + 1
    for _ in POOLED:
        size = -(-(size - 3) // 2) + 1
    return size
