"""Whether a study's results are still what its trainings wrote, and fit each other.

A network's metrics.json says by which recipe and code, from which images, split and base it was
made, and holds the checksums of its files. All of this is compared with what lies there.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from transferability import checkpoint, files, networks, study
from transferability.images.store import MANIFEST, Store, StoreError, open_store
from transferability.network_folder import NetworkFolder
from transferability.task import Task

PROVENANCE = (
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
    """What was found of one network or image store: what was looked at, and what is wrong, each
    fault with the name of its file; `unchecked` says why nothing was looked at."""

    name: str
    checked: list[str]
    faults: list[str]
    unchecked: str = ""


@dataclass(frozen=True)
class Claims:
    """What a network says of itself, and the image store it was trained on, if that is there."""

    results: Path
    folder: NetworkFolder
    metrics: dict
    store: Store | None

    @property
    def identity(self) -> dict:
        return self.metrics.get("identity", {})


def verify(results: Path) -> list[Verdict]:
    """A verdict on each image store that networks of results/<study> were trained on, looked for in
    `images`, beside `results`; then one on each network.

    Raises ValueError if no network lies there.
    """
    folders = [NetworkFolder(path) for path in sorted(results.glob("networks/*/seed*/*/"))]
    if not folders:
        raise ValueError(f"{results}: no networks lie there; expected a folder results/<study>")
    manifests = {
        files.sha256(manifest): manifest
        for manifest in results.resolve().parents[1].glob(f"images/*/{MANIFEST}")
    }
    on_stores: dict[str, Verdict] = {}
    stores: dict[str, Store] = {}
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
            on_stores[digest] = _of_store(digest, manifests, stores)
        on_networks.append(_of_network(name, Claims(results, folder, metrics, stores.get(digest))))
    return [*on_stores.values(), *on_networks]


def table(verdicts: list[Verdict]) -> str:
    """The verdicts as text, a line each."""
    rows = [("what", "checked", "verdict")]
    for verdict in verdicts:
        told = "; ".join(verdict.faults) or verdict.unchecked or "good"
        rows.append((verdict.name, ", ".join(verdict.checked) or "-", told))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows)


def _of_store(digest: str, manifests: dict[str, Path], stores: dict[str, Store]) -> Verdict:
    """On the store of that manifest, which joins `stores` if it can be opened."""
    if digest not in manifests:
        return Verdict(f"images {digest:.8}", [], [], "not there, so not compared")
    folder = manifests[digest].parent
    try:
        stores[digest] = open_store(folder)
        stores[digest].verify()
    except StoreError as error:
        return Verdict(f"images/{folder.name}", ["every byte"], [str(error)])
    return Verdict(f"images/{folder.name}", ["every byte"], [])


def _of_network(name: str, claims: Claims) -> Verdict:
    checks = {
        "recipe": _recipe_faults,
        "provenance": _provenance_faults,
        "history": _history_faults,
        "predictions": _prediction_faults,
        "weights": _weight_faults,
        "base": _base_faults,
    }
    if claims.metrics.get("weights_sha256") is None:
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
    task = Task.of(
        path.name, path.parents[1].name, seed, identity["architecture"], identity["recipe"]
    )
    differing = [key for key, value in asdict(task).items() if identity.get(key) != value]
    if differing:
        yield f"{claims.folder.metrics}: it is of another {', '.join(differing)} than its folder"
    wanted = study.evaluations(identity["recipe"])
    found = len(claims.folder.read_history())
    if found != wanted:
        yield f"{claims.folder.history}: {found} evaluations, and the recipe makes {wanted}"
    is_base = networks.parse_name(path.name).is_base
    if is_base and claims.metrics["weights_sha256"] is None:
        yield f"{claims.folder.metrics}: a base without weights"


def _provenance_faults(claims: Claims) -> Iterator[str]:
    lacking = [key for key in PROVENANCE if key not in claims.identity]
    if lacking:
        yield f"{claims.folder.metrics}: it does not say its {', '.join(lacking)}"
    split = claims.results / "splits" / f"{claims.identity['split']}.csv"
    if files.sha256(split) != claims.identity["split_sha256"]:
        yield f"{split}: not the split that the network was trained on"


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
    elif claims.store is not None:
        labels = claims.store.validation_labels
        if len(predictions) != len(labels):
            yield f"{path}: {len(predictions)} rows for {len(labels)} validation images"
        elif (predictions == labels)[asked].sum() / asked.sum() != claims.metrics["top1"]:
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
