"""Whether a study's results are still what its trainings wrote, and fit each other.

A network's metrics.json holds its identity (recipe, architecture, images, split, base, code) and
the checksums of its files. The identity is compared with the name of the network's folder, the
study, the split, the image store and the base; the checksums with the files; and the files of an
archive with its manifest.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from transferability.images.store import MANIFEST, open_store
from transferability.records import archive
from transferability.storage import checkpoint, files
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, design, networks
from transferability.study.networks import TrainingSpec
from transferability.study.targets import LABELS, STUDY

CHECKSUMS = ("images_sha256", "split_sha256", "base_sha256")
IDENTITY = (*CHECKSUMS, "code", "torch", "precision", "device")
NOT_READABLE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Verdict:
    """On one network, image store or archive: what was checked, and what is wrong, each fault with
    the name of its file; `unchecked` says why nothing was checked."""

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
    run, on_archive = results.resolve().parent.parent, []
    if is_archive(results):
        run, whole_images = results, False
        on_archive = [Verdict("archive", ["every byte"], archive.faults(results))]
    places = {files.sha256(file): file.parent for file in run.glob(f"images/*/{MANIFEST}")}
    stores: dict[str, tuple[Verdict, np.ndarray | None]] = {}
    wanted, on_study, on_networks = {}, [], []
    try:
        wanted = _wanted(results / STUDY)
    except config.StudyError as error:
        on_study = [Verdict("study", [STUDY], [" ".join(str(error).split())])]
    for folder in folders:
        name = folder.path.relative_to(results / "networks").as_posix()
        if not folder.metrics.exists():
            on_networks.append(Verdict(name, unchecked="not finished"))
            continue
        try:
            metrics = folder.read_metrics()
        except ValueError as error:
            on_networks.append(Verdict(name, ["metrics"], [str(error)]))
            continue
        digest, labels = str(metrics.get("identity", {}).get("images_sha256", "")), None
        if digest:
            if digest not in stores:
                stores[digest] = _of_store(digest, places.get(digest), whole_images)
            _, labels = stores[digest]
        network = _Network(results, folder, metrics, wanted.get(name, {}), labels)
        on_networks.append(network.verdict(name))
    on_stores = [verdict for verdict, _ in stores.values()]
    return [*on_archive, *on_study, *on_stores, *on_networks]


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


def _wanted(file: Path) -> dict[str, dict]:
    """The recipe and architecture of each network of a study, by its place among the networks.
    Empty where no study lies beside the results."""
    if not file.exists():
        return {}
    study = config.resolved(file)
    return {
        f"{split}/seed{seed}/{name}": {
            "recipe": study.recipe_of(split, seed, name),
            "architecture": study["architecture"],
        }
        # Its layers are written out, so that their number is not asked for.
        for split, seed, name in study.trained
    }


def _of_store(
    digest: str, folder: Path | None, whole_images: bool
) -> tuple[Verdict, np.ndarray | None]:
    """On the store whose manifest has that sha256, and its validation labels (int32 N) if they can
    be read; `folder` is None where there is no such store."""
    if folder is None:
        return Verdict(f"images {digest:.8}", unchecked="not there, so not compared"), None
    labels, verdict = None, Verdict(f"images/{folder.name}", ["labels"])
    try:
        if whole_images:
            verdict.checked[:] = ["every byte"]
            store = open_store(folder)
            labels = store.validation_labels
            store.verify()
        else:
            # Of an archive's store, nothing else is there.
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if files.sha256(folder / LABELS) != manifest["files"][LABELS]["sha256"]:
                raise ValueError(f"{folder / LABELS}: its checksum does not fit the store's")
            labels = np.load(folder / LABELS, allow_pickle=False)
    except NOT_READABLE as error:
        verdict.faults.append(str(error))
    return verdict, labels


@dataclass(frozen=True)
class _Network:
    """A network, with its metrics; the recipe and architecture that the study has for it, if it
    trains it; the validation labels of its image store, if these are there. Each check yields
    faults."""

    results: Path
    folder: NetworkFolder
    metrics: dict
    wanted: dict
    labels: np.ndarray | None

    @property
    def identity(self) -> dict:
        return self.metrics.get("identity", {})

    def verdict(self, name: str) -> Verdict:
        checks = [self.recipe, self.provenance, self.history, self.predictions]
        # An archive may lack weights; those that it lists and lacks are a fault of its own.
        left_out = is_archive(self.results) and not self.folder.weights.exists()
        if self.metrics.get("weights_sha256") is not None and not left_out:
            checks.append(self.weights)
        if self.identity.get("base") is not None:
            checks.append(self.base)
        faults = []
        for check in checks:
            try:
                faults += check()
            except (OSError, ValueError) as error:
                faults.append(str(error))
            except NOT_READABLE as error:
                reason = f"what it says of itself is damaged ({error!r})"
                faults.append(f"{self.folder.metrics}: {reason}")
        return Verdict(name, [check.__name__ for check in checks], faults)

    def recipe(self) -> Iterator[str]:
        """Whether it is the network that its folder is named for and the study asks for, trained to
        the end of its recipe."""
        identity, path = self.identity, self.folder.path
        seed = int(path.parent.name.removeprefix("seed"))
        split, recipe = path.parents[1].name, identity["recipe"]
        task = TrainingSpec.of(path.name, split, seed, identity["architecture"], recipe)
        for wanted, by in ((asdict(task), "its folder"), (self.wanted, self.results / STUDY)):
            differing = [key for key, value in wanted.items() if identity.get(key) != value]
            if differing:
                yield f"{self.folder.metrics}: it is of another {', '.join(differing)} than {by}"
        expected, lines = design.evaluations(recipe), len(self.folder.read_history())
        if lines != expected:
            yield f"{self.folder.history}: {lines} evaluations, and the recipe makes {expected}"
        is_base = networks.parse_name(path.name).is_base
        if is_base and self.metrics["weights_sha256"] is None:
            yield f"{self.folder.metrics}: a base without weights"

    def provenance(self) -> Iterator[str]:
        lacking = [key for key in IDENTITY if key not in self.identity]
        if lacking:
            yield f"{self.folder.metrics}: it does not say its {', '.join(lacking)}"
        split = self.results / "splits" / f"{self.identity['split']}.csv"
        if files.sha256(split) != self.identity["split_sha256"]:
            yield f"{split}: not the split that the network was trained on"
        made_by = self.metrics.get("provenance")
        if made_by is None:
            yield (
                f"{self.folder.metrics}: it does not say by which command, versions and commit it "
                "was made; an earlier version of this software trained it"
            )
            return
        # A build for one kind of GPU is named after a +, in the version of the imported module.
        installed, imported = (
            str(versions["torch"]).partition("+")[0]
            for versions in (made_by["versions"], self.identity)
        )
        if installed != imported:
            yield f"{self.folder.metrics}: its versions of torch are {installed} and {imported}"
        commit = made_by["commit"]
        if commit is not None and not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit):
            yield f"{self.folder.metrics}: its commit, {commit!r}, is none"

    def history(self) -> Iterator[str]:
        yield from self._checksum_faults(self.folder.history, "history_sha256")
        last = self.folder.read_history()[-1]
        keys = ("top1", "top5", "loss", "train_loss", "images_seen")
        differing = [key for key in keys if self.metrics[key] != last.get(key)]
        if differing:
            yield f"{self.folder.metrics}: its {', '.join(differing)} is not that of the history"

    def predictions(self) -> Iterator[str]:
        path, labels = self.folder.predictions, self.labels
        yield from self._checksum_faults(path, "predictions_sha256")
        predictions = np.load(path, allow_pickle=False)
        asked = predictions >= 0
        if predictions.dtype != np.int32 or predictions.ndim != 1:
            yield f"{path}: {predictions.dtype} {predictions.shape}, not int32 of one dimension"
        elif asked.sum() != self.metrics["validation_images"]:
            yield f"{path}: {asked.sum()} predictions, not {self.metrics['validation_images']}"
        elif labels is not None and len(predictions) != len(labels):
            yield f"{path}: {len(predictions)} rows for {len(labels)} validation images"
        elif labels is not None:
            top1 = (predictions == labels)[asked].sum() / asked.sum()
            if top1 != self.metrics["top1"]:
                yield f"{path}: other predictions than those that {self.folder.metrics} counts"

    def weights(self) -> Iterator[str]:
        _, header, digest = checkpoint.load(self.folder.weights)
        if digest != self.metrics["weights_sha256"] or header != self.identity:
            yield f"{self.folder.weights}: not the weights that {self.folder.metrics} speaks of"

    def base(self) -> Iterator[str]:
        base = NetworkFolder(self.folder.path.parent / self.identity["base"])
        if base.read_metrics().get("weights_sha256") != self.identity["base_sha256"]:
            yield f"{base.weights}: not the weights that the network was copied from"

    def _checksum_faults(self, path: Path, key: str) -> Iterator[str]:
        if files.sha256(path) != self.metrics[key]:
            yield f"{path}: its checksum does not fit; it changed after it was written"
