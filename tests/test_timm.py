"""timm's models as architectures: their layers equal the model, and load its weights by name."""

import sys
from collections import OrderedDict

import pytest
import safetensors.torch
import torch
from torch import nn

from transferability import models as architectures
from transferability.models import timm
from transferability.study import config
from transferability.training import loading

FAMILIES = {
    "resnet10t": 6,
    "vit_tiny_patch16_224": 14,
    "convnext_atto": 17,
    "efficientnet_lite0": 19,
}
"""A small model of each kind, and its number of layers."""


@pytest.mark.parametrize("name", FAMILIES)
def test_timm_weights_give_timm_outputs(name, tmp_path):
    settings = {"name": "timm", "model": name}
    torch.manual_seed(0)
    model = timm.make(name, 1000, 32).eval()
    for parameter in model.parameters():
        # Layers with initial values of zero would hide the layers after them.
        nn.init.normal_(parameter, std=0.1)
    file = tmp_path / "model.safetensors"
    safetensors.torch.save_file(model.state_dict(), file)
    loaded = loading.load(file, settings, 32)
    assert (loaded.names, loaded.changes) == ("original", [])
    network = nn.Sequential(OrderedDict(timm.build(settings, 32, 7)))
    assert tuple(dict(network.named_children())) == timm.info(settings, 32).layer_names
    assert len(network) == FAMILIES[name]
    lacking = network.load_state_dict(loaded.tensors | dict(network[-1:].state_dict()))
    assert not lacking.missing_keys
    network[-1] = timm.cut(model)[-1][1]
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), model(images))


def test_positions_are_interpolated_to_the_size_of_the_images(tmp_path):
    model = timm.make("vit_tiny_patch16_224", 10, 64)
    file = tmp_path / "model.safetensors"
    safetensors.torch.save_file(model.state_dict(), file)
    loaded = loading.load(file, {"name": "timm", "model": "vit_tiny_patch16_224"}, 96)
    assert loaded.tensors["embedding.0.pos_embed"].shape == (1, 1 + 6 * 6, 192)
    assert loaded.changes == ["pos_embed: interpolated from 16 patches to 36"]


def test_positions_that_cannot_be_interpolated_are_an_error(tmp_path):
    """For example in a distilled transformer, which has an additional token."""
    tensors = timm.make("vit_tiny_patch16_224", 10, 64).state_dict()
    tensors["pos_embed"] = torch.randn(1, 18, 192)
    file = tmp_path / "model.safetensors"
    safetensors.torch.save_file(tensors, file)
    with pytest.raises(loading.LoadingError, match=r"pos_embed: expected 1×37×192, found 1×18×192"):
        loading.load(file, {"name": "timm", "model": "vit_tiny_patch16_224"}, 96)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("resnet_18", "timm has no model 'resnet_18'; did you mean resnet18"),
        ("mobilenetv3_small_050", "MobileNetV3 cannot be cut into layers"),
        ("vit_small_patch14_reg4_dinov2", "vit_small_patch14_reg4_dinov2 cannot be cut"),
        ("convnext_atto", "cannot take 8 pixels"),
    ],
)
def test_a_model_that_cannot_be_a_list_of_layers_is_an_error(model, words):
    size = 8 if model.startswith("convnext") else 28
    with pytest.raises(ValueError, match=rf"^architecture.model: .*{words}"):
        architectures.info({"name": "timm", "model": model}, size)


def test_a_study_names_a_model():
    study = config.complete({"architecture": {"name": "timm", "model": "resnet10t"}})
    assert study["layer_names"] == ["conv1", *(f"layer{i}_0" for i in (1, 2, 3, 4)), "fc"]


def test_without_timm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "transferability.models.timm")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"timm needs a package .*pip install timm"):
        architectures.info({"name": "timm", "model": "resnet14t"}, 32)
