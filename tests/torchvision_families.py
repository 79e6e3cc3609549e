"""A model of each family of torchvision's."""

import pytest

# The smallest model of each family: its number of pixels and its number of layers.
FAMILIES = {
    "alexnet": (63, 8),
    "vgg11_bn": (32, 11),
    "resnet18": (32, 10),
    "resnext50_32x4d": (32, 18),
    "wide_resnet50_2": (32, 18),
    "squeezenet1_0": (32, 10),
    "densenet121": (32, 63),
    "inception_v3": (75, 17),
    "googlenet": (32, 13),
    "shufflenet_v2_x0_5": (32, 19),
    "mobilenet_v2": (32, 20),
    "mobilenet_v3_small": (32, 15),
    "mnasnet0_5": (32, 20),
    "regnet_y_400mf": (32, 18),
    "efficientnet_b0": (32, 19),
    "efficientnet_v2_s": (33, 43),
    "convnext_tiny": (32, 23),
    "swin_t": (32, 17),
    "swin_v2_t": (32, 17),
    "vit_b_16": (32, 14),
    "maxvit_t": (224, 14),
}


def families(sample: tuple[str, ...]) -> list:
    """The names of all models, for tests; only those of the sample are essential tests."""
    return [n if n in sample else pytest.param(n, marks=pytest.mark.full) for n in FAMILIES]
