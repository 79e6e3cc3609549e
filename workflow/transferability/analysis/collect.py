"""From the folders of networks to tidy tables, a row a network and a row an evaluation."""

import logging
import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from transferability.storage.network_folder import MEASURED_AS, NetworkFolder
from transferability.study.networks import parse_name

log = logging.getLogger(__name__)

MEASURED = list(MEASURED_AS)
COLUMNS = [
    "study",
    "split",
    "seed",
    "network",
    "kind",
    "source",
    "target",
    "target_size",
    "n",
    "fine_tuned",
    *MEASURED,
]
COUNTS = ["images_seen", "validation_images", "iterations", "evaluations"]
EVALUATIONS_OF_BEST_SCORE = 10


def network_path(networks: Path, split: str, seed: int, name: str) -> Path:
    """The folder of one network among the networks of a study."""
    return networks / split / f"seed{seed}" / name


def collect(
    study: str,
    networks: Path,
    splits: Sequence[str],
    seeds: Sequence[int],
    names: Sequence[str],
    score: str,
    omitted: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The networks and the evaluations of a study: exactly those named, whatever else lies there.

    `networks` is the folder results/<study>/networks. `score` decides top1: `final`, the last
    evaluation, or `mean_of_10_best`, the mean of the ten best (Yosinski et al. 2014). Those
    `omitted`, such as random0/seed0/A3B, have a row without measured values. Raises ValueError
    naming the file that is missing or no JSON.
    """
    rows, evaluations, made_by = [], [], {}
    for split in splits:
        for seed in seeds:
            for name in names:
                key = {"study": study, "split": split, "seed": seed, "network": name}
                path = network_path(networks, split, seed, name)
                if path.relative_to(networks).as_posix() in omitted:
                    rows.append({**key, **asdict(parse_name(name))})
                    continue
                metrics, history = _read(NetworkFolder(path))
                if score == "mean_of_10_best":
                    metrics["top1"] = mean_of_best(line["top1"] for line in history)
                made_by.setdefault((split, seed), []).append(_made_by(metrics))
                rows.append({**key, **asdict(parse_name(name)), **metrics})
                evaluations += [{**key, **line} for line in history]
    _warn_of_mixtures(made_by)
    table = whole_numbers(pd.DataFrame(rows, columns=COLUMNS))
    return table, pd.DataFrame(evaluations)


def whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table, its counts as whole numbers where some are missing too."""
    counts = [column for column in COUNTS if column in table]
    return table.astype(dict.fromkeys(counts, "Int64"))


def _made_by(metrics: dict) -> dict[str, str]:
    identity = metrics.get("identity", {})
    return {
        "device": metrics["device"],
        "precision": metrics["precision"],
        "torch version": identity.get("torch"),
        "code": identity.get("code"),
    }


def _warn_of_mixtures(made_by: dict[tuple[str, int], list[dict[str, str]]]) -> None:
    """Say where networks that are compared were not trained in the same way."""
    for (split, seed), makings in made_by.items():
        for what in makings[0]:
            kinds = sorted({str(making[what]) for making in makings})
            if len(kinds) > 1:
                log.warning(
                    "%s seed %s: its networks differ in %s (%s), and effects hold that too",
                    *(split, seed, what, ", ".join(kinds)),
                )


def _read(folder: NetworkFolder) -> tuple[dict, list[dict]]:
    if not folder.metrics.exists():
        raise ValueError(f"{folder.metrics}: is missing; the network has to be trained first")
    try:
        return folder.read_metrics(), folder.read_history()
    except ValueError as error:
        raise ValueError(f"{error}; delete the folder and run again") from error


def mean_of_best(top1: Iterable[float]) -> float:
    """The mean of the ten best evaluations."""
    return statistics.fmean(sorted(top1, reverse=True)[:EVALUATIONS_OF_BEST_SCORE])


def correctness(networks: Path, validation_labels: np.ndarray) -> Callable[[pd.Series], np.ndarray]:
    """A function that gives, for a row of the table of networks, whether each validation image of
    its target half was classified right, in store order (1 or 0).

    `validation_labels` int32 N are those of the whole store.
    """

    def of(row: pd.Series) -> np.ndarray:
        folder = NetworkFolder(network_path(networks, row["split"], row["seed"], row["network"]))
        predictions = np.load(folder.predictions)
        if len(predictions) != len(validation_labels):
            raise ValueError(
                f"{folder.predictions}: {len(predictions)} predictions for "
                f"{len(validation_labels)} validation images; delete {folder.path} and run again"
            )
        asked = predictions >= 0
        return (predictions[asked] == validation_labels[asked]).astype(np.int8)

    return of
