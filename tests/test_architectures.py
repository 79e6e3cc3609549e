"""The common interface of the architectures, and the paper's own network."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from transferability import models
from transferability.models import caffenet
from transferability.study import config
from transferability.training import transplant
from transferability.training.rng import Stream

STREAM = Stream("treatment", "random0", 0, "B")
PAPER = config.complete({"dataset": {"image_size": 227}, "architecture": {"name": "caffenet"}})[
    "architecture"
]
NARROW = {**PAPER, "width": 1 / 16}


def images(size: int) -> torch.Tensor:
    return torch.zeros(1, 3, size, size)


def composed(layers: list[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(*(layer for _, layer in layers))


def initialised(settings: dict) -> nn.Sequential:
    return transplant.initialised(settings, 227, 10, STREAM)


@pytest.fixture(scope="module")
def paper() -> nn.Sequential:
    return transplant.initialised(PAPER, 227, 1000, STREAM)


def test_the_untrained_small_network_guesses():
    settings = {"name": "small", "channels": [16, 32, 48, 48, 32], "units": [128, 128]}
    settings |= {"batch_norm": False, "dropout": 0.0}
    network = transplant.initialised(settings, 20, 30, STREAM)
    assert network.fc8.weight.std().item() == pytest.approx(0.01, rel=0.05)
    weight = network.fc7[0].weight
    assert weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.05)
    images = torch.randn(64, 3, 20, 20)
    loss = nn.functional.cross_entropy(network(images), torch.arange(64) % 30)
    assert loss.item() == pytest.approx(math.log(30), abs=0.15)


def test_caffenet_is_the_paper_s_network(paper):
    assert sum(parameter.numel() for parameter in paper.parameters()) == 60_965_224
    features, shapes = images(227), []
    for layer in paper.eval():
        with torch.no_grad():
            features = layer(features)
        shapes.append(tuple(features.shape[1:]))
    convolutions = [(96, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13), (256, 6, 6)]
    assert shapes == [*convolutions, (4096,), (4096,), (1000,)]


def test_caffenet_starts_from_the_values_of_the_paper_or_of_he(paper):
    for name, layer in paper.named_children():
        weight, bias = layer.parameters()
        std = 0.005 if name in ("fc6", "fc7") else 0.01
        assert weight.std().item() == pytest.approx(std, rel=0.02), name
        assert weight.mean().item() == pytest.approx(0, abs=std / 50), name
        assert set(bias.tolist()) == {0.0 if name in ("conv1", "conv3", "fc8") else 1.0}, name
    for name, layer in initialised({**NARROW, "initialisation": "he"}).named_children():
        weight, bias = layer.parameters()
        if weight.numel() > 5_000:
            assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.05)
        assert not bias.any(), name


def test_caffenet_computes_what_caffe_computes():
    """Convolution, rectifier, pooling, normalisation: each as Caffe defines it."""
    network = initialised(NARROW).eval()
    seen = 50 * torch.randn(2, 3, 227, 227)

    def of(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return tuple(network.get_submodule(name).parameters())

    def pooled(x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def normalised(x: torch.Tensor) -> torch.Tensor:
        square = F.pad(x**2, (0, 0, 0, 0, 2, 2))
        summed = sum(square[:, i : i + x.shape[1]] for i in range(5))
        return x / (1 + 1e-4 / 5 * summed) ** 0.75

    with torch.no_grad():
        expected = normalised(pooled(F.conv2d(seen, *of("conv1"), stride=4).relu()))
        expected = F.conv2d(expected, *of("conv2"), padding=2, groups=2).relu()
        expected = normalised(pooled(expected))
        expected = F.conv2d(expected, *of("conv3"), padding=1).relu()
        expected = F.conv2d(expected, *of("conv4"), padding=1, groups=2).relu()
        expected = pooled(F.conv2d(expected, *of("conv5"), padding=1, groups=2).relu())
        expected = F.linear(expected.flatten(1), *of("fc6")).relu()
        expected = F.linear(F.linear(expected, *of("fc7")).relu(), *of("fc8"))
        torch.testing.assert_close(network(seen), expected)


@pytest.mark.parametrize("channels", [2, 6, 96])
def test_normalisation_over_channels_is_torch_s(channels):
    """Values and gradients; it has no weights."""
    (normalisation,) = (
        part
        for part in caffenet.build({**PAPER, "width": channels / 96}, 39, 2)[0][1]
        if isinstance(part, nn.LocalResponseNorm)
    )
    assert not normalisation.state_dict()
    plain = nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)
    generator = torch.Generator().manual_seed(0)
    values = 100 * torch.randn(3, channels, 7, 9, generator=generator)
    values = values.to(memory_format=torch.channels_last)
    gradient = torch.randn(values.shape, generator=generator)
    found = []
    for module in (normalisation, plain):
        given = values.clone().requires_grad_()
        module(given).backward(gradient)
        found.append((module(given), given.grad))
    assert found[0][0].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found[0], found[1])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = normalisation(values.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), found[1][0], rtol=2**-6, atol=0)


def test_caffenet_drops_half_of_the_units_of_fc6_and_fc7():
    """Before the layer that reads them, so that outputs of frozen fc6 and fc7 never change."""
    network = initialised(NARROW).train()
    units = torch.ones(1, 256)
    for name in ("fc7", "fc8"):
        dropped = network.get_submodule(name)[0](units)
        assert set(dropped.flatten().tolist()) == {0.0, 2.0}, name
        assert 0.3 < (dropped == 0).float().mean() < 0.7, name
    assert torch.equal(network[:6](images(227)), network[:6](images(227)))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("stem", ["paper", "small"])
@pytest.mark.parametrize("width", [0.01, 1 / 3, 1.5])
def test_caffenet_has_other_stems_and_widths(stem, width):
    settings = {**PAPER, "width": width, "stem": stem, "initialisation": "he"}
    smallest = models.info(settings, 227).smallest_image
    for image_size in (smallest, smallest + 9):
        layers = caffenet.build(settings, image_size, 7)
        assert composed(layers)(images(image_size)).shape == (1, 7)
    with pytest.raises(RuntimeError):
        composed(caffenet.build(settings, smallest - 1, 7))(images(smallest - 1))
    for (_, layer), paper in zip(layers[:5], caffenet.CHANNELS, strict=True):
        assert abs(layer[0].out_channels - max(2, width * paper)) <= 1


def test_the_small_stem_gives_later_layers_the_paper_s_sizes():
    def sizes(settings: dict, image_size: int) -> list[int]:
        layers = caffenet.build({**settings, "width": 1 / 16}, image_size, 7)
        features, found = images(image_size), []
        for _, layer in layers[:5]:
            features = layer(features)
            found.append(features.shape[-1])
        return found

    assert sizes({**PAPER, "stem": "small"}, 55) == sizes(PAPER, 227)
