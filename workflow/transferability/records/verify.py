"""Checks that a study's results are unchanged since its trainings wrote them, and fit each other.

A network's metrics.json has its identity (recipe, architecture, images, split, base, code) and the
checksums of its files. The identity is compared with the name of the network's folder, the study,
the split, the image store and the base; the checksums with the files; and the files of an archive
with its manifest.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from transferability.images.store import MANIFEST, open_store
from transferability.records import archive
from transferability.storage import checkpoint, files
from transferability.storage.network_folder import NetworkFolder, read_history
from transferability.study import config, design
from transferability.study.networks import TrainingSpec, parse_name
from transferability.study.targets import LABELS, STUDY, run_folder


@dataclass(frozen=True)
class Verdict:
    """The result for a network, an image store, a study or an archive: what was checked, and the
    faults, each with the name of its file; `unchecked` is the reason why nothing was checked."""

    name: str
    checked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unchecked: str = ""


def verify(results: Path, whole_images: bool = True) -> list[Verdict]:
    """A verdict on each image store that networks of results/<study> were trained on (searched for
    in `images`, next to `results`), on each imported source, and on each network.

    For the folder of an archive, a verdict on its files comes first. Only the labels are read of an
    archive's image store, which has no images, and of every store if `whole_images` is false.
    Raises ValueError if the folder has no networks.
    """
    folders = [NetworkFolder(path) for path in sorted(results.glob("networks/*/seed*/*/"))]
    if not folders:
        raise ValueError(f"{results}: contains no networks; expected a folder results/<study>")
    verdicts = []
    if is_archive(results):
        run, whole_images = results, False
        verdicts.append(Verdict("archive", ["every byte"], archive.faults(results)))
    else:
        run = run_folder(results / STUDY)
    study = None
    try:
        study = config.resolved(results / STUDY) if (results / STUDY).exists() else None
    except config.StudyError as error:
        verdicts.append(Verdict("study", [STUDY], [" ".join(str(error).split())]))
    stores = {files.sha256(file): file.parent for file in run.glob(f"images/*/{MANIFEST}")}
    on_stores, labels, on_networks = {}, {}, []
    for folder in folders:
        name = folder.path.relative_to(results / "networks").as_posix()
        if not folder.metrics.exists():
            on_networks.append(Verdict(name, unchecked="not finished"))
            continue
        verdict = Verdict(name)
        on_networks.append(verdict)
        with _damage_noted(verdict, folder.metrics):
            metrics = folder.read_metrics()
            images = metrics["identity"]["images_sha256"]
            if images not in on_stores:
                store = _of_store(images, stores.get(images), whole_images)
                on_stores[images], labels[images] = store
            network = _Network(results, folder, metrics, study, labels[images])
            for check in network.checks:
                verdict.checked.append(check.__name__)
                with _damage_noted(verdict, folder.metrics):
                    verdict.faults.extend(check())
    for letter in study.imported.values() if study else ():
        verdict = Verdict(f"sources/{letter}", ["weights"])
        folder = NetworkFolder(results / "sources" / letter)
        if folder.weights.exists() or not is_archive(results):
            verdicts.append(verdict)
            with _damage_noted(verdict, folder.metrics):
                if checkpoint.load(folder.weights)[2] != folder.read_metrics()["weights_sha256"]:
                    raise ValueError(f"{folder.weights}: not the weights that were imported")
    return [*verdicts, *on_stores.values(), *on_networks]


def is_archive(results: Path) -> bool:
    """Whether a folder is the content of an archive."""
    return (results / archive.METADATA).exists()


def table(verdicts: list[Verdict]) -> str:
    """The verdicts as text, one line each."""
    rows = [("what", "checked", "verdict")]
    for verdict in verdicts:
        judgement = "; ".join(verdict.faults) or verdict.unchecked or "good"
        rows.append((verdict.name, ", ".join(verdict.checked) or "-", judgement))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows)


@contextmanager
def _damage_noted(verdict: Verdict, metrics: Path) -> Iterator[None]:
    """Records an error as a fault. Only OSError and ValueError already name a file."""
    try:
        yield
    except (OSError, ValueError) as error:
        verdict.faults.append(str(error))
    except (LookupError, TypeError, ArithmeticError, AttributeError) as error:
        verdict.faults.append(f"{metrics}: its content is damaged ({error!r})")


def _of_store(
    digest: str, folder: Path | None, whole_images: bool
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on the store whose manifest has the sha256 `digest`, and its validation labels
    (int32 N) if they can be read; `folder` is None if there is no such store."""
    if folder is None:
        return Verdict(f"images {digest:.8}", unchecked="not found, so not compared"), None
    verdict, labels = Verdict(f"images/{folder.name}", ["labels"]), None
    with _damage_noted(verdict, folder / MANIFEST):
        if whole_images:
            verdict.checked[:] = ["every byte"]
            open_store(folder).verify()
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if files.sha256(folder / LABELS) != manifest["files"][LABELS]["sha256"]:
            raise ValueError(f"{folder / LABELS}: its checksum does not match the store's")
        labels = np.load(folder / LABELS)
    return verdict, labels


@dataclass(frozen=True)
class _Network:
    """A network with its metrics, its study, and the validation labels of its image store (the last
    two may be None). Each check yields faults, with the name of the file."""

    results: Path
    folder: NetworkFolder
    metrics: dict
    study: design.Study | None
    labels: np.ndarray | None

    @property
    def checks(self) -> list[Callable[[], Iterator[str]]]:
        checks = [self.recipe, self.inputs, self.history, self.predictions]
        # An archive may leave out weights; if it lists them, missing ones are reported as faults.
        is_there = self.folder.weights.exists() or not is_archive(self.results)
        is_base = parse_name(self.folder.path.name).is_base
        if is_there and (is_base or self.metrics.get("weights_sha256") is not None):
            checks.append(self.weights)
        return checks

    def recipe(self) -> Iterator[str]:
        """Checks that the network agrees with the name of its folder and with the study, and that
        it was trained to the end of its recipe."""
        identity, path = self.metrics["identity"], self.folder.path
        split, name = path.parents[1].name, path.name
        seed, recipe = int(path.parent.name.removeprefix("seed")), identity["recipe"]
        spec = TrainingSpec.of(
            name, split, seed, identity["architecture"], recipe, identity["normalised_by"]
        )
        wanted = {"its folder": asdict(spec)}
        if self.study and (split, seed, name) in self.study.trained:
            wanted[self.results / STUDY] = asdict(self.study.training(split, seed, name))
        for by, values in wanted.items():
            differing = [key for key, value in values.items() if identity.get(key) != value]
            if differing:
                yield f"{self.folder.metrics}: has another {', '.join(differing)} than {by}"
        expected, lines = design.evaluations(recipe), len(read_history(self.folder.history))
        if lines != expected:
            yield f"{self.folder.history}: {lines} evaluations, but the recipe has {expected}"

    def inputs(self) -> Iterator[str]:
        identity = self.metrics["identity"]
        split = self.results / "splits" / f"{identity['split']}.csv"
        # A source that is trained here uses all classes, so it has no split.
        if identity["split_sha256"] and files.sha256(split) != identity["split_sha256"]:
            yield f"{split}: not the split that the network was trained on"
        if identity["base"] is not None:
            imported = self.results / "sources" / identity["base"].removeprefix("base")
            known = identity["base"] in self.study.imported if self.study else imported.exists()
            trained = self.folder.path.parent / identity["base"]
            base = NetworkFolder(imported if known else trained)
            if base.read_metrics()["weights_sha256"] != identity["base_sha256"]:
                yield f"{base.weights}: not the weights that the network was copied from"

    def history(self) -> Iterator[str]:
        yield from _checksum(self.folder.history, self.metrics["history_sha256"])
        last = read_history(self.folder.history)[-1]
        keys = ("top1", "top5", "loss", "train_loss", "images_seen")
        differing = [key for key in keys if self.metrics[key] != last.get(key)]
        if differing:
            yield f"{self.folder.metrics}: {', '.join(differing)} differ from the history"

    def predictions(self) -> Iterator[str]:
        path = self.folder.predictions
        yield from _checksum(path, self.metrics["predictions_sha256"])
        predictions = np.load(path)
        asked = predictions >= 0
        if asked.sum() != self.metrics["validation_images"]:
            yield f"{path}: {asked.sum()} predictions, not {self.metrics['validation_images']}"
        elif self.labels is not None:
            right = (predictions == self.labels)[asked]
            if right.sum() / len(right) != self.metrics["top1"]:
                yield f"{path}: not the predictions that {self.folder.metrics} counts"

    def weights(self) -> Iterator[str]:
        _, header, digest = checkpoint.load(self.folder.weights)
        if digest != self.metrics["weights_sha256"] or header != self.metrics["identity"]:
            yield f"{self.folder.weights}: not the weights that {self.folder.metrics} describes"


def _checksum(path: Path, expected: str) -> Iterator[str]:
    if files.sha256(path) != expected:
        yield f"{path}: its checksum does not match; it changed after it was written"
