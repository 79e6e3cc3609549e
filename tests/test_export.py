"""The command `export`: a network's weights for other programs."""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
import torchvision
from laboratory import Laboratory, same
from torch import nn

from transferability.__main__ import main
from transferability.images import store
from transferability.models import small, weights
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder
from transferability.training import loop

# A small model for each way of naming and building.
MODELS = ("squeezenet1_0", "googlenet", "mobilenet_v3_small", "densenet121", "vit_b_32")


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Laboratory:
    """Digits large enough for all the models."""
    return Laboratory.built(tmp_path_factory.mktemp("large"), {"image_size": 64})


def trained(laboratory: Laboratory, folder: Path, **changes: object) -> Path:
    """The folder of a baseB that was trained on a batch, next to its split."""
    network = folder / "results" / "made" / "networks" / "random0" / "seed0" / "baseB"
    split = folder / "results" / "made" / "splits" / "random0.csv"
    split.parent.mkdir(parents=True)
    split.write_bytes(laboratory.split.read_bytes())
    laboratory.train("baseB", network, **changes)
    return network


def exported(network: Path, images: Path) -> Path:
    """Export a network; return the file."""
    file = network.parents[5] / "exported.safetensors"
    assert main(["export", str(network), "--to", str(file), "--images", str(images)]) == 0
    return file


def described(file: Path) -> dict:
    with safetensors.safe_open(file, framework="pt") as opened:
        return json.loads(opened.metadata()["description"])


@pytest.mark.parametrize(
    "name", ["resnet18", *(pytest.param(name, marks=pytest.mark.full) for name in MODELS)]
)
def test_plain_torchvision_gives_the_same_outputs(large, tmp_path, name):
    network = trained(
        large,
        tmp_path,
        architecture={"name": "torchvision", "model": name},
        recipe={"iterations": 1, "evaluate_every": 1, "batch_size": 4, "crop": 64},
    )
    file = exported(network, large.images)
    model = getattr(torchvision.models, name)(**described(file)["options"])
    model.load_state_dict(safetensors.torch.load_file(file))
    layers = loop.transplant.initialised(
        {"name": "torchvision", "model": name}, 64, 5, loop.Stream("base", "random0", 0, "B")
    )
    layers.load_state_dict(checkpoint.load(network / "weights.safetensors")[0])
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), layers.eval()(images))


def test_the_exported_files_reproduce_the_predictions(laboratory, tmp_path, capsys):
    network = trained(laboratory, tmp_path)
    file = exported(network, laboratory.images)
    about = described(file)
    assert json.loads(capsys.readouterr().out) == about
    transforms = weights.described(file)
    assert (transforms.image_size, transforms.resize) == (8, 8)
    model = nn.Sequential(OrderedDict(small.build(about["architecture"], 8, 5)))
    model.load_state_dict(safetensors.torch.load_file(file))
    opened = store.open_store(laboratory.images)
    names = np.array(opened.classes)
    asked = np.isin(names[opened.validation_labels], about["classes"])
    pixels = torch.from_numpy(opened.validation_images[asked]).float()
    normalise = about["normalise"]
    pixels = (pixels - torch.tensor(normalise["mean"])) / torch.tensor(normalise["std"])
    with torch.no_grad():
        found = model.eval()(pixels.permute(0, 3, 1, 2).contiguous()).argmax(1)
    expected = np.load(NetworkFolder(network).predictions)[asked]
    agreeing = np.array(about["classes"])[found] == names[expected]
    # All except images between two classes: the training multiplies by 1 / std.
    assert agreeing.mean() > 0.995


def test_the_mean_image_is_exported(laboratory, tmp_path):
    network = trained(laboratory, tmp_path, recipe={"normalise": "mean_image"})
    file = exported(network, laboratory.images)
    mean = np.load(tmp_path / "exported.mean_image.npy")
    opened = store.open_store(laboratory.images)
    assert weights.described(file) is None
    half = np.isin(np.array(opened.classes)[opened.train_labels], described(file)["classes"])
    np.testing.assert_allclose(mean, opened.train_images[half].mean(axis=0), rtol=1e-5)


def test_the_images_are_found_through_the_study_file(finished, tmp_path, capsys):
    file = tmp_path / "baseA.safetensors"
    assert main(["export", str(finished.network("baseA")), "--to", str(file)]) == 0
    found = described(file)
    expected = {"network": "baseA", "split": "random0", "seed": 0, "image_size": 8}
    assert expected.items() <= found.items()
    assert len(found["classes"]) == 5
    kept = checkpoint.load(finished.network("baseA") / "weights.safetensors")[0]
    assert same(safetensors.torch.load_file(file), kept)


def test_a_user_s_own_module_is_named(laboratory, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\n"
        "def build(image_size, classes, width=4):\n"
        "    first = nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, width), nn.ReLU())\n"
        "    return [('first', first), ('last', nn.Linear(width, classes))]\n"
    )
    monkeypatch.chdir(tmp_path)
    settings = {"name": "custom", "build": "mine:build", "arguments": {"width": 6}}
    network = trained(laboratory, tmp_path, architecture=settings)
    file = exported(network, laboratory.images)
    assert settings.items() <= described(file)["architecture"].items()
    assert set(safetensors.torch.load_file(file)) == {
        *("first.1.weight", "first.1.bias", "last.weight", "last.bias")
    }


def test_networks_that_cannot_be_exported_are_errors(laboratory, large, tmp_path, caplog):
    network = trained(laboratory, tmp_path)
    images = ["--images", str(laboratory.images)]

    def told(folder: Path, file: str, *more: str) -> str:
        caplog.clear()
        assert main(["export", str(folder), "--to", str(tmp_path / file), *more]) == 1
        return caplog.text

    assert "expected .safetensors" in told(network, "weights.onnx", *images)
    assert "study.yaml: does not exist" in told(network, "weights.safetensors")
    assert "other images" in told(network, "weights.safetensors", "--images", str(large.images))
    assert "keep_weights: all" in told(network.parent / "A3B", "weights.safetensors", *images)
    split = tmp_path / "results" / "made" / "splits" / "random0.csv"
    split.write_text(split.read_text().replace(",A", ",C").replace(",B", ",A").replace(",C", ",B"))
    assert "on another split" in told(network, "weights.safetensors", *images)
    assert not list(tmp_path.glob("weights*"))
