"""Pretrained weights are loaded completely or not at all; the images that they expect."""

import json
import os
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision_table
from laboratory import same
from torch import nn
from torchvision import models
from torchvision_families import FAMILIES, families

from transferability.models import torchvision, torchvision_cuts, weights
from transferability.training import loading

SMALL = {
    **{"name": "small", "channels": [4, 4, 4, 4, 4], "units": [8, 8]},
    **{"batch_norm": True, "dropout": 0.0},
}
# Small models, cut in several ways, one of them with older names in its files; the others need
# minutes.
SAMPLE = ("resnet18", "squeezenet1_0", "shufflenet_v2_x0_5", "densenet121", "swin_t")
FAMILY = families(SAMPLE)
pytestmark = pytest.mark.usefixtures("one_thread")


def built(settings: dict, image_size: int, classes: int) -> nn.Sequential:
    module = torchvision if settings["name"] == "torchvision" else loading.models.module("small")
    return nn.Sequential(OrderedDict(module.build(settings, image_size, classes)))


def small(classes: int = 5) -> nn.Sequential:
    torch.manual_seed(0)
    return built(SMALL, 8, classes)


def saved(path: Path, content: object) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(content, path)
    else:
        torch.save(content, path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(loading.LoadingError) as caught:
        loading.load(path, SMALL, 8)
    assert str(path) in str(caught.value)
    return str(caught.value)


def published(name: str) -> nn.Module:
    """A model as torchvision builds it for pretrained weights, but with random weights."""
    torch.manual_seed(0)
    options = {}
    if name in ("googlenet", "inception_v3"):
        options = {"transform_input": True, "aux_logits": True, "init_weights": False}
    elif name.startswith("vit_"):
        options = {"image_size": FAMILIES[name][0]}
    model = models.get_model(name, weights=None, **options)
    for key, buffer in model.named_buffers():
        if key.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5)
    return model.eval()


def of_old(name: str) -> str:
    """The names in the files of torchvision's densenets and vision transformers."""
    for part in ("norm", "relu", "conv"):
        for number in "12":
            name = name.replace(f".{part}{number}.", f".{part}.{number}.")
    return name.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2.")


@pytest.mark.parametrize("name", FAMILY)
def test_torchvision_weights_give_torchvision_outputs(name, tmp_path):
    model, (image_size, count) = published(name), FAMILIES[name]
    state = model.state_dict()
    if name.startswith(("densenet", "vit_")):
        state = {of_old(key): tensor for key, tensor in state.items()}
        assert state.keys() != model.state_dict().keys()
    file = saved(tmp_path / "published.pth", state)
    settings = {"name": "torchvision", "model": name}
    loaded = loading.load(file, settings, image_size)
    assert (loaded.names, loaded.prefix, loaded.changes) == ("original", "", [])
    network = built(settings, image_size, 7)
    assert len(network) == count
    parameters = [id(parameter) for layer in network for parameter in layer.parameters()]
    assert len(set(parameters)) == len(parameters)
    lacking = network.load_state_dict(loaded.tensors | dict(network[-1:].state_dict()))
    assert not lacking.missing_keys
    network[-1] = torchvision_cuts.cut(model)[-1][1]
    images = torch.randn(2, 3, image_size, image_size)
    seen = images
    if name in ("googlenet", "inception_v3"):
        # The table has ImageNet's mean and std after this conversion.
        seen = model._transform_input(images)
    with torch.no_grad():
        assert torch.equal(network.eval()(seen), model(images))


def test_the_table_has_the_statistics_after_transform_input():
    pixels = torch.rand(2, 3, 8, 8)
    wanted = models.GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    seen = (pixels - torch.tensor(wanted.mean)[:, None, None]) / torch.tensor(wanted.std)[
        :, None, None
    ]
    model = models.GoogLeNet(transform_input=True, init_weights=False)
    ours = weights.declared("googlenet", "IMAGENET1K_V1").transforms
    assert ours.mean == ours.std == (0.5, 0.5, 0.5)
    torch.testing.assert_close(model._transform_input(seen), (pixels - 0.5) / 0.5)


def test_vit_positions_are_interpolated_and_old_names_updated():
    settings = {"name": "torchvision", "model": "vit_b_32"}
    tensors = {"encoder.pos_embedding": torch.randn(1, 1 + 7 * 7, 6), "other": torch.zeros(1)}
    older = tensors | {"e.encoder_layer_0.mlp.linear_2.bias": torch.zeros(1)}
    assert "e.encoder_layer_0.mlp.3.bias" in torchvision.fitted(settings, 96, older)
    found = torchvision.fitted(settings, 96, tensors)
    assert found["encoder.pos_embedding"].shape == (1, 1 + 3 * 3, 6)
    wanted = models.vision_transformer.interpolate_embeddings(96, 32, dict(tensors))
    assert torch.equal(found["encoder.pos_embedding"], wanted["encoder.pos_embedding"])
    assert torchvision.fitted(settings, 224, tensors) == tensors


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_with_the_names_of_the_layers(tmp_path, suffix):
    """The last layer of the file may have any number of classes, and is left out."""
    network = small(classes=9)
    loaded = loading.load(saved(tmp_path / f"own{suffix}", network.state_dict()), SMALL, 8)
    wanted = network[:-1].state_dict()
    assert same(loaded.tensors, wanted)
    assert (loaded.names, loaded.left_out) == ("layers", ["fc8"])


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.backbone.", "encoder."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_prefixes_and_wrappers_are_removed_and_logged(tmp_path, prefix, wrapper):
    network = small()
    state = {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
    state["projector.weight"] = torch.zeros(2)
    content = {wrapper: state, "epoch": 90} if wrapper else state
    loaded = loading.load(saved(tmp_path / "wrapped.pth", content), SMALL, 8)
    assert torch.equal(loaded.tensors["conv1.0.weight"], network.conv1[0].weight)
    assert (loaded.prefix, loaded.wrapper) == (prefix, wrapper or "")
    assert loaded.left_out == ["fc8", "projector"]


def test_half_precision_is_widened_and_counts_may_be_missing(tmp_path):
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in small().state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    loaded = loading.load(saved(tmp_path / "half.safetensors", state), SMALL, 8)
    assert loaded.tensors["conv1.0.weight"].dtype == torch.float32
    assert "conv1.0.weight: from torch.float16 to torch.float32" in loaded.changes
    assert loaded.tensors["conv1.1.num_batches_tracked"] == 0


def test_weights_that_do_not_fit_are_an_error(tmp_path):
    state = small().state_dict()
    state["conv2.0.weights"] = state.pop("conv2.0.weight")
    state["conv3.0.weight"] = torch.zeros(4, 4, 5, 5)
    state["fc6.1.weight"] = state["fc6.1.weight"].clone()
    state["fc6.1.weight"][0, 0] = torch.nan
    state["conv4.0.bias"] = torch.zeros(4, dtype=torch.int64)
    text = refused(saved(tmp_path / "mistaken.safetensors", state))
    assert "5 tensors" in text
    assert "layer conv2, conv2.0.weight: expected 4×4×3×3, found none" in text
    assert "layer conv3, conv3.0.weight: expected 4×4×3×3, found 4×4×5×5" in text
    assert "layer fc6, fc6.1.weight: expected finite values, found 1 that are not" in text
    assert "layer conv4, conv4.0.bias: expected torch.float32, found torch.int64" in text
    assert "conv2.0.weights: expected none, found 4×4×3×3" in text


@pytest.mark.filterwarnings("ignore:Sparse invariant")
def test_sparse_tensors_and_those_without_values_are_refused(tmp_path):
    state = small().state_dict()
    state["conv2.0.weight"] = state["conv2.0.weight"].to_sparse()
    state["conv3.0.weight"] = state["conv3.0.weight"].to("meta")
    text = refused(saved(tmp_path / "sparse.pth", state))
    assert "layer conv2, conv2.0.weight: expected torch.float32, found torch.float32 (" in text
    assert "(torch.sparse_coo, cpu)" in text
    assert "(torch.strided, meta)" in text


def test_another_architecture_with_the_same_names_is_refused(tmp_path):
    settings = {"name": "torchvision", "model": "shufflenet_v2_x0_5"}
    model = published("shufflenet_v2_x0_5")
    text = refused(saved(tmp_path / "shufflenet.pth", model.state_dict()))
    assert "Its first names are conv1.0.weight" in text
    assert "and " in text.splitlines()[-1]
    assert len(text.splitlines()) <= 12
    more = model.state_dict() | {"stage2.4.branch1.0.weight": torch.zeros(24, 1, 3, 3)}
    with pytest.raises(loading.LoadingError, match=r"stage2.4.branch1.0.weight: expected none"):
        loading.load(saved(tmp_path / "deeper.pth", more), settings, 32)


class Code:
    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_code_in_a_pickle_does_not_run(tmp_path):
    trace = tmp_path / "trace"
    text = refused(saved(tmp_path / "code.pth", {"model": small().state_dict(), "x": Code(trace)}))
    assert "mkdir" in text
    assert "nothing was run" in text
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("page.pth", "<!DOCTYPE html><html>404</html>", "web page"),
        ("pointer.safetensors", "version https://git-lfs.github.com/spec/v1\n", "`git lfs pull`"),
        *(("empty.pth", "", "empty"), ("text.safetensors", "hello, all of you", "damaged")),
        ("weights.bin", "", "expected .safetensors"),
        ("missing.pth", None, "No such file"),
        ("two.pth", {"student": {"a": torch.zeros(1)}, "teacher": {}}, "student, teacher"),
        ("list.pth", [1], "holds no named tensors, but list"),
    ],
)
def test_a_file_without_weights_is_an_error(tmp_path, name, content, words):
    if isinstance(content, str):
        (tmp_path / name).write_text(content)
    elif content:
        saved(tmp_path / name, content)
    assert words in refused(tmp_path / name)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_truncated_file_is_an_error(tmp_path, suffix):
    whole = saved(tmp_path / f"weights{suffix}", small().state_dict())
    whole.write_bytes(whole.read_bytes()[:-3000])
    assert "damaged" in refused(whole)


RESNET = {"name": "torchvision", "model": "resnet50"}
NOTHING_GIVEN = dict.fromkeys(("image_size", "mean", "std", "interpolation"))


def transforms(given: str, architecture: dict = RESNET, **source: object) -> weights.Transforms:
    return weights.transforms({**NOTHING_GIVEN, "weights": given, **source}, architecture)


def test_the_table_agrees_with_the_installed_torchvision(tmp_path):
    torchvision_table.write_weights(tmp_path / "made.csv")
    made = (tmp_path / "made.csv").read_text(encoding="utf-8")
    assert weights.TABLE.read_text(encoding="utf-8") == made, (
        "torchvision_weights.csv is out of step; make it with python tests/torchvision_table.py"
    )


def test_declared_transforms_agree_with_torchvision():
    found = weights.declared("resnet50", "IMAGENET1K_V2")
    assert found.url == models.ResNet50_Weights.IMAGENET1K_V2.url
    statistics = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert found.transforms == weights.Transforms(224, 232, "bilinear", *statistics)
    assert transforms("files/resnet50-11ad3fa6.pth") == transforms("IMAGENET1K_V2")


def test_an_unknown_enum_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="known: IMAGENET1K_V1, IMAGENET1K_V2; choose one"):
        transforms("IMAGENET_V2")
    with pytest.raises(ValueError, match="for this architecture; known: none; choose"):
        transforms("IMAGENET1K_V2", {"name": "small"})


def test_transforms_in_the_source_win_and_resizing_is_in_proportion():
    found = transforms("IMAGENET1K_V2", image_size=96, mean=[0.5, 0.5, 0.5])
    assert (found.image_size, found.resize) == (96, 99)
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.229, 0.224, 0.225))


def test_a_file_without_transforms_needs_a_description():
    with pytest.raises(ValueError, match=r"mine.pth .*does not .*, give image_size and mean"):
        transforms("mine.pth")
    with pytest.raises(ValueError, match=r"beside weights, give std "):
        transforms("mine.pth", image_size=64, mean=[0.5, 0.5, 0.5])
    found = transforms("mine.pth", image_size=64, mean=[0.5] * 3, std=[0.25] * 3)
    assert found == weights.Transforms(64, 64, "bilinear", (0.5,) * 3, (0.25,) * 3)


def test_an_exported_file_contains_its_transforms(tmp_path):
    wanted = weights.Transforms(56, 64, "bilinear", (0.1, 0.2, 0.3), (1.0, 1.0, 1.0))
    described = {"transforms": vars(wanted)}
    metadata = {"format": "pt", "description": json.dumps(described)}
    header = json.dumps({"__metadata__": metadata}).encode()
    file = tmp_path / "exported.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    assert transforms(str(file), {"name": "small"}) == wanted
    file.write_bytes(b"<html>no such page</html>")
    assert weights.described(file) is None
    assert weights.described(tmp_path / "missing.safetensors") is None
