"""Whether a study's results are still what its trainings wrote, and fit each other.

A network's metrics.json holds its identity (recipe, architecture, images, split, base, code) and
the checksums of its files. The identity is compared with the name of the network's folder, the
study, the split, the image store and the base; the checksums with the files; and the files of an
archive with its manifest.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from transferability.images.store import MANIFEST, open_store
from transferability.records import archive
from transferability.storage import checkpoint, files
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, design
from transferability.study.networks import TrainingSpec, parse_name
from transferability.study.targets import LABELS, STUDY


@dataclass(frozen=True)
class Verdict:
    """On a network, an image store, a study or an archive: what was checked, and what is wrong,
    each fault with the name of its file; `unchecked` says why nothing was checked."""

    name: str
    checked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unchecked: str = ""


def verify(results: Path, whole_images: bool = True) -> list[Verdict]:
    """A verdict on each image store that networks of results/<study> were trained on, looked for in
    `images`, beside `results`; then one on each network.

    Of an archive's folder, first one on its files. Of its image store, which has no images there,
    and of any other where `whole_images` is false, the labels are read alone. Raises ValueError if
    no network lies there.
    """
    folders = [NetworkFolder(path) for path in sorted(results.glob("networks/*/seed*/*/"))]
    if not folders:
        raise ValueError(f"{results}: no networks lie there; expected a folder results/<study>")
    run, verdicts = results.resolve().parent.parent, []
    if is_archive(results):
        run, whole_images = results, False
        verdicts.append(Verdict("archive", ["every byte"], archive.faults(results)))
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
            for check in CHECKS if network.has_weights else CHECKS[:-1]:
                verdict.checked.append(check.__name__.strip("_"))
                with _damage_noted(verdict, folder.metrics):
                    verdict.faults.extend(check(network))
    return [*verdicts, *on_stores.values(), *on_networks]


def is_archive(results: Path) -> bool:
    """Whether a folder is that of an archive."""
    return (results / archive.METADATA).exists()


def table(verdicts: list[Verdict]) -> str:
    """The verdicts as text, a line each."""
    rows = [("what", "checked", "verdict")]
    for verdict in verdicts:
        judgement = "; ".join(verdict.faults) or verdict.unchecked or "good"
        rows.append((verdict.name, ", ".join(verdict.checked) or "-", judgement))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows)


@contextmanager
def _damage_noted(verdict: Verdict, metrics: Path) -> Iterator[None]:
    """What is raised inside is a fault. An error of another kind than these two names no file."""
    try:
        yield
    except (OSError, ValueError) as error:
        verdict.faults.append(str(error))
    except (LookupError, TypeError, ArithmeticError, AttributeError) as error:
        verdict.faults.append(f"{metrics}: what it says is damaged ({error!r})")


def _of_store(
    digest: str, folder: Path | None, whole_images: bool
) -> tuple[Verdict, np.ndarray | None]:
    """On the store whose manifest has that sha256, and its validation labels (int32 N) if they can
    be read; `folder` is None where there is no such store."""
    if folder is None:
        return Verdict(f"images {digest:.8}", unchecked="not there, so not compared"), None
    verdict, labels = Verdict(f"images/{folder.name}"), None
    verdict.checked.append("every byte" if whole_images else "labels")
    with _damage_noted(verdict, folder / MANIFEST):
        if whole_images:
            open_store(folder).verify()
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if files.sha256(folder / LABELS) != manifest["files"][LABELS]["sha256"]:
            raise ValueError(f"{folder / LABELS}: its checksum does not fit the store's")
        labels = np.load(folder / LABELS)
    return verdict, labels


@dataclass(frozen=True)
class _Network:
    """A network with its metrics; its study, and the validation labels of its image store, if these
    are there."""

    results: Path
    folder: NetworkFolder
    metrics: dict
    study: design.Study | None
    labels: np.ndarray | None

    @property
    def identity(self) -> dict:
        return self.metrics["identity"]

    @property
    def has_weights(self) -> bool:
        """An archive may lack weights; those that it lists and lacks are a fault of its own."""
        is_base = parse_name(self.folder.path.name).is_base
        is_there = self.folder.weights.exists() or not is_archive(self.results)
        return is_there and (is_base or self.metrics.get("weights_sha256") is not None)


def _recipe(network: _Network) -> Iterator[str]:
    """Whether it is the network that its folder is named for and the study asks for, trained to the
    end of its recipe."""
    identity, path = network.identity, network.folder.path
    split, seed, name = path.parents[1].name, int(path.parent.name.removeprefix("seed")), path.name
    recipe = identity["recipe"]
    spec = asdict(TrainingSpec.of(name, split, seed, identity["architecture"], recipe))
    wanted = {"its folder": spec}
    if network.study and (split, seed, name) in network.study.trained:
        wanted[network.results / STUDY] = {
            "recipe": network.study.recipe_of(split, seed, name),
            "architecture": network.study["architecture"],
        }
    for by, values in wanted.items():
        differing = [key for key, value in values.items() if identity.get(key) != value]
        if differing:
            yield f"{network.folder.metrics}: it is of another {', '.join(differing)} than {by}"
    expected, lines = design.evaluations(recipe), len(network.folder.read_history())
    if lines != expected:
        yield f"{network.folder.history}: {lines} evaluations, and the recipe makes {expected}"


def _inputs(network: _Network) -> Iterator[str]:
    identity = network.identity
    split = network.results / "splits" / f"{identity['split']}.csv"
    if files.sha256(split) != identity["split_sha256"]:
        yield f"{split}: not the split that the network was trained on"
    if identity["base"] is not None:
        base = NetworkFolder(network.folder.path.parent / identity["base"])
        if base.read_metrics()["weights_sha256"] != identity["base_sha256"]:
            yield f"{base.weights}: not the weights that the network was copied from"


def _history(network: _Network) -> Iterator[str]:
    folder, metrics = network.folder, network.metrics
    yield from _checksum(folder.history, metrics["history_sha256"])
    last = folder.read_history()[-1]
    keys = ("top1", "top5", "loss", "train_loss", "images_seen")
    differing = [key for key in keys if metrics[key] != last.get(key)]
    if differing:
        yield f"{folder.metrics}: its {', '.join(differing)} is not that of the history"


def _predictions(network: _Network) -> Iterator[str]:
    path, metrics = network.folder.predictions, network.metrics
    yield from _checksum(path, metrics["predictions_sha256"])
    predictions = np.load(path)
    asked = predictions >= 0
    if asked.sum() != metrics["validation_images"]:
        yield f"{path}: {asked.sum()} predictions, not {metrics['validation_images']}"
        return
    if network.labels is not None:
        right = (predictions == network.labels)[asked]
        if right.sum() / len(right) != metrics["top1"]:
            yield f"{path}: other predictions than those that {network.folder.metrics} counts"


def _weights(network: _Network) -> Iterator[str]:
    _, header, digest = checkpoint.load(network.folder.weights)
    if digest != network.metrics["weights_sha256"] or header != network.identity:
        yield f"{network.folder.weights}: not the weights that {network.folder.metrics} speaks of"


def _checksum(path: Path, expected: str) -> Iterator[str]:
    if files.sha256(path) != expected:
        yield f"{path}: its checksum does not fit; it changed after it was written"


CHECKS = (_recipe, _inputs, _history, _predictions, _weights)
