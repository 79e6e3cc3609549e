"""Which images pretrained weights want is known without torch, and as torchvision says it."""

import json
import subprocess
import sys

import pytest
import torchvision_table
from torchvision import models

from transferability.models import weights

RESNET = {"name": "torchvision", "model": "resnet50"}
NOTHING_GIVEN = dict.fromkeys(("image_size", "mean", "std", "interpolation"))


def transforms(given: str, architecture: dict = RESNET, **source: object) -> weights.Transforms:
    return weights.transforms({**NOTHING_GIVEN, "weights": given, **source}, architecture)


def test_the_table_is_what_the_installed_torchvision_says(tmp_path):
    torchvision_table.write_weights(tmp_path / "made.csv")
    made = (tmp_path / "made.csv").read_text(encoding="utf-8")
    assert weights.TABLE.read_text(encoding="utf-8") == made, (
        "torchvision_weights.csv is out of step; make it with python tests/torchvision_table.py"
    )


def test_declared_transforms_are_torchvision_s():
    found = weights.declared("resnet50", "IMAGENET1K_V2")
    assert found.url == models.ResNet50_Weights.IMAGENET1K_V2.url
    assert found.file_name == "resnet50-11ad3fa6.pth"
    statistics = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert found.transforms == weights.Transforms(224, 232, "bilinear", *statistics)
    assert transforms(f"files/{found.file_name}") == transforms("IMAGENET1K_V2")


def test_another_enum_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="known: IMAGENET1K_V1, IMAGENET1K_V2; or give a file"):
        transforms("IMAGENET_V2")
    with pytest.raises(ValueError, match="for this architecture; known: none; or give a file"):
        transforms("IMAGENET1K_V2", {"name": "small"})


def test_what_the_source_gives_itself_counts_and_resizing_keeps_its_proportion():
    found = transforms("IMAGENET1K_V2", image_size=96, mean=[0.5, 0.5, 0.5])
    assert (found.image_size, found.resize) == (96, 99)
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.229, 0.224, 0.225))


def test_a_file_that_says_nothing_has_to_be_described():
    with pytest.raises(ValueError, match=r"mine.pth .*does not .*, give image_size and mean"):
        transforms("mine.pth")
    with pytest.raises(ValueError, match=r"beside weights, give std "):
        transforms("mine.pth", image_size=64, mean=[0.5, 0.5, 0.5])
    found = transforms("mine.pth", image_size=64, mean=[0.5] * 3, std=[0.25] * 3)
    assert found == weights.Transforms(64, 64, "bilinear", (0.5,) * 3, (0.25,) * 3)


def test_an_exported_file_says_it_itself(tmp_path):
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


def test_they_are_read_without_torch():
    code = (
        "import sys; from transferability.models import weights;"
        "weights.declared('vit_b_16', 'IMAGENET1K_V1'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
