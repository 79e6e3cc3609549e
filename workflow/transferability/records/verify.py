"""Whether a study's results are still what its trainings wrote, and fit each other.

A network's metrics.json holds its identity (recipe, architecture, images, split, base, code) and
the checksums of its files. The identity is compared with the name of the network's folder, the
study, the split, the image store and the base; the checksums with the files; and the files of an
archive with its manifest.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from transferability.images.store import MANIFEST, open_store
from transferability.records import archive, provenance
from transferability.storage import checkpoint, files
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, design, networks
from transferability.study.targets import LABELS, STUDY
from transferability.study.training_spec import TrainingSpec

IDENTITY = (
    "images_sha256",
    "split_sha256",
    "base_sha256",
    "code",
    "torch",
    "precision",
    "device",
)


@dataclass(frozen=True)
class Verdict:
    """What was found of one network, image store or archive: what was looked at, and what is wrong,
    each fault with the name of its file; `unchecked` says why nothing was looked at."""

    name: str
    checked: list[str]
    faults: list[str]
    unchecked: str = ""


@dataclass(frozen=True)
class Claims:
    """What a network says of itself; the recipe and architecture that the study has for it, if
    it trains it; the labels of the validation images of its image store (int32 N), if these are
    there."""

    results: Path
    folder: NetworkFolder
    metrics: dict
    wanted: dict
    labels: np.ndarray | None

    @property
    def identity(self) -> dict:
        return self.metrics.get("identity", {})


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
    stores = {files.sha256(file): file.parent for file in run.glob(f"images/*/{MANIFEST}")}
    on_stores: dict[str, Verdict] = {}
    labels: dict[str, np.ndarray] = {}
    of_study = _of_study(results / STUDY)
    on_networks = []
    for folder in folders:
        name = folder.path.relative_to(results / "networks").as_posix()
        if not folder.metrics.exists():
            on_networks.append(Verdict(name, [], [], "not finished"))
            continue
        try:
            metrics = folder.read_metrics()
        except ValueError as error:
            on_networks.append(Verdict(name, ["metrics"], [str(error)]))
            continue
        digest = str(metrics.get("identity", {}).get("images_sha256", ""))
        if digest and digest not in on_stores:
            on_stores[digest] = _of_store(digest, stores, labels, whole_images)
        wanted = of_study.get(name, {})
        claims = Claims(results, folder, metrics, wanted, labels.get(digest))
        on_networks.append(_of_network(name, claims))
    return [*on_archive, *on_stores.values(), *on_networks]


def _of_study(file: Path) -> dict[str, dict]:
    """The recipe and architecture of each network of a study, by its place among the networks.
    Empty where a run of some targets alone has written no study beside its results."""
    if not file.exists():
        return {}
    study = config.resolved(file)
    return {
        f"{split}/seed{seed}/{name}": {
            "recipe": design.recipe(study, split, seed, name),
            "architecture": study["architecture"],
        }
        # Its layers are written out, so that their number is not asked for.
        for split, seed, name in design.trained(study, layer_count=0)
    }


def is_archive(results: Path) -> bool:
    """Whether a folder is that of an archive."""
    return (results / archive.METADATA).exists()


def table(verdicts: list[Verdict]) -> str:
    """The verdicts as text, a line each."""
    rows = [("what", "checked", "verdict")]
    for verdict in verdicts:
        told = "; ".join(verdict.faults) or verdict.unchecked or "good"
        rows.append((verdict.name, ", ".join(verdict.checked) or "-", told))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows)


def _of_store(
    digest: str, stores: dict[str, Path], labels: dict[str, np.ndarray], whole: bool
) -> Verdict:
    """On the store of that manifest, whose validation labels join `labels` if they can be read."""
    if digest not in stores:
        return Verdict(f"images {digest:.8}", [], [], "not there, so not compared")
    folder, faults = stores[digest], []
    try:
        if whole:
            store = open_store(folder)
            labels[digest] = store.validation_labels
            store.verify()
        else:
            labels[digest] = _labels(folder)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        faults.append(str(error))
    return Verdict(f"images/{folder.name}", ["every byte" if whole else "labels"], faults)


def _labels(folder: Path) -> np.ndarray:
    """The validation labels of an image store that need not hold more."""
    expected = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"][LABELS]
    if files.sha256(folder / LABELS) != expected["sha256"]:
        raise ValueError(f"{folder / LABELS}: its checksum does not fit; it is not the store's")
    return np.load(folder / LABELS, allow_pickle=False)


def _of_network(name: str, claims: Claims) -> Verdict:
    checks = {
        "recipe": _recipe_faults,
        "provenance": _provenance_faults,
        "history": _history_faults,
        "predictions": _prediction_faults,
        "weights": _weight_faults,
        "base": _base_faults,
    }
    # An archive may lack weights; those that it lists and lacks are a fault of its own.
    left_out = is_archive(claims.results) and not claims.folder.weights.exists()
    if left_out or claims.metrics.get("weights_sha256") is None:
        del checks["weights"]
    if claims.identity.get("base") is None:
        del checks["base"]
    faults = []
    for check in checks.values():
        try:
            faults += check(claims)
        except (OSError, ValueError) as error:
            faults.append(str(error))
        except (ArithmeticError, KeyError, TypeError) as error:
            faults.append(f"{claims.folder.metrics}: what it says of itself is damaged ({error!r})")
    return Verdict(name, list(checks), faults)


def _recipe_faults(claims: Claims) -> Iterator[str]:
    """Where the network is not the one that its folder is named for, or was not trained to the end
    of its recipe."""
    identity, path = claims.identity, claims.folder.path
    seed = int(path.parent.name.removeprefix("seed"))
    task = TrainingSpec.of(
        path.name, path.parents[1].name, seed, identity["architecture"], identity["recipe"]
    )
    differing = [key for key, value in asdict(task).items() if identity.get(key) != value]
    if differing:
        yield f"{claims.folder.metrics}: it is of another {', '.join(differing)} than its folder"
    wanted = design.evaluations(identity["recipe"])
    differing = [key for key, value in claims.wanted.items() if identity.get(key) != value]
    if differing:
        yield (
            f"{claims.folder.metrics}: it is of another {', '.join(differing)} than "
            f"{claims.results / STUDY} has for it"
        )
    found = len(claims.folder.read_history())
    if found != wanted:
        yield f"{claims.folder.history}: {found} evaluations, and the recipe makes {wanted}"
    is_base = networks.parse_name(path.name).is_base
    if is_base and claims.metrics["weights_sha256"] is None:
        yield f"{claims.folder.metrics}: a base without weights"


def _provenance_faults(claims: Claims) -> Iterator[str]:
    lacking = [key for key in IDENTITY if key not in claims.identity]
    if lacking:
        yield f"{claims.folder.metrics}: it does not say its {', '.join(lacking)}"
    split = claims.results / "splits" / f"{claims.identity['split']}.csv"
    if files.sha256(split) != claims.identity["split_sha256"]:
        yield f"{split}: not the split that the network was trained on"
    for fault in provenance.faults(claims.metrics.get("provenance"), claims.identity):
        yield f"{claims.folder.metrics}: {fault}"


def _history_faults(claims: Claims) -> Iterator[str]:
    yield from _checksum_faults(claims, claims.folder.history, "history_sha256")
    last = claims.folder.read_history()[-1]
    differing = [
        key
        for key in ("top1", "top5", "loss", "train_loss", "images_seen")
        if claims.metrics[key] != last.get(key)
    ]
    if differing:
        yield f"{claims.folder.metrics}: its {', '.join(differing)} is not that of the history"


def _prediction_faults(claims: Claims) -> Iterator[str]:
    path = claims.folder.predictions
    yield from _checksum_faults(claims, path, "predictions_sha256")
    predictions = np.load(path, allow_pickle=False)
    asked = predictions >= 0
    if predictions.dtype != np.int32 or predictions.ndim != 1:
        yield f"{path}: {predictions.dtype} {predictions.shape}, not int32 of one dimension"
    elif asked.sum() != claims.metrics["validation_images"]:
        yield f"{path}: {asked.sum()} predictions, not {claims.metrics['validation_images']}"
    elif claims.labels is not None:
        if len(predictions) != len(claims.labels):
            yield f"{path}: {len(predictions)} rows for {len(claims.labels)} validation images"
        elif (predictions == claims.labels)[asked].sum() / asked.sum() != claims.metrics["top1"]:
            yield f"{path}: other predictions than those that {claims.folder.metrics} counts"


def _weight_faults(claims: Claims) -> Iterator[str]:
    _, header, digest = checkpoint.load(claims.folder.weights)
    if digest != claims.metrics["weights_sha256"] or header != claims.identity:
        yield f"{claims.folder.weights}: not the weights that {claims.folder.metrics} speaks of"


def _base_faults(claims: Claims) -> Iterator[str]:
    base = NetworkFolder(claims.folder.path.parent / claims.identity["base"])
    if base.read_metrics().get("weights_sha256") != claims.identity["base_sha256"]:
        yield f"{base.weights}: not the weights that the network was copied from"


def _checksum_faults(claims: Claims, path: Path, key: str) -> Iterator[str]:
    if files.sha256(path) != claims.metrics[key]:
        yield f"{path}: its checksum does not fit; it changed after it was written"
