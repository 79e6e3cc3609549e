"""Tables of networks with known effects, as a study would collect them."""

import numpy as np
import pandas as pd

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
    """Without noise a (split, seed, target, target_size) moves all of its networks alike."""
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


def correctness(row: pd.Series) -> np.ndarray:
    """0/1 of each validation image, with mean top1; images differ in how hard they are."""
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
