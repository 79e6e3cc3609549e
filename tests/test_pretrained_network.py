"""A network with real ImageNet weights, run by Snakemake on real photographs, up to its tables."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from project import ROOT, Project

FASHION = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""
STUDY = {
    "study": "tiny",
    "dataset": {"source": "folder", "path": "photos", "image_size": 96},
    "sources": {"P": {"weights": "lite0.safetensors", "image_size": 96, "mean": [127 / 255] * 3}},
    "architecture": "pretrained:build",
    "layers": [14, 18],
    "treatments": ["transfer", "shuffled", "random"],
    "controls": [],
    "recipe": {"epochs": 10, "batch_size": 16},
}
STUDY["sources"]["P"]["std"] = [128 / 255] * 3


def write_photos(folder: Path, per_class: dict[str, int]) -> None:
    """The first photographs of each class, as PNG files in folders for training and validation."""
    for part, kind in (("train", "train"), ("val", "t10k")):
        with gzip.open(FASHION / f"{kind}-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read(), np.uint8, offset=8)
        with gzip.open(FASHION / f"{kind}-images-idx3-ubyte.gz") as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        for label in range(10):
            place = folder / part / f"class{label}"
            place.mkdir(parents=True)
            for i in np.flatnonzero(labels == label)[: per_class[part]]:
                Image.fromarray(pixels[i]).save(place / f"{i}.png")


@pytest.mark.full
def test_imagenet_features_are_far_above_random_and_shuffled_ones(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    pretrained = pytest.importorskip("pretrained")
    if not FASHION.is_dir():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    project = Project.copied(tmp_path / "project")
    # A module next to the study, as users have it.
    for name in ("pretrained.py", "machine.py"):
        (project.folder / name).symlink_to(ROOT / "benchmarks" / name)
    write_photos(project.folder / "photos", {"train": 30, "val": 20})
    pretrained.convert(project.folder / "lite0.safetensors")
    (project.folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    project.succeed()
    top1 = pd.read_csv(project.results / "tables/networks.csv").set_index("network")["top1"]
    for n in STUDY["layers"]:
        # With 200 photographs in 10 classes, the std of an accuracy is at most 0.035.
        assert top1[f"P{n}B"] > top1[f"sP{n}B"] + 0.15
        assert top1[f"P{n}B"] > top1[f"R{n}B"] + 0.15
    assert top1["P18B"] > 0.6
    assert "lite0.safetensors" in (project.results / "METHODS.md").read_text(encoding="utf-8")
