"""Tensors on disk are complete and verified, or refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from transferability.storage import checkpoint
from transferability.storage.checkpoint import CheckpointError

HEADER = {"epoch": 3, "words": "äöü", "nested": {"list": [1, 2.5, None, True]}}


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 5, 5, generator=generator)
    return {
        "conv1.0.weight": weight,
        "channels_last": weight.clone().to(memory_format=torch.channels_last),
        "transposed": torch.randn(3, 4, generator=generator).T,
        "bf16": weight.bfloat16(),
        "half": weight.half(),
        "double": weight.double(),
        "num_batches_tracked": torch.tensor(7),
        "bytes": torch.arange(256, dtype=torch.uint8),
        "mask": weight > 0,
        "scalar": torch.tensor(0.5),
        "empty": torch.empty(0, 3),
        "odd": torch.tensor([float("nan"), float("inf"), -0.0]),
    }


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(path, tensors(), HEADER)
    return path


def test_saved_tensors_are_loaded_bit_for_bit(tmp_path):
    path = tmp_path / "folder" / "weights.safetensors"
    digest = checkpoint.save(path, tensors(), HEADER)
    loaded, header, read_digest = checkpoint.load(path)
    assert header == HEADER
    assert read_digest == digest
    assert loaded.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_the_checksum_depends_on_the_content(tmp_path, saved):
    again = tmp_path / "again.safetensors"
    reordered = dict(reversed(tensors().items()))
    first = checkpoint.load(saved)[2]
    assert checkpoint.save(again, reordered, HEADER) == first
    assert again.read_bytes() == saved.read_bytes()
    assert checkpoint.save(again, {**tensors(), "scalar": torch.tensor(0.25)}, HEADER) != first
    assert checkpoint.save(again, tensors(), {**HEADER, "epoch": 4}) != first


def test_a_flipped_bit_is_found_anywhere(saved):
    few = {name: tensors()[name] for name in ("odd", "num_batches_tracked", "bf16")}
    checkpoint.save(saved, {name: t.flatten()[:6] for name, t in few.items()}, HEADER)
    content = saved.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=saved.name):
            checkpoint.load(saved)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def of_another_program(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.ones(2)}, path)


def with_another_header(path: Path) -> None:
    rewrite(path, lambda held: held, json.dumps({**HEADER, "epoch": 4}))


def rewrite(path: Path, change: Callable[[dict], dict], header: str | None = None) -> None:
    """Change the tensors or the header, but keep the checksum of the original ones."""
    with safetensors.safe_open(path, "pt") as file:
        stored = json.loads(file.metadata()["checkpoint"])
    stored["header"] = header or stored["header"]
    metadata = {"checkpoint": json.dumps(stored)}
    safetensors.torch.save_file(change(checkpoint.load(path)[0]), path, metadata)


def with_tensors(change: Callable[[dict], dict]) -> Callable[[Path], None]:
    return lambda path: rewrite(path, change)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (Path.unlink, "cannot be read"),
        (truncated, "cannot be read as safetensors"),
        (of_another_program, "no header and checksum"),
        (with_another_header, "checksum does not match"),
        (with_tensors(lambda t: {**t, "transposed": t["transposed"].reshape(3, 4)}), "checksum"),
        (with_tensors(lambda t: {**t, "scalar": t["scalar"].view(torch.int32)}), "checksum"),
        (with_tensors(lambda t: {**t, "scalar": t["odd"], "odd": t["scalar"]}), "checksum"),
        (with_tensors(lambda t: {name: t[name] for name in t if name != "empty"}), "checksum"),
    ],
    ids=["missing", "truncated", "other", "header", "shape", "type", "names", "fewer"],
)
def test_a_file_that_was_not_written_so_is_refused(saved, damage, told):
    damage(saved)
    with pytest.raises(CheckpointError, match=f"{saved.name}.*{told}"):
        checkpoint.load(saved)


def fail_to_replace(monkeypatch):
    def replace(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", replace)


def fail_half_way(monkeypatch):
    def save_file(tensors, path, metadata):
        path.write_bytes(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", save_file)


@pytest.mark.parametrize("fail", [fail_to_replace, fail_half_way])
def test_a_crash_while_writing_leaves_the_old_file_and_nothing_else(saved, monkeypatch, fail):
    before = saved.read_bytes()
    with monkeypatch.context() as patch:
        fail(patch)
        with pytest.raises(OSError, match="no space"):
            checkpoint.save(saved, {"a": torch.ones(2)}, {})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_saved_file_has_the_mode_of_any_new_file(saved):
    plain = saved.with_name("plain")
    plain.touch()
    assert saved.stat().st_mode == plain.stat().st_mode


def test_a_file_replaced_during_reading_is_the_old_or_the_new(saved, monkeypatch):
    """Another process writes the state of the next epoch just after this one opened the file."""
    read = Path.read_bytes
    newer = {name: tensor.clone().fill_(1) for name, tensor in tensors().items()}

    def read_and_replace(path):
        content = read(path)
        checkpoint.save(saved, newer, {"epoch": 2})
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_replace)
    assert checkpoint.load(saved)[1] == HEADER
    assert checkpoint.load(saved)[1] == {"epoch": 2}
