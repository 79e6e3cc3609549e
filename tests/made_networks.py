"""Tables of networks with known effects, like those that a study collects."""

import numpy as np
import pandas as pd

from transferability.analysis.effects import paired_differences

BASE = 0.908
LONG_BASE = 0.917
RETRAINED = 0.905
TOP1 = {
    ("selffer", False): (0.920, 0.916, 0.903, 0.909, 0.902, 0.904, 0.900),
    ("selffer", True): (0.941, 0.938, 0.939, 0.936, 0.935, 0.932, 0.928),
    ("transfer", False): (0.922, 0.915, 0.901, 0.894, 0.876, 0.826, 0.782),
    ("transfer", True): (0.930, 0.939, 0.938, 0.938, 0.927, 0.936, 0.937),
    ("random", False): (0.880, 0.820, 0.700, 0.520, 0.300, 0.120, 0.050),
}
IMAGES = 2500
LAYERS = ("", "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
FOUR_SPLITS = ("random0", "random1", "random2", "random3")


def networks(
    splits: tuple[str, ...] = ("random0",),
    seeds: tuple[int, ...] = (0,),
    targets: str = "B",
    layers: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7),
    treatments: tuple[tuple[str, bool], ...] = tuple(TOP1),
    target_sizes: tuple[str, ...] = ("all",),
    noise: float = 0.0,
) -> pd.DataFrame:
    """Without noise, a (split, seed, target, target_size) shifts all its networks equally."""
    random = np.random.default_rng(0)
    rows = []

    def add(name, kind, source, n, fine_tuned, top1):
        top1 = np.clip(top1 + level + noise * random.standard_normal(), 0.001, 0.999)
        trained = 1 - (0.08 * n if not fine_tuned and kind not in ("base", "long_base") else 0)
        seconds = 12.0 * trained * (2 if kind == "long_base" else 1)
        rows.append(
            {
                "study": "made",
                "split": split,
                "seed": seed,
                "network": name + ("" if size == "all" else f"@{size}"),
                "kind": kind,
                "source": source,
                "target": target,
                "target_size": size,
                "n": n,
                "layer": LAYERS[n],
                "fine_tuned": fine_tuned,
                "top1": top1,
                "top5": min(1.0, top1 + 0.05),
                "loss": 4 * (1 - top1),
                "train_loss": 3 * (1 - top1),
                "chance": 0.02,
                "learned": True,
                "images_seen": 240_000,
                "seconds": seconds * (1 + 0.03 * random.standard_normal()),
                "images_per_second": 240_000 / seconds,
                "device": "cpu",
                "precision": "bf16",
                "validation_images": IMAGES,
            }
        )

    for split in splits:
        for seed in seeds:
            for size in target_sizes:
                for target in "AB":
                    other = "A" if target == "B" else "B"
                    level = 0.004 * seed - 0.003 * (target == "A")
                    level -= 0 if size == "all" else 0.3
                    level -= 0.05 if split.startswith("dissimilar") else 0
                    add(f"base{target}", "base", "", 0, False, BASE)
                    if target not in targets:
                        continue
                    add(f"base2{target}", "long_base", "", 0, False, LONG_BASE)
                    for kind, fine_tuned in treatments:
                        source = {"selffer": target, "transfer": other, "random": "random"}[kind]
                        letter = "R" if kind == "random" else source
                        plus = "+" if fine_tuned else ""
                        for n in layers:
                            name = f"{letter}{n}{target}{plus}"
                            if n > 0:
                                top1 = TOP1[kind, fine_tuned][n - 1]
                                add(name, kind, source, n, fine_tuned, top1)
                            elif (kind, fine_tuned) == ("selffer", False):
                                add(name, kind, source, 0, False, RETRAINED)
    return pd.DataFrame(rows)


# Top-1 by n of networks that copy a source; of partial networks, by the number of frozen layers.
OF_SOURCE = {
    ("transfer", False): (0.915, 0.920, 0.925, 0.920, 0.905, 0.880, 0.850),
    ("transfer", True): (0.915, 0.925, 0.935, 0.940, 0.945, 0.948, 0.950),
    ("shuffled", True): (0.908, 0.910, 0.909, 0.907, 0.908, 0.906, 0.905),
    ("reestimated", False): (0.915, 0.921, 0.927, 0.924, 0.911, 0.889, 0.862),
}
PARTIAL = (0.950, 0.951, 0.952, 0.951, 0.947, 0.944, 0.900, 0.850)


def of_sources(
    letters: str = "P",
    seeds: tuple[int, ...] = (0, 1, 2, 3),
    layers: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7),
    treatments: tuple[tuple[str, bool], ...] = (*TOP1, ("shuffled", True), ("partial", False)),
    controls: bool = True,
    partial: tuple[float, ...] = PARTIAL,
    target_sizes: tuple[str, ...] = ("all",),
    noise: float = 0.0,
    source_kind: str = "weights",
) -> pd.DataFrame:
    """The networks of a study with sources, the second of which is worse by 0.02. With more
    images per class networks are better, and freezing costs less."""
    random = np.random.default_rng(1)
    rows = []

    def add(name, kind, source, n, copied, fine_tuned, top1):
        scores = top1 + noise * random.standard_normal(3)
        frozen = 0 if fine_tuned or kind in ("base", "long_base") else n
        rows.append(
            {
                **{"study": "photos", "split": "whole", "seed": seed, "kind": kind},
                **{"network": name + ("" if size == "all" else f"@{size}"), "source": source},
                **{"source_kind": source_kind if source in letters and source else ""},
                **{"target": "B", "target_size": size, "n": n, "layer": LAYERS[n]},
                **{"copied": copied, "frozen": frozen, "fine_tuned": fine_tuned},
                **{"top1": scores.mean(), "top1_selection": scores[0], "top1_reporting": scores[1]},
                **{"chance": 0.02, "learned": True, "train_loss": 0.5, "device": "cpu"},
                **{"precision": "bf16", "validation_images": IMAGES, "images_seen": 240_000},
                "seconds": 12.0 * (1 - 0.1 * frozen) * (1 + (kind == "long_base")),
                "images_per_second": 20_000 / (1 - 0.1 * frozen),
                "trainable_parameters": 100_000 * (8 - frozen),
            }
        )

    for seed in seeds:
        for size in target_sizes:
            level = 0.004 * seed - (0 if size == "all" else 0.3)
            if controls:
                add("baseB", "base", "", 0, 0, False, BASE + level)
                add("base2B", "long_base", "", 0, 0, False, LONG_BASE + level)
                add("B0B", "selffer", "B", 0, 0, False, RETRAINED + level)
            for kind, fine_tuned in treatments:
                suffix = {"reestimated": "~"}.get(kind, "+" * fine_tuned)
                before = {"shuffled": "s"}.get(kind, "")
                for letter in {"selffer": "B", "random": "R"}.get(kind, letters):
                    source = "random" if letter == "R" else letter
                    lower = level - 0.02 * (letter != letters[0] and letter in letters)
                    for n in layers:
                        if kind == "partial":
                            cost = (partial[n] - partial[0]) * (1 if size == "all" else 2)
                            name = f"{letter}7f{n}B"
                            add(name, kind, source, n, 7, False, partial[0] + cost + lower)
                        elif n:
                            of_n = {**TOP1, **OF_SOURCE}
                            if letter in "BR":
                                of_n = TOP1
                            top1 = of_n[kind, fine_tuned][n - 1] + lower
                            name = f"{before}{letter}{n}B{suffix}"
                            add(name, kind, source, n, n, fine_tuned, top1)
    table = pd.DataFrame(rows)
    # P7f0B is named P7B+, and P7f7B is named P7B.
    measured = ["top1", "top1_selection", "top1_reporting", "seconds", "images_per_second"]
    place = [table["seed"], table["source"], table["target_size"]]
    for n, twin in ((0, ("transfer", True)), (7, ("transfer", False))):
        same = (table["kind"] == "partial") & (table["n"] == n)
        same |= (table["kind"] == twin[0]) & (table["fine_tuned"] == twin[1]) & (table["n"] == 7)
        table.loc[same, measured] = table[same].groupby(place)[measured].transform("last")
    return table


FROZEN = (("selffer", False), ("transfer", False))
SCORES = {
    "knn": lambda difference, n: 10 + difference**3,
    "logme": lambda difference, n: -difference,
    "cka": lambda difference, n: -n,
}


def probed(table: pd.DataFrame, **scores) -> pd.DataFrame:
    """A table of probes: each score is a function of the measured transfer and of n."""
    found = of(paired_differences(table), effect="transfer")
    if (found["source"] == "").all():
        found["source"] = np.where(found["target"] == "B", "A", "B")
    key = ["study", "split", "seed", "source", "target", "target_size", "n"]
    rows = [
        found[key].assign(predictor=name, value=score(found["difference"], found["n"]))
        for name, score in scores.items()
    ]
    return pd.concat(rows, ignore_index=True)


def correctness(row: pd.Series) -> np.ndarray:
    """0 or 1 for each validation image, with mean top1; images differ in difficulty."""
    hard = np.random.default_rng([ord(row["target"]), int(row["seed"])]).random(IMAGES)
    own = np.random.default_rng([int(row["n"]), int(row["fine_tuned"]), ord(row["kind"][0])])
    difficulty = hard + 0.1 * own.standard_normal(IMAGES)
    wrong = np.argsort(difficulty)[round(row["top1"] * IMAGES) :]
    correct = np.ones(IMAGES, dtype=int)
    correct[wrong] = 0
    return correct


def of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows that have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table
