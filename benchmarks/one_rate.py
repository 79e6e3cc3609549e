"""The result that a study with a search would have with one learning rate of the copied layers.

    uv run snakemake --cores all --configfile studies/how_many_layers.yaml
    uv run python benchmarks/one_rate.py results/how_many_layers

For each rate of the grid and each number of images per class, it prints top-1 on the reporting
images for each n, the n that is best on the selection images, n*, and the gain of the best n over
n = 0. The last lines are those of the search.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from transferability.analysis.decision import decision
from transferability.study import config
from transferability.study.networks import trained_name

CELL = ["split", "seed", "network"]
COST = ["reporting_mean", "reporting_low", "reporting_high"]
MEASURED = ["top1_selection", "top1_reporting"]


def at_rate(networks: pd.DataFrame, search: pd.DataFrame, rate: float) -> pd.DataFrame:
    """The partial networks as trained with one rate of the copied layers, or without a rate."""
    rates = search["copied_learning_rate"]
    measured = search[(rates == rate) | rates.isna()].set_index(CELL)[MEASURED]
    trained = networks.assign(network=networks["network"].map(trained_name))[CELL]
    chosen = measured.loc[[*trained.itertuples(index=False, name=None)]]
    values = {name: chosen[name].to_numpy() for name in MEASURED}
    return networks.assign(**values, top1=values["top1_reporting"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="results/how_many_layers")
    flags = parser.parse_args()
    study = config.resolved(flags.results / "study.yaml")
    tables = flags.results / "tables"
    networks = pd.read_csv(tables / "networks.csv", dtype={"target_size": str})
    networks, search = networks[networks["kind"] == "partial"], pd.read_csv(tables / "search.csv")
    by_rate = {
        f"{rate:g}": at_rate(networks, search, rate)
        for rate in study["search"]["copied_learning_rate"]
    }
    layers = sorted(networks["n"].unique())
    print(
        f"| images a class | rate | {' | '.join(map(str, layers))} | best n | n* | best n − n = 0 |"
    )
    print(f"|{'---|' * (5 + len(layers))}")
    for rate, table in {**by_rate, "searched": networks}.items():
        judged = decision(table, study["margin"]).set_index(["target_size", "n"])
        for size, of_size in table.groupby("target_size", sort=False):
            top1 = of_size.groupby("n")["top1_reporting"].mean()
            first, best = judged.loc[size].iloc[0], judged.loc[size].iloc[0]["n_best"]
            cost = "0"
            if best:
                cost = "{:.1f} [{:.1f}, {:.1f}]".format(*100 * judged.loc[(size, best), COST])
            cells = " | ".join(f"{100 * value:.1f}" for value in top1)
            print(f"| {size} | {rate} | {cells} | {best} | {first['n_star']} | {cost} |")


if __name__ == "__main__":
    main()
