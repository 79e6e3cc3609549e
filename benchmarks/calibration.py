"""Whether intervals have their stated coverage and verdicts their error rate, on real trainings.

    python benchmarks/calibration.py

A small study is trained 24 times in this process: with 24 seeds of one split, and on 24 splits.
Random subsets of k = 3, 4 and 6 replicates then serve as studies. The intervals of each are
compared with the mean of the other replicates; since their number is finite, an interval is wider
by sqrt(1 + k / (24 - k)). The goal: 93 to 97 % of the intervals contain that mean, and in at most
5 % of the subsets an effect at any n seems to differ from it (by p_holm).
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from transferability.analysis import intervals
from transferability.analysis.effects import paired_differences
from transferability.cli import analysis, images, training
from transferability.cli.tables import read_table
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, targets

REPLICATES = 24
REPLICATE = intervals.REPLICATE
SUBSETS = (3, 4, 6)
FAMILIES = {"moderated t, Holm": ["draw", "effect"], "Student's t": []}
DESIGNS = {
    "seeds": {"splits": {"random": 1}, "seeds": list(range(REPLICATES))},
    "splits": {"splits": {"random": REPLICATES}, "seeds": [0]},
}
STUDY = {
    "dataset": {"source": "glyphs", "classes": 20, "images_per_class": 100, "image_size": 16},
    "layers": [0, 1, 3, 5, 7],
    "treatments": ["selffer", "selffer+", "transfer", "transfer+"],
    "controls": ["baseB", "B0B"],
    "architecture": {"channels": [8, 16, 16, 16, 16], "units": [32, 32], "batch_norm": True},
    "recipe": {"epochs": 8, "batch_size": 32, "evaluate_every": 8},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path("calibration"), help="kept between runs"
    )
    parser.add_argument("--draws", type=int, default=1000, help="subsets of each size")
    flags = parser.parse_args()
    for design, replicates in DESIGNS.items():
        study = config.complete({"study": design, **STUDY, **replicates})
        differences = trained(study, flags.folder.resolve())
        for size in SUBSETS:
            judged = {
                name: covered(differences, size, flags.draws, columns)
                for name, columns in FAMILIES.items()
            }
            for family, (inside, wrong) in judged.items():
                print(
                    f"{size} {design}, {family}: {inside:.1%} hold the mean, {wrong:.1%} find any n"
                )


def trained(study, folder: Path) -> pd.DataFrame:
    """The differences of all effects of a study; networks that are not finished are trained."""
    store = folder / targets.store(study)
    if not store.exists():
        images.prepare_images(settings=study["dataset"], folder=store)
    results = folder / "results" / study["study"]
    results.mkdir(parents=True, exist_ok=True)
    file = results / "study.yaml"
    file.write_text(yaml.safe_dump({**study}, sort_keys=False), encoding="utf-8")
    for split in study.split_names:
        images.split_classes(study=file, images=store, split=results / f"splits/{split}.csv")
    start = time.process_time()
    for split, seed, name in study.trained:
        if not NetworkFolder(results / f"networks/{split}/seed{seed}/{name}").metrics.exists():
            training.train(study=file, split=split, seed=seed, network=name)
    print(f"{study['study']}: {len(study.trained)} networks, {time.process_time() - start:.0f} s")
    table = results / "networks.csv"
    analysis.collect_networks(study=file, table=table)
    return paired_differences(read_table(table))


def covered(
    differences: pd.DataFrame, size: int, draws: int, family: Sequence[str]
) -> tuple[float, float]:
    """The share of intervals that contain the mean of the other replicates, and the share of
    (subset, effect) in which any n seems to differ from it."""
    random = np.random.default_rng(0)
    values = differences.pivot(index=REPLICATE, columns=["effect", "n"], values="difference")
    chosen = np.array([random.choice(len(values), size, replace=False) for _ in range(draws)])
    subsets, others = values.to_numpy()[chosen], len(values) - size
    means = subsets.mean(1, keepdims=True)
    of_others = (values.to_numpy().sum(0) - size * means) / others
    # The spread is larger by this factor; the mean is the same.
    widened = means + (subsets - means) * np.sqrt(1 + size / others) - of_others
    index = pd.MultiIndex.from_product([range(draws), range(size)], names=["draw", "member"])
    wide = pd.DataFrame(widened.reshape(draws * size, -1), index, values.columns)
    rows = wide.stack(["effect", "n"], future_stack=True).rename("difference").reset_index()
    drawn = values.index.to_frame(index=False).loc[chosen[rows["draw"], rows["member"]], REPLICATE]
    rows[REPLICATE] = drawn.to_numpy()
    by = ["draw", "effect", "n"]
    table = intervals.mean_over_replicates(rows, by, "difference", family)
    several = table.groupby("effect")["n"].transform("nunique") > 1
    smallest = table[several].groupby(["draw", "effect"])["p_holm"].min()
    inside = (table["low"] <= 0) & (table["high"] >= 0)
    return inside[several].mean(), (smallest < 1 - intervals.CONFIDENCE).mean()


if __name__ == "__main__":
    main()
