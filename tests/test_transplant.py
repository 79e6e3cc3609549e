"""Copying, freezing and initialising layers."""

import pytest
import torch
from laboratory import ARCHITECTURE, same
from torch import nn

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


@pytest.mark.parametrize(
    ("settings", "n"),
    [*((ARCHITECTURE, n) for n in range(9)), ({"name": "torchvision", "model": "resnet18"}, 3)],
)
def test_exactly_n_layers_are_copied_with_their_statistics(settings, n):
    state = torch.random.get_rng_state()
    base, mine, again = (
        transplant.initialised(settings, 32, 5, stream) for stream in (BASE, TREATMENT, TREATMENT)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same(mine.state_dict(), again.state_dict())
    assert not torch.equal(base.conv1[0].weight, mine.conv1[0].weight)
    copied = list(dict(mine.named_children()))[:n]
    for buffer in base.buffers():
        buffer.add_(1)
    begun, trained = clones(mine), clones(base)
    transplant.copy_layers(mine, base.state_dict(), n)
    for name, tensor in mine.state_dict().items():
        expected = trained[name] if layer(name) in copied else begun[name]
        assert torch.equal(tensor, expected), name
        # Copies do not share memory with the base.
        tensor.add_(1)
    assert same(base.state_dict(), trained)


def test_untrained_tensors_are_not_shuffled():
    network = transplant.initialised({"name": "torchvision", "model": "swin_t"}, 32, 5, BASE)
    weights = network.state_dict()
    found = transplant.shuffled(weights, network, TREATMENT)
    parameters = dict(network.named_parameters())
    for name, tensor in weights.items():
        assert torch.equal(tensor.flatten().sort()[0], found[name].flatten().sort()[0])
        if tensor.unique().numel() > 1:
            assert torch.equal(tensor, found[name]) == (name not in parameters), name


def test_each_layer_starts_from_its_own_values():
    """They do not depend on the layers below, or on the number of classes."""
    first, other = network(), network(channels=[8, 6, 8, 8, 8], classes=7)
    for name in ("conv1.0.weight", "conv4.0.weight", "fc6.1.weight", "fc7.0.weight"):
        assert torch.equal(first.state_dict()[name], other.state_dict()[name])
    # Two layers with the same shape start from different values.
    assert not torch.equal(first.conv3[0].weight, first.conv4[0].weight)


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
    assert same(mine.state_dict(), before)
