"""Reads the folders of networks into tables with one row for each network."""

import itertools
import logging
import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from transferability.storage.network_folder import MEASURED, NetworkFolder, read_history
from transferability.study.design import Study
from transferability.study.networks import HALVES, SEARCHED, parse_name, trained_name

log = logging.getLogger(__name__)

OF_SOURCE = ("source_kind", "source_id", "source_group")
COLUMNS = [
    *("study", "split", "seed", "network", "kind", "source", *OF_SOURCE),
    *("target", "target_size", "n", "layer", "copied", "frozen", "fine_tuned", *MEASURED),
]
COUNTS = ["images_seen", "validation_images"]
EVALUATIONS_OF_BEST_SCORE = 10
# Additional columns of a study with a search.
OF_SEARCH = [*SEARCHED, "training", "at_edge"]
BASE_LEARNED = "base_learned"
"""Another such column: whether the copied base, trained with the recipe's rates, learned."""
OF_CANDIDATE = ["top1_selection", "top1_reporting", "seconds"]

NETWORK = ["split", "seed", "network"]


def network_path(networks: Path, split: str, seed: int, name: str) -> Path:
    """The folder of one network of a study, for any of its names."""
    return networks / split / f"seed{seed}" / trained_name(name)


def collect(
    study: Study, results: Path, search: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The networks and the evaluations of a study. Other networks in its folder `results`
    (results/<study>) are ignored.

    The study's `score` decides top1: `final` is the last evaluation, `mean_of_10_best` the mean of
    the ten best (Yosinski et al. 2014). Networks that the study omits have a row without measured
    values. `search` is the table of candidates if the study has a search: the selected candidate
    becomes the network, its folder is `training`, and its top1 is top1_reporting, because the other
    images were used for selection. Raises ValueError naming a file that is missing or not JSON.
    """
    networks, omitted, trained = results / "networks", set(study.omitted), set(study.trained)
    rows, evaluations = [], []
    known = {**dict.fromkeys(HALVES, ("half", "", "")), "random": ("random", "", "")}
    for letter in study["sources"]:
        known[letter] = ("dataset", "", study.groups.get(letter, ""))
    for letter in study.imported.values():
        imported = NetworkFolder(results / "sources" / letter).read_metrics()
        known[letter] = ("weights", imported["source_id"], known[letter][-1])
    selected: dict[tuple, dict] = {}
    if search is not None:
        table = search[search["selected"]].set_index(NETWORK)
        selected = table[OF_SEARCH].to_dict("index")
    for (split, seed), name in itertools.product(study.replicates, study.table_names):
        key = {"study": study["study"], "split": split, "seed": seed, "network": name}
        spec = parse_name(name)
        layer = study["layer_names"][spec.n - 1] if spec.n else ""
        row = key | asdict(spec) | {"frozen": spec.frozen_layers, "layer": layer}
        of_source = known[spec.source] if spec.copied else ("", "", "")
        row |= zip(OF_SOURCE, of_source, strict=True)
        path = network_path(networks, split, seed, name)
        chosen = selected.get((split, seed, path.name))
        if chosen:
            row |= chosen
            path = path.with_name(chosen["training"])
        if (split, seed, path.name) not in omitted:
            metrics, history = _read_network(NetworkFolder(path))
            if "partial" in study["treatments"] and spec.target in study["targets"]:
                _check_halves(metrics, path)
            row |= metrics
            if chosen:
                row["top1"] = metrics["top1_reporting"]
                # About half of the validation images are used for reporting.
                row["validation_images"] //= 2
            if study["score"] == "mean_of_10_best":
                top1 = sorted((line["top1"] for line in history), reverse=True)
                row["top1"] = statistics.fmean(top1[:EVALUATIONS_OF_BEST_SCORE])
            evaluations += [key | line for line in history]
        if selected and spec.base and (split, seed, spec.base) in trained:
            base = NetworkFolder(network_path(networks, split, seed, spec.base))
            row[BASE_LEARNED] = base.read_metrics()["learned"]
        rows.append(row)
    columns = COLUMNS if search is None else [*COLUMNS, *OF_SEARCH, BASE_LEARNED]
    # These types allow missing values.
    types = {**dict.fromkeys(COUNTS, "Int64"), "learned": "boolean"}
    return pd.DataFrame(rows, columns=columns).astype(types), pd.DataFrame(evaluations)


def _read_network(folder: NetworkFolder) -> tuple[dict, list[dict]]:
    if not folder.metrics.exists():
        raise ValueError(f"{folder.metrics}: is missing; train the network first")
    try:
        return folder.read_metrics(), read_history(folder.history)
    except ValueError as error:
        raise ValueError(f"{error}; delete the folder and run again") from error


def _check_halves(metrics: dict, folder: Path) -> None:
    """Raise ValueError if a network has no validation image for selection or for reporting."""
    if None in (metrics["top1_selection"], metrics["top1_reporting"]):
        raise ValueError(
            f"{folder}: each class has one validation image; search and partial need two, one to "
            "select and one to report: raise dataset.validation or "
            "dataset.validation_images_per_class, or add images"
        )


def search(study: Study, networks: Path) -> pd.DataFrame:
    """The candidates of each network of a study, one row each. `training` is the name of the folder
    in `networks`; `selected` is whether top1_selection is the best; `at_edge` is whether the
    selected value is at an end of its grid, so that a better one may be outside it.

    Raises ValueError, naming the file, if a network's metrics cannot be read.
    """
    rows = []
    for split, seed, name in study.trained:
        network = parse_name(name)
        metrics = NetworkFolder(network_path(networks, split, seed, name)).read_metrics()
        if network.target in study["targets"]:
            _check_halves(metrics, network_path(networks, split, seed, name))
        recipe = {**study["recipe"], **study.recipe_of(split, seed, name)}
        rates = {key: recipe[key] for key in SEARCHED[: 1 + network.copies_learn]}
        key = dict(zip(NETWORK, (split, seed, network.plain_name), strict=True))
        rows.append(key | {"training": name} | rates | {key: metrics[key] for key in OF_CANDIDATE})
    table = pd.DataFrame(rows, columns=[*NETWORK, "training", *SEARCHED, *OF_CANDIDATE])
    # Networks without trained copied layers have no copied_learning_rate.
    table = table.astype(dict.fromkeys(SEARCHED, float))
    of_network = table.groupby(NETWORK, sort=False)
    best = of_network["top1_selection"].idxmax()
    table["selected"] = table.index.isin(best)
    table["at_edge"] = False
    for key in SEARCHED:
        lowest, highest = of_network[key].transform("min"), of_network[key].transform("max")
        is_end = (table[key] == lowest) | (table[key] == highest)
        table["at_edge"] |= table["selected"] & is_end & (lowest < highest)
    if table["at_edge"].any():
        log.warning(
            "search: for %d of %d networks the best learning rate is at an end of its grid, so a "
            "better one may be outside it; widen the grid (search.csv, column at_edge)",
            *(table["at_edge"].sum(), table["selected"].sum()),
        )
    return table


def correctness(
    networks: Path, validation_labels: np.ndarray, reported: np.ndarray | None = None
) -> Callable[[pd.Series], np.ndarray]:
    """A function that returns, for a row of the table of networks, whether each validation image of
    its target half was classified correctly (1 or 0, in store order).

    `validation_labels` (int32, N) are the labels of all images of the store; `reported` (bool, N)
    selects the images to count; None selects all.
    """

    def correct(row: pd.Series) -> np.ndarray:
        training = row.get("training", row["network"])
        folder = NetworkFolder(network_path(networks, row["split"], row["seed"], training))
        predictions = np.load(folder.predictions)
        if len(predictions) != len(validation_labels):
            raise ValueError(
                f"{folder.predictions}: {len(predictions)} predictions for "
                f"{len(validation_labels)} validation images; delete {folder.path} and run again"
            )
        of_target = (predictions >= 0) & (True if reported is None else reported)
        return (predictions[of_target] == validation_labels[of_target]).astype(np.int8)

    return correct
