"""The paper's five convolutions and three fully connected layers, at a small size.

As in CaffeNet, layers 1, 2 and 5 end in a pooling; unlike it, there is no local response
normalisation and there are no groups, and initialisation is that of He et al. (2015), with which
networks of this depth learn from the first step on.
"""

from transferability.models import ArchitectureInfo

LAYER_NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
KERNEL_SIZES = (5, 3, 3, 3, 3)
POOLED = ("conv1", "conv2", "conv5")


def info(settings: dict, image_size: int | None = None) -> ArchitectureInfo:
    """Eight layers; the three poolings halve the image each."""
    return ArchitectureInfo(layer_names=LAYER_NAMES, smallest_image=2 ** len(POOLED))


def build(settings: dict, image_size: int, classes: int) -> list:
    """The layers, (name, module) from input to output; input N×3×image_size×image_size, output
    N×classes.

    A layer is all that lies between its parameters and the next layer's: n counts as in the paper.
    Dropout closes the layer whose units it drops.
    """
    import torch
    from torch import nn

    class MaxPool2d(nn.MaxPool2d):
        """Torch's own, over 2 × 2 values. Where no gradient will ask for their places, a CPU takes
        half as long for the maxima of whole rows."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if images.requires_grad or images.device.type != "cpu":
                return super().forward(images)
            height, width = (size // 2 * 2 for size in images.shape[2:])
            rows = torch.maximum(images[:, :, 0:height:2, :width], images[:, :, 1:height:2, :width])
            return torch.maximum(rows[..., ::2], rows[..., 1::2])

    def convolution(name: str, inputs: int, outputs: int, kernel: int) -> nn.Module:
        # Pooling before the rectifier gives the same values as after it, with a quarter of the work
        # for the rectifier.
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
            *([nn.BatchNorm2d(outputs)] if settings["batch_norm"] else []),
            *([MaxPool2d(2)] if name in POOLED else []),
            nn.ReLU(),
        )

    def fully_connected(inputs: int, outputs: int) -> list[nn.Module]:
        return [
            nn.Linear(inputs, outputs),
            *([nn.BatchNorm1d(outputs)] if settings["batch_norm"] else []),
            nn.ReLU(),
            *([nn.Dropout(settings["dropout"])] if settings["dropout"] else []),
        ]

    channels, units = settings["channels"], settings["units"]
    pixels = (image_size // 2 ** len(POOLED)) ** 2
    return [
        *(
            (name, convolution(name, inputs, outputs, kernel))
            for name, inputs, outputs, kernel in zip(
                LAYER_NAMES, [3, *channels], channels, KERNEL_SIZES, strict=False
            )
        ),
        ("fc6", nn.Sequential(nn.Flatten(), *fully_connected(pixels * channels[-1], units[0]))),
        ("fc7", nn.Sequential(*fully_connected(units[0], units[1]))),
        ("fc8", nn.Linear(units[1], classes)),
    ]


def initialise(layer) -> None:
    """Draw a layer's parameters anew from torch's global generator (He et al. 2015: a normal
    distribution with variance 2 / inputs), biases zero, batch normalisation as new."""
    from torch import nn

    for part in layer.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.reset_parameters()
