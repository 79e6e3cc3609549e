"""torchvision's models, cut into layers, equal the whole models; the table lists them."""

import csv
import warnings

import pytest
import torch
import torchvision_table
from torch import nn
from torchvision import models
from torchvision_families import FAMILIES, families

from transferability import models as architectures
from transferability.models import torchvision, torchvision_cuts
from transferability.training import transplant
from transferability.training.rng import Stream

# The others are cut by the same few rules.
SAMPLE = ("alexnet", "resnet18", "densenet121", "inception_v3", "swin_t", "vit_b_16")
FAMILY = families(SAMPLE)
pytestmark = pytest.mark.usefixtures("one_thread")
ALL = models.list_models(module=models)
TREATMENT = Stream("treatment", "random0", 0, "B")


def settings(model: str) -> dict:
    return {"name": "torchvision", "model": model}


def composed(layers: list[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(*(layer for _, layer in layers))


# Models that combine tensors to which autocast may have given different types.
@pytest.mark.parametrize(
    "name", ["densenet121", "shufflenet_v2_x0_5", "convnext_tiny", "swin_v2_t", "vit_b_16"]
)
def test_layers_are_trained_in_bf16_and_channels_last(name):
    image_size, _ = FAMILIES[name]
    network = transplant.initialised(settings(name), image_size, 5, TREATMENT)
    network.to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, image_size, image_size).to(memory_format=torch.channels_last)
    network[:2].requires_grad_(False)
    transplant.set_training(network, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(images)
    logits.float().logsumexp(1).sum().backward()
    for layer, module in network[2:].named_children():
        assert any(parameter.grad is not None for parameter in module.parameters()), layer
    assert all(parameter.grad is None for parameter in network[:2].parameters())


@pytest.mark.full
def test_the_table_agrees_with_the_installed_torchvision(tmp_path):
    with warnings.catch_warnings(action="error"):
        torchvision_table.write_table(tmp_path / "made.csv")
    made = (tmp_path / "made.csv").read_text(encoding="utf-8")
    assert torchvision.TABLE.read_text(encoding="utf-8") == made, (
        "torchvision_layers.csv is out of step; make it with python tests/torchvision_table.py"
    )
    assert [row["model"] for row in csv.DictReader(made.splitlines())] == ALL
    assert len(ALL) == 80


@pytest.mark.parametrize("name", FAMILY)
def test_the_smallest_image_passes_through_the_model(name):
    smallest = architectures.info(settings(name), FAMILIES[name][0]).smallest_image
    with torchvision_table.WithoutMemory():
        layers = torchvision_cuts.cut(torchvision_cuts.make(name, classes=7, image_size=smallest))
    network = composed(layers).to("meta").eval()
    assert network(torch.empty(2, 3, smallest, smallest, device="meta")).shape == (2, 7)


def test_an_unknown_torchvision_model_is_an_error():
    with pytest.raises(ValueError, match=r"^architecture\.model: .*'resnet19'"):
        torchvision.build(settings("resnet19"), 32, 5)
