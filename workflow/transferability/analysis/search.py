"""The search for learning rates: each network's candidates, and which of them is taken."""

import logging
from pathlib import Path

import pandas as pd

from transferability.analysis.collect import network_path
from transferability.storage.network_folder import NetworkFolder
from transferability.study.design import Study
from transferability.study.networks import SEARCHED, parse_name

log = logging.getLogger(__name__)

NETWORK = ["split", "seed", "network"]
MEASURED = ["top1_selection", "top1_reporting", "seconds"]


def search(study: Study, networks: Path) -> pd.DataFrame:
    """The candidates of each network of a study, a row each: `training` is the name of its folder
    in `networks`, `selected` whether its top1_selection is the best, `at_edge` whether it was
    selected with the lowest or highest value of a grid, beyond which a better one may lie.

    Raises ValueError, naming the file, if a network's metrics cannot be read.
    """
    rows = []
    for split, seed, name in study.trained:
        network = parse_name(name)
        metrics = NetworkFolder(network_path(networks, split, seed, name)).read_metrics()
        recipe = {**study["recipe"], **study.recipe_of(split, seed, name)}
        rates = {key: recipe[key] for key in SEARCHED[: 1 + network.copies_learn]}
        key = dict(zip(NETWORK, (split, seed, network.plain_name), strict=True))
        rows.append(key | {"training": name} | rates | {key: metrics[key] for key in MEASURED})
    table = pd.DataFrame(rows, columns=[*NETWORK, "training", *SEARCHED, *MEASURED])
    # Of what has no copied layers that learn, that rate is missing.
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
            "search: for %d of %d networks the best learning rate is at an end of its grid, and a "
            "better one may lie beyond; widen the grid (search.csv, column at_edge)",
            *(table["at_edge"].sum(), table["selected"].sum()),
        )
    return table
