"""Copying, freezing and initialising layers."""

from pathlib import Path

import pytest
import torch
from laboratory import ARCHITECTURE
from torch import nn
from torchvision.ops import StochasticDepth

from transferability.models.small import LAYER_NAMES
from transferability.study.networks import TrainingSpec
from transferability.training import transplant
from transferability.training.rng import Stream

TREATMENT = Stream("treatment", "random0", 0, "B")
BASE = Stream("base", "random0", 0, "B")


def network(stream: Stream = TREATMENT, classes: int = 5, **changes: object) -> nn.Sequential:
    return transplant.initialised({**ARCHITECTURE, **changes}, 8, classes, stream)


def layer(name: str) -> str:
    return name.split(".")[0]


def clones(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("n", range(9))
def test_exactly_n_layers_are_copied_with_their_statistics(n):
    copied = set(LAYER_NAMES[:n])
    base, mine = network(BASE), network()
    for buffer in base.buffers():
        buffer.add_(1)
    begun, trained = clones(mine), clones(base)
    transplant.copy_layers(mine, base.state_dict(), n)
    for name, tensor in mine.state_dict().items():
        expected = trained[name] if layer(name) in copied else begun[name]
        assert torch.equal(tensor, expected), name
        # Copies do not share the base's memory.
        tensor.add_(1)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in base.state_dict().items())


def test_a_layer_starts_from_values_of_its_own():
    """Whatever the layers below it are, and however many classes there are above it."""
    some, other = network(), network(channels=[8, 6, 8, 8, 8], classes=7)
    for name in ("conv1.0.weight", "conv4.0.weight", "fc6.1.weight", "fc7.0.weight"):
        assert torch.equal(some.state_dict()[name], other.state_dict()[name])
    # Two layers of one shape start from different values.
    assert not torch.equal(some.conv3[0].weight, some.conv4[0].weight)


@pytest.mark.parametrize(
    "stream",
    [
        BASE,
        Stream("treatment", "random1", 0, "B"),
        Stream("treatment", "random0", 1, "B"),
        Stream("treatment", "random0", 0, "A"),
    ],
)
def test_another_stream_starts_from_other_values(stream):
    mine, other = network(), network(stream)
    for name, parameter in mine.named_parameters():
        if parameter.ndim > 1:
            assert not torch.equal(parameter, other.get_parameter(name))


def test_initial_weights_are_those_of_he():
    wide = network(channels=[64] * 5, units=[512, 512], batch_norm=False)
    for parameter in wide.parameters():
        if parameter.ndim == 1:
            assert not parameter.any()
        elif parameter.numel() > 10_000:
            expected = (2 / parameter[0].numel()) ** 0.5
            assert parameter.std().item() == pytest.approx(expected, rel=0.05)


def test_frozen_layers_keep_their_statistics_and_their_dropout():
    mine = network()
    transplant.set_training(mine, 7)
    norms = [m for m in mine.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    dropouts = [m for m in mine.modules() if isinstance(m, nn.Dropout)]
    assert (len(norms), len(dropouts)) == (7, 2)
    assert not any(norm.training for norm in norms)
    assert all(dropout.training for dropout in dropouts)
    before = clones(mine)
    images = torch.randn(16, 3, 8, 8)
    assert not torch.equal(mine(images), mine(images))
    assert all(torch.equal(tensor, before[name]) for name, tensor in mine.state_dict().items())


class Attention(nn.Module):
    """Attention of one image's four parts to each other, with dropout, and not always."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True)
        self.depth = StochasticDepth(0.5, "row")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.depth(self.attention(x, x, x)[0])


def test_what_is_random_inside_of_a_frozen_layer_is_off():
    mine, parts = nn.Sequential(Attention(), Attention()), torch.randn(9, 4, 4)
    transplant.set_training(mine, 1)
    with torch.no_grad():
        assert torch.equal(mine[0](parts), mine[0](parts))
        assert not torch.equal(mine[1](parts), mine[1](parts))


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("A3B", None, "copies the weights of baseA, and got none; give --base"),
        ("R3B", Path("weights"), "copies no weights, and got weights"),
    ],
)
def test_weights_are_given_to_those_who_copy_them(name, given, words):
    spec = TrainingSpec.of(name, "random0", 0, ARCHITECTURE, {})
    with pytest.raises(ValueError, match=words):
        transplant.load_base(spec, given, {}, network())
