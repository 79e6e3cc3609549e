"""How often the number of layers to freeze is too large, and how often right, on simulated data.

    python benchmarks/decision.py

The simulated studies have partial networks with n = 0 to 7 frozen layers. Freezing the first 4
costs nothing, and the fifth costs exactly the margin, so every n* above 4 is wrong. The noise of
networks is equal for every n, or grows with n to twice as much.
"""

import argparse

import numpy as np
import pandas as pd

from transferability.analysis.decision import decision

MARGIN = 0.01
TRUTH = 4
COSTS = np.array([0, 0, 0, 0, 0, -MARGIN, -2 * MARGIN, -4 * MARGIN])
SEEDS = (3, 6, 10)
# Std of a network's top-1; the std of a difference is 1.4 times as large.
NOISE = 0.005
GROWTH = {"alike": 1.0, "growing": 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2000, help="studies of each kind")
    flags = parser.parse_args()
    print("| noise | seeds | n* above 4 | n* = 4 | n* of 1 to 3 | not shown |")
    print("|---|---|---|---|---|---|")
    for growth, most in GROWTH.items():
        for seeds in SEEDS:
            chosen = found(drawn(seeds, flags.draws, most))
            shares = [chosen > TRUTH, chosen == TRUTH, chosen.between(1, TRUTH - 1), chosen == 0]
            cells = " | ".join(f"{share.mean():.1%}" for share in shares)
            print(f"| {growth} | {seeds} | {cells} |", flush=True)


def drawn(seeds: int, draws: int, most: float = 1.0) -> pd.DataFrame:
    """The networks of simulated studies; the noise at the last n is `most` times that at n = 0."""
    random = np.random.default_rng(seeds)
    table = pd.MultiIndex.from_product(
        [range(draws), range(seeds), range(len(COSTS))], names=["study", "seed", "n"]
    ).to_frame(index=False)
    std = NOISE * np.linspace(1, most, len(COSTS))[table["n"]]
    top1 = 0.9 + COSTS[table["n"]] + std * random.standard_normal(len(table))
    return table.assign(
        **{"split": "whole", "kind": "partial", "fine_tuned": False, "source": "P", "target": "B"},
        **{"target_size": "all", "source_kind": "weights", "copied": len(COSTS) - 1},
        **{"top1": top1, "top1_selection": top1, "top1_reporting": top1},
        **{"images_per_second": 1000.0, "trainable_parameters": 1000},
        network="P7f" + table["n"].astype(str) + "B",
    )


def found(networks: pd.DataFrame) -> pd.Series:
    """n* of each study."""
    return decision(networks, MARGIN).groupby("study")["n_star"].first()


if __name__ == "__main__":
    main()
