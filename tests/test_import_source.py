"""The command `import-source`: pretrained weights as the base of a study."""

import json
import os
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from laboratory import same
from project import Project
from torch import nn
from torchvision import models

from transferability.__main__ import main
from transferability.models import small
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config

SMALL = {"name": "small", "channels": [4, 4, 4, 4, 4], "units": [8, 8]}
RESNET = {"name": "torchvision", "model": "resnet18"}
DESCRIBED = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5], "image_size": 8}


def study(run: Path, source: dict, architecture: dict | None = None, size: int = 8) -> Path:
    """A complete study.yaml with one source, as a run writes it."""
    complete = config.complete(
        {
            "study": "mine",
            "dataset": {"source": "digits", "image_size": size},
            "sources": {"P": {**DESCRIBED, "image_size": size, **source}},
            "architecture": architecture or SMALL,
        }
    )
    file = run / "results" / "mine" / "study.yaml"
    config.write(complete, file)
    return file


def imported(file: Path) -> int:
    return main(["import-source", "--study", str(file), "--source", "P"])


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    settings = config.complete({"architecture": SMALL})["architecture"]
    return nn.Sequential(OrderedDict(small.build(settings, 8, 5))).state_dict()


def folder(run: Path) -> NetworkFolder:
    return NetworkFolder(run / "results" / "mine" / "sources" / "P")


def test_weights_become_a_base_with_their_origin(tmp_path):
    given = {f"module.{name}": tensor for name, tensor in weights().items()}
    torch.save({"state_dict": given, "epoch": 3}, tmp_path / "given.pth")
    assert imported(study(tmp_path, {"weights": "given.pth"})) == 0
    tensors, header, digest = checkpoint.load(folder(tmp_path).weights)
    wanted = {k: v for k, v in weights().items() if not k.startswith("fc8")}
    assert same(tensors, wanted)
    metrics = json.loads(folder(tmp_path).metrics.read_text())
    assert header == {key: metrics[key] for key in ("network", "architecture", "source_id")}
    assert metrics["network"] == "baseP"
    assert metrics["source_kind"] == "weights"
    assert metrics["origin"] == {"path": "given.pth"}
    assert metrics["weights_sha256"] == digest
    assert metrics["layer_names"][0] == "conv1"
    assert metrics["transforms"] == {**DESCRIBED, "resize": 8, "interpolation": "bilinear"}
    assert (metrics["wrapper"], metrics["prefix"]) == ("state_dict", "module.")
    assert metrics["left_out"] == ["fc8"]
    # Without the job, so that the same file gives the same text.
    assert not {"provenance", "job"} & metrics.keys()
    assert "top1" not in metrics


def test_only_another_file_changes_the_metrics(tmp_path):
    given = tmp_path / "given.safetensors"
    safetensors.torch.save_file(weights(), given)
    file = study(tmp_path, {"weights": str(given)})
    written = folder(tmp_path)

    def stamp() -> int:
        assert imported(file) == 0
        return written.metrics.stat().st_mtime_ns

    first = stamp()
    assert stamp() == first
    safetensors.torch.save_file(weights(seed=1), given)
    assert stamp() != first
    tensors = checkpoint.load(written.weights)[0]
    assert torch.equal(tensors["conv1.0.weight"], weights(1)["conv1.0.weight"])


@pytest.mark.full
def test_an_older_file_is_imported_again(tmp_path):
    """Like a file after `mv`: its time stamp is not newer than the result's."""
    project, metrics = Project.copied(tmp_path / "project"), "results/tiny/sources/P/metrics.json"
    given = project.folder / "given.safetensors"
    safetensors.torch.save_file(weights(), given)
    source = {**DESCRIBED, "weights": given.name}
    project.write_study(sources={"P": source}, architecture=SMALL)
    project.succeed(metrics)
    assert project.jobs(metrics) == set()
    safetensors.torch.save_file(weights(seed=1), given)
    os.utime(given, (0, 0))
    assert project.jobs(metrics) == {"import_source"}


def test_torchvision_weights_are_read_from_torch_s_cache(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    file = study(tmp_path, {"weights": "IMAGENET1K_V1"}, RESNET, size=32)
    assert imported(file) == 1
    place = tmp_path / "cache" / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    address = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    told = f"IMAGENET1K_V1 of resnet18 is not in torch's cache: download {address}"
    assert told in caplog.text
    assert str(place) in caplog.text
    assert "weights: <its path>" in caplog.text
    assert not folder(tmp_path).metrics.exists()
    place.parent.mkdir(parents=True)
    torch.save(models.resnet18(weights=None).state_dict(), place)
    assert imported(file) == 0
    metrics = json.loads(folder(tmp_path).metrics.read_text())
    assert metrics["origin"] == {"enum": "IMAGENET1K_V1", "url": address}
    assert metrics["names"] == "original"


def test_a_failed_import_leaves_nothing(tmp_path, caplog):
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert imported(study(tmp_path, {"weights": "other.safetensors"})) == 1
    for word in ("sources.P.weights", "conv1.0.weight: expected", "nothing was loaded"):
        assert word in caplog.text
    assert not folder(tmp_path).weights.exists()
    assert not folder(tmp_path).metrics.exists()


def test_an_unknown_source_is_an_error(tmp_path, caplog):
    file = study(tmp_path, {"weights": "given.pth"})
    assert main(["import-source", "--study", str(file), "--source", "Q"]) == 1
    assert "no source 'Q'" in caplog.text
