"""Networks that train on scikit-learn's digits in a moment, and the results of trainings."""

import hashlib
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from transferability import images
from transferability.__main__ import main
from transferability.images import build, class_splits, digits, store
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder, read_history
from transferability.study import config, targets
from transferability.study.networks import TrainingSpec
from transferability.training import loop

DATASET = {"source": "digits", "image_size": 8, "validation": 0.25, "seed": 0}
ARCHITECTURE = {
    "name": "small",
    "channels": [8, 8, 8, 8, 8],
    "units": [16, 16],
    "batch_norm": True,
    "dropout": 0.2,
}
RECIPE = {
    **config.complete({}).recipe_of("random0", 0, "baseB"),
    **{"epochs": 2, "evaluate_every": 1, "batch_size": 32, "clip_gradient_norm": None},
    **{"precision": "fp32", "device": "cpu"},
}
# The history contains seconds, so its checksum depends on them too.
MEASURED_BY_CLOCK = ("seconds", "images_per_second", "history_sha256")
# Keys that may differ between equal trainings; the checksum of weights includes the task.
OF_THE_TASK = ("identity", "weights_sha256", "resumed_at_iterations")


@dataclass(frozen=True)
class Trained:
    """The results of a training, without measured times."""

    folder: NetworkFolder
    metrics: dict
    weights: dict[str, torch.Tensor]
    history: list[dict]
    predictions: np.ndarray


@dataclass(frozen=True)
class Laboratory:
    """An image store and a class split on which networks are trained."""

    images: Path
    split: Path

    @classmethod
    def built(cls, root: Path, dataset: dict | None = None) -> "Laboratory":
        """A laboratory in an empty folder; `dataset` contains the changed keys."""
        # The bits of a training depend on the number of threads.
        torch.set_num_threads(1)
        dataset = {**DATASET, **(dataset or {})}
        folder = root / images.store_name(dataset)
        build.write_store(digits.read(dataset), folder, dataset)
        split = root / "splits" / "random0.csv"
        class_splits.write(class_splits.draw_random(store.open_store(folder).classes, 0), split)
        return cls(folder, split)

    def task(
        self,
        name: str,
        recipe: dict | None = None,
        architecture: dict | None = None,
        stream: str | None = None,
        seed: int = 0,
    ) -> TrainingSpec:
        """The task of a network; `recipe` and `architecture` contain the changed keys."""
        task = TrainingSpec.of(
            name,
            self.split.stem,
            seed,
            {**ARCHITECTURE, **(architecture or {})},
            {**RECIPE, **(recipe or {})},
        )
        return replace(task, stream=stream or task.stream)

    def train(
        self,
        name: str,
        folder: Path,
        base: Trained | None = None,
        keep_weights: bool = True,
        **changes: object,
    ) -> Trained:
        """Train a network; `changes` are arguments of `task`."""
        folder = NetworkFolder(folder)
        metrics = loop.train(
            self.task(name, **changes),
            images=self.images,
            split=self.split,
            base=base and base.folder.weights,
            folder=folder,
            code="code",
            keep_weights=keep_weights,
        )
        return Trained(
            folder=folder,
            metrics=_without_clock(json.loads(json.dumps(metrics))),
            weights=checkpoint.load(folder.weights)[0] if keep_weights else {},
            history=[_without_clock(line) for line in read_history(folder.history)],
            predictions=np.load(folder.predictions),
        )

    def command(
        self,
        name: str,
        folder: Path,
        base: Path | None = None,
        architecture: dict | None = None,
        **recipe: object,
    ) -> list[str]:
        """The arguments of `python -m transferability` that train a network; `architecture` and
        `recipe` contain the changed keys."""
        architecture = architecture or {}
        if "name" not in architecture:
            architecture = {**ARCHITECTURE, **architecture}
        study = self.study(architecture, {**RECIPE, **recipe})
        return [
            *("train", "--study", str(study), "--split", self.split.stem, "--seed", "0"),
            *("--network", name, "--images", str(self.images), "--to", str(folder)),
            *(["--base", str(base)] if base else []),
        ]

    def study(self, architecture: dict, recipe: dict, **sections: object) -> Path:
        """A study.yaml, as a run writes it, next to the splits of the laboratory."""
        complete = config.complete({"study": "laboratory", "dataset": {"source": "digits"}})
        recipe = {**complete["recipe"], **recipe}
        changes = {"layers": [*range(8)], "architecture": architecture, "recipe": recipe}
        text = yaml.safe_dump({**complete, **changes, **sections})
        name = f"study-{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
        path = self.split.parent.parent / name
        path.write_text(text, encoding="utf-8")
        return path


@dataclass(frozen=True)
class Run:
    """The folder of a run, in which commands train studies."""

    folder: Path

    def begin(self, study: dict) -> Path:
        """Write a study, its images and its splits; return the study's file."""
        settings = config.complete(study)
        file = self.folder / "results" / settings["study"] / targets.STUDY
        config.write(settings, file)
        for dataset in targets.datasets(settings):
            folder = self.folder / targets.images.STORES / targets.images.store_name(dataset)
            if not folder.exists():
                given = json.dumps(targets.images.stored(dataset))
                self.do("prepare-images", "--settings", given, "--folder", folder)
        store = self.folder / targets.store(settings)
        for name in settings.split_names:
            split = file.parent / "splits" / f"{name}.csv"
            self.do("split-classes", "--study", file, "--images", store, "--split", split)
        return file

    def train(self, file: Path, name: str, split: str = "whole", seed: int = 0) -> dict:
        """The metrics of a network, which is trained if it does not exist."""
        folder = file.parent / "networks" / split / f"seed{seed}" / name
        if not (folder / "metrics.json").exists():
            arguments = ("--split", split, "--seed", seed, "--network", name)
            self.do("train", "--study", file, *arguments)
        return json.loads((folder / "metrics.json").read_text())

    @staticmethod
    def do(*command: object) -> None:
        assert main([str(part) for part in command]) == 0

    def weights(self, file: Path, name: str) -> dict[str, torch.Tensor]:
        """The weights of a network, which is trained if it does not exist."""
        self.train(file, name)
        folder = file.parent / "networks" / "whole" / "seed0" / name
        return checkpoint.load(folder / "weights.safetensors")[0]


def _without_clock(numbers: dict) -> dict:
    return {key: value for key, value in numbers.items() if key not in MEASURED_BY_CLOCK}


def same(first: dict, second: dict) -> bool:
    """Whether the weights of two networks are identical, to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def identical(first: Trained, second: Trained) -> None:
    """Assert that two trainings gave the same numbers, to the bit; their tasks may differ."""
    metrics = [
        {key: value for key, value in trained.metrics.items() if key not in OF_THE_TASK}
        for trained in (first, second)
    ]
    assert metrics[0] == metrics[1]
    assert first.history == second.history
    assert same(first.weights, second.weights)
    assert np.array_equal(first.predictions, second.predictions)


def saves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, dict[str, torch.Tensor]]]:
    """The saves of trainings from now on: the step of each, and its tensors."""
    found: list[tuple[int, dict[str, torch.Tensor]]] = []
    save = NetworkFolder.save_resume

    def recording(self, tensors, identity, state):
        found.append((state["step"], {name: t.clone() for name, t in tensors.items()}))
        save(self, tensors, identity, state)

    monkeypatch.setattr(NetworkFolder, "save_resume", recording)
    # After each epoch, however short it is.
    monkeypatch.setattr(loop, "SHARE_OF_SAVES", float("inf"))
    return found


def own_modules(folder: Path, patch: pytest.MonkeyPatch, **modules: str) -> None:
    """Write modules with these texts into `folder` and change to it. They are removed from
    sys.modules before and after the test."""
    patch.chdir(folder)
    patch.setattr(sys, "path", [*sys.path])
    patch.setattr(sys, "dont_write_bytecode", True)
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
        # So that any import of the module is undone.
        patch.setitem(sys.modules, name, None)
        del sys.modules[name]


def written(folder: Path) -> list[str]:
    """The files of a training, without the log of its writers."""
    files = folder.iterdir() if folder.exists() else []
    return sorted(file.name for file in files if file.name != "writers")
