"""CaffeNet, the network of the 2014 paper, and its shape at other sizes.

With no key changed it is the reference network of Caffe that the paper trained: Krizhevsky et al.
(2012) with each pooling before the normalisation, and convolutions 2, 4 and 5 in two groups; for
227 × 227 pixels, where fc6 takes 6 × 6 × 256 values.
"""

from transferability.models import ArchitectureInfo

LAYER_NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
CHANNELS = (96, 256, 384, 384, 256)
UNITS = 4096
GROUPS = 2
POOLED = ("conv1", "conv2", "conv5")
NORMALISED = ("conv1", "conv2")
STEMS = {
    "paper": {"kernel_size": 11, "stride": 4, "padding": 0},
    # 55 × 55 pixels come to the first pooling as 227 × 227 do through the paper's.
    "small": {"kernel_size": 5, "stride": 1, "padding": 2},
}
SMALLEST_IMAGE = {"paper": 39, "small": 8}
"""Of smaller images nothing is left for the last pooling."""


def info(settings: dict, image_size: int | None = None) -> ArchitectureInfo:
    """Eight layers; how small an image may be depends on the stem."""
    return ArchitectureInfo(
        layer_names=LAYER_NAMES, smallest_image=SMALLEST_IMAGE[settings["stem"]]
    )


def build(settings: dict, image_size: int, classes: int) -> list:
    """The layers, (name, module) from input to output; input N×3×image_size×image_size, output
    N×classes.

    `settings["width"]` multiplies the number of channels and units.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    he = settings["initialisation"] == "he"
    channels = [_even(settings["width"] * count) for count in CHANNELS]
    units = _even(settings["width"] * UNITS)
    shapes = {
        "conv1": STEMS[settings["stem"]],
        "conv2": {"kernel_size": 5, "padding": 2, "groups": GROUPS},
        "conv3": {"kernel_size": 3, "padding": 1},
        "conv4": {"kernel_size": 3, "padding": 1, "groups": GROUPS},
        "conv5": {"kernel_size": 3, "padding": 1, "groups": GROUPS},
    }

    class LocalResponseNorm(nn.LocalResponseNorm):
        """Torch's own, of features N×C×H×W. The sum over neighbouring channels is a product with a
        band of ones: torch averages over a third dimension, which on a CPU takes it several times
        as long."""

        def __init__(self, channels: int, *settings: float):
            super().__init__(*settings)
            ones = torch.ones(channels, channels)
            band = ones.triu(-(self.size // 2)).tril((self.size - 1) // 2)
            # Made of the settings alone, and so no part of the weights.
            self.register_buffer("band", band[..., None, None], persistent=False)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            sums = F.conv2d(features.square(), self.band)
            # In fp32, since bf16 has nothing between 1 and 1.008.
            factors = (self.k + self.alpha / self.size * sums.float()) ** -self.beta
            return features * factors.to(features.dtype)

    class Layer(nn.Sequential):
        """A layer that knows how it starts: the std of its weights, None for He et al.
        (2015), and the value of its biases."""

        def __init__(self, *parts: nn.Module, std: float, bias: float):
            super().__init__(*parts)
            self.std, self.bias = (None, 0.0) if he else (std, bias)

    def convolution(name: str, inputs: int, outputs: int) -> Layer:
        # Pooling before the rectifier gives the same values as after it, with less work for it.
        return Layer(
            nn.Conv2d(inputs, outputs, **shapes[name]),
            # Caffe rounds sizes up.
            *([nn.MaxPool2d(3, 2, ceil_mode=True)] if name in POOLED else []),
            nn.ReLU(),
            # Caffe, too, divides alpha by the number of channels that are summed.
            *([LocalResponseNorm(outputs, 5, 1e-4, 0.75, 1.0)] if name in NORMALISED else []),
            std=0.01,
            bias=0.0 if name in ("conv1", "conv3") else 1.0,
        )

    pixels = _pixels(image_size, settings["stem"]) ** 2
    # Dropout opens the layer that reads the units, so that these stay the same from epoch to epoch
    # where they are frozen.
    return [
        *(
            (name, convolution(name, inputs, outputs))
            for name, inputs, outputs in zip(LAYER_NAMES, [3, *channels], channels, strict=False)
        ),
        (
            "fc6",
            Layer(
                nn.Flatten(),
                nn.Linear(pixels * channels[-1], units),
                nn.ReLU(),
                std=0.005,
                bias=1.0,
            ),
        ),
        (
            "fc7",
            Layer(nn.Dropout(0.5), nn.Linear(units, units), nn.ReLU(), std=0.005, bias=1.0),
        ),
        ("fc8", Layer(nn.Dropout(0.5), nn.Linear(units, classes), std=0.01, bias=0.0)),
    ]


def initialise(layer) -> None:
    """Draw a layer's parameters anew from torch's global generator: Gaussian weights and constant
    biases, as in the paper, or as in He et al. (2015) with biases zero."""
    from torch import nn

    for part in layer.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            if layer.std is None:
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            else:
                nn.init.normal_(part.weight, std=layer.std)
            nn.init.constant_(part.bias, layer.bias)


def _even(count: float) -> int:
    """The nearest number that can be parted into two groups."""
    return max(1, round(count / GROUPS)) * GROUPS


def _pixels(image_size: int, stem: str) -> int:
    """Height and width of what fc6 takes."""
    kernel, stride, padding = STEMS[stem].values()
    size = (image_size + 2 * padding - kernel) // stride + 1
    for _ in POOLED:
        size = -(-(size - 3) // 2) + 1
    return size
