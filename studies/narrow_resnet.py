"""A residual network for small images: torchvision's BasicBlock, at a quarter of ResNet-18's width.

As an architecture of a study: `architecture: {name: custom, build: studies.narrow_resnet:build}`.
"""

from torch import nn
from torchvision.models.resnet import BasicBlock

# Channels of each block, and its stride.
BLOCKS = ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1))


def build(image_size: int, classes: int) -> list[tuple[str, nn.Module]]:
    """Eight layers, so that n counts as in `small`: a convolution, six blocks and a classifier."""
    stem = nn.Conv2d(3, BLOCKS[0][0], 3, padding=1, bias=False)
    layers = [("conv1", nn.Sequential(stem, nn.BatchNorm2d(BLOCKS[0][0]), nn.ReLU()))]
    inputs = BLOCKS[0][0]
    for number, (outputs, stride) in enumerate(BLOCKS, 1):
        shortcut = None
        if stride > 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))
        layers.append((f"block{number}", BasicBlock(inputs, outputs, stride, shortcut)))
        inputs = outputs
    pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return [*layers, ("fc", nn.Sequential(*pool, nn.Linear(inputs, classes)))]
