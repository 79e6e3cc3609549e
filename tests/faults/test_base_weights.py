"""Damaged base weights, or those of another network: networks that copy them do not train."""

import pytest
import torch
from laboratory import written
from torch import nn

from transferability.storage import checkpoint
from transferability.training import transplant


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_code(content: bytes) -> bytes:
    """A pickle that makes a folder, `was run`, when it is loaded."""
    return b"cos\nmkdir\n(S'was run'\ntR."


def with_a_bit_flipped(content: bytes) -> bytes:
    # In the last number; all numbers have the same form.
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [truncated, with_a_bit_flipped, with_code])
def test_a_damaged_base_is_an_error_with_advice(
    laboratory, bases, tmp_path, monkeypatch, failure, damage
):
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "baseA" / "weights.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(damage(bases["baseA"].folder.weights.read_bytes()))
    found = failure(*laboratory.command("A3B", tmp_path / "A3B", weights))
    assert f"{weights}: " in found
    assert f"delete {weights.parent} and run again" in found
    assert written(tmp_path / "A3B") == []
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize("name", ["A3B", "A3B+"])
@pytest.mark.parametrize(
    ("changes", "misfits", "fit"),
    [
        (
            {"channels": [8, 4, 8, 8, 8]},
            [
                "conv2.0.weight: expected (8, 8, 3, 3), found (4, 8, 3, 3)",
                "conv3.0.weight: expected (8, 8, 3, 3), found (8, 4, 3, 3)",
            ],
            ["conv1.0.weight", "conv4.0.weight", "fc8.weight"],
        ),
        # The copied layers fit, but it is not this study's base.
        (
            {"units": [24, 16]},
            [
                "fc6.1.weight: expected (16, 8), found (24, 8)",
                "fc7.0.weight: expected (16, 16), found (16, 24)",
            ],
            ["conv1", "fc8"],
        ),
        ({"batch_norm": False}, ["conv1.1.weight: expected (8,), found none"], ["fc8"]),
        ({"dropout": 0.5}, ["the same shapes, but other settings"], ["conv1", "fc8"]),
    ],
    ids=["narrower", "wider above n", "without batch norm", "other dropout"],
)
def test_a_base_of_another_architecture_is_refused_layer_by_layer(
    laboratory, tmp_path, failure, name, changes, misfits, fit
):
    base = laboratory.train("baseA", tmp_path / "baseA", architecture=changes).folder
    found = failure(*laboratory.command(name, tmp_path / name, base.weights))
    assert str(base.weights) in found
    assert f"delete {base.path} and run again" in found
    for misfit in misfits:
        assert misfit in found
    assert not any(layer in found for layer in fit)
    assert written(tmp_path / name) == []


def test_weights_with_a_false_header_are_refused(laboratory, bases, tmp_path, failure):
    tensors, header, _ = checkpoint.load(bases["baseA"].folder.weights)
    forged = tmp_path / "baseA" / "weights.safetensors"
    checkpoint.save(forged, {**tensors, "conv2.0.weight": torch.zeros(2, 2)}, header)
    found = failure(*laboratory.command("A3B", tmp_path / "A3B", forged))
    assert "conv2.0.weight: expected (8, 8, 3, 3), found (2, 2)" in found
    assert f"delete {forged.parent} and run again" in found


@pytest.mark.parametrize("key", ["network", "split", "seed", "images_sha256", "split_sha256"])
def test_weights_of_another_network_or_other_images_are_refused(
    laboratory, bases, tmp_path, failure, key
):
    tensors, header, _ = checkpoint.load(bases["baseA"].folder.weights)
    other = tmp_path / "baseA" / "weights.safetensors"
    checkpoint.save(other, tensors, {**header, key: "another"})
    found = failure(*laboratory.command("A3B", tmp_path / "A3B", other))
    assert f"{other} differs in {key}" in found
    assert written(tmp_path / "A3B") == []


def test_a_source_trained_in_another_replicate_is_refused(laboratory, bases, tmp_path):
    tensors, header, _ = checkpoint.load(bases["baseA"].folder.weights)
    forged = tmp_path / "weights.safetensors"
    checkpoint.save(forged, tensors, {**header, "network": "baseP", "seed": 1})
    with pytest.raises(ValueError, match="differs in seed"):
        transplant.load_base(laboratory.task("P3B"), forged, None, nn.Sequential())
