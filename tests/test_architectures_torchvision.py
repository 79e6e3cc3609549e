"""torchvision's models, cut into layers, are the models themselves; the table knows them."""

import csv
import warnings

import pytest
import torch
import torchvision_table
from torch import nn
from torchvision import models
from torchvision.ops import StochasticDepth
from torchvision_families import FAMILIES, families

from transferability import models as architectures
from transferability.models import torchvision, torchvision_cuts
from transferability.study.networks import parse_name
from transferability.training import frozen_features, transplant
from transferability.training.rng import Stream

# The others are cut by the same few rules.
SAMPLE = ("alexnet", "resnet18", "densenet121", "inception_v3", "swin_t", "vit_b_16")
FAMILY = families(SAMPLE)
pytestmark = pytest.mark.usefixtures("one_thread")
ALL = models.list_models(module=models)
TREATMENT = Stream("treatment", "random0", 0, "B")
BASE = Stream("base", "random0", 0, "B")


def settings(model: str) -> dict:
    return {"name": "torchvision", "model": model}


def composed(layers: list[tuple[str, nn.Module]]) -> nn.Sequential:
    return nn.Sequential(*(layer for _, layer in layers))


@pytest.mark.parametrize("name", FAMILY)
def test_the_layers_one_after_the_other_are_the_model_bit_for_bit(name):
    """And each parameter is in one of them."""
    image_size, count = FAMILIES[name]
    torch.manual_seed(0)
    model = torchvision_cuts.make(name, classes=7, image_size=image_size).eval()
    images = torch.randn(2, 3, image_size, image_size)
    with torch.no_grad():
        expected = model(images)
        layers = torchvision_cuts.cut(model)
        found = composed(layers).eval()(images)
    assert torch.equal(found, expected)
    assert expected.shape == (2, 7)
    assert len(layers) == count
    assert all(list(module.parameters()) for _, module in layers)
    in_layers = [id(parameter) for _, module in layers for parameter in module.parameters()]
    assert sorted(in_layers) == sorted(map(id, model.parameters()))


# Those that put together what autocast may have made of different types.
@pytest.mark.parametrize(
    "name", ["densenet121", "shufflenet_v2_x0_5", "convnext_tiny", "swin_v2_t", "vit_b_16"]
)
def test_layers_learn_in_bf16_and_channels_last(name):
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
def test_the_table_is_what_the_installed_torchvision_says(tmp_path):
    with warnings.catch_warnings(action="error"):
        torchvision_table.write_table(tmp_path / "made.csv")
    made = (tmp_path / "made.csv").read_text(encoding="utf-8")
    assert torchvision.TABLE.read_text(encoding="utf-8") == made, (
        "torchvision_layers.csv is out of step; make it with python tests/torchvision_table.py"
    )
    assert [row["model"] for row in csv.DictReader(made.splitlines())] == ALL
    assert len(ALL) == 80


@pytest.mark.parametrize("name", FAMILY)
def test_the_smallest_image_passes_through(name):
    smallest = architectures.info(settings(name), FAMILIES[name][0]).smallest_image
    with torchvision_table.WithoutMemory():
        layers = torchvision_cuts.cut(torchvision_cuts.make(name, classes=7, image_size=smallest))
    network = composed(layers).to("meta").eval()
    assert network(torch.empty(2, 3, smallest, smallest, device="meta")).shape == (2, 7)


@pytest.mark.parametrize(
    ("model", "image_size", "words"),
    [
        ("resnet19", 32, ["architecture.model", "'resnet19'", "did you mean resnet18", "alexnet"]),
        ("fasterrcnn_resnet50_fpn", 32, ["architecture.model", "classification"]),
        ("vit_b_16", 100, ["dataset.image_size", "100 pixels", "of 16", "96 or 112"]),
        ("vit_h_14", 224 + 1, ["224 or 238"]),
        ("maxvit_t", 64, ["of 224", "choose 224,", "recipe.crop"]),
    ],
)
def test_what_torchvision_cannot_do_is_named(model, image_size, words):
    for asked in (architectures.info, lambda *a: torchvision.build(*a, 5)):
        with pytest.raises(ValueError, match=r"^(architecture|dataset)\.") as caught:
            asked(settings(model), image_size)
        for word in words:
            assert word in str(caught.value)


def test_a_stream_starts_all_of_its_networks_from_the_same_values():
    state = torch.random.get_rng_state()
    one, same, other = (
        transplant.initialised(settings("resnet18"), 32, 5, stream)
        for stream in (TREATMENT, TREATMENT, BASE)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
    assert not torch.equal(one.conv1[0].weight, other.conv1[0].weight)


@pytest.mark.parametrize("name", ["B3B", "A3B"])
def test_residual_blocks_are_copied_and_frozen_whole(name):
    """resnet18 with n = 3: the stem and two blocks, their statistics with them."""
    task = parse_name(name)
    base = transplant.initialised(
        settings("resnet18"), 32, 6, Stream("base", "random0", 0, task.source)
    )
    images = torch.randn(8, 3, 32, 32)
    base(images)
    network = transplant.initialised(settings("resnet18"), 32, 5, TREATMENT)
    new = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    transplant.copy_layers(network, base.state_dict(), task.n)
    network[: task.n].requires_grad_(False)
    transplant.set_training(network, task.n)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network(images).logsumexp(1).sum().backward()
    torch.optim.SGD(learning, lr=0.1, weight_decay=0.1).step()
    copied = {"conv1", "layer1_0", "layer1_1"}
    for key, tensor in network.state_dict().items():
        if key.split(".")[0] in copied:
            assert torch.equal(tensor, base.state_dict()[key]), key
        else:
            assert not torch.equal(tensor, new[key]) or not tensor.ndim, key


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny", "swin_t"])
def test_stochastic_depth_is_off_in_frozen_layers_alone(name):
    image_size, count = FAMILIES[name]
    network = transplant.initialised(settings(name), image_size, 5, TREATMENT)
    frozen = count - 2
    transplant.set_training(network, frozen)
    depths = [
        (i, part)
        for i, layer in enumerate(network)
        for part in layer.modules()
        if isinstance(part, StochasticDepth)
    ]
    assert {part.training for i, part in depths if i < frozen} == {False}
    assert all(part.training for i, part in depths if i >= frozen)
    # So that their features can be computed once.
    images = torch.randn(2, 3, image_size, image_size)
    with torch.no_grad():
        assert frozen_features.unchanging_layers(network[:frozen], [], images) == frozen
        assert torch.equal(network[:frozen](images), network[:frozen](images))
