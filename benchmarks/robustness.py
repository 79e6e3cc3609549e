"""Whether networks learn with the default recipe on different images.

    apt-get install dataset-fashion-mnist        or the four files of Fashion-MNIST in --fashion
    python benchmarks/robustness.py

It trains bases on both halves of random splits, with a seed for each split, on glyphs, digits and
Fashion-MNIST, with many images per class and with 25. Where the epochs of the recipe give fewer
than 300 steps, which `transferability plan` warns about, each training has 300 steps instead.
"""

import argparse
import gzip
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import machine
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability import images
from transferability.images import build, class_splits, store
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config, design
from transferability.study.networks import TrainingSpec
from transferability.training import device, loop

FASHION = {"source": "torchvision", "name": "FashionMNIST", "image_size": 28, "download": False}
CASES = (
    ({"source": "glyphs"}, "all", 40),
    ({"source": "glyphs"}, 25, 40),
    ({"source": "digits", "image_size": 16}, "all", 40),
    ({"source": "digits", "image_size": 16}, 25, 40),
    (FASHION, 1000, 10),
    (FASHION, 25, 30),
)
"""Dataset, number of images per class, number of trainings."""


def trained(dataset: dict, size: str | int, count: int, folder: Path) -> list[dict]:
    """The metrics of this many bases."""
    study = config.complete({"dataset": dataset, "target_sizes": [size]})
    written = folder / images.store_name(study["dataset"])
    if not written.exists():
        source = images.source_module(dataset["source"]).read(study["dataset"])
        build.write_store(source, written, study["dataset"], workers=2)
    opened = store.open_store(written)
    found = images.Size(len(opened.classes), len(opened.train_labels), 0)
    metrics = []
    for number in range(count):
        split, name = f"random{number // 2}", f"base{'AB'[number % 2]}"
        name += "" if size == "all" else f"@{size}"
        recipe = study.recipe_of(split, number // 2, name)
        if study.steps_of("random0", 0, name, study.target_size(found)) < design.FEW_STEPS:
            recipe |= {"iterations": design.FEW_STEPS, "evaluate_every": design.FEW_STEPS}
        file = folder / f"{split}.csv"
        class_splits.write(class_splits.draw_random(opened.classes, number // 2), file)
        task = TrainingSpec.of(name, split, number // 2, study["architecture"], recipe)
        with tempfile.TemporaryDirectory(dir=folder) as left:
            network = NetworkFolder(Path(left) / name)
            metrics.append(loop.train(task, written, file, None, network, "", keep_weights=False))
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fashion", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--share", type=float, default=1.0, help="of the 200 trainings")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    device.keep_freed()
    print(machine.described())
    print(f"{'images':32}{'trainings':>10}{'at chance':>10}{'top-1':>8}{'lowest':>8}{'chance':>8}")
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        raw = Path("data", "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        for file in flags.fashion.glob("*.gz"):
            with gzip.open(file) as packed, (raw / file.stem).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        for dataset, size, count in CASES:
            start = time.perf_counter()
            count = max(1, round(flags.share * count))
            metrics = trained(dataset, size, count, Path(temporary))
            top1 = [network["top1"] for network in metrics]
            stuck = sum(not network["learned"] for network in metrics)
            title = f"{dataset.get('name', dataset['source'])}, {size} a class"
            print(
                f"{title:32}{count:10}{stuck:10}{statistics.fmean(top1):8.3f}{min(top1):8.3f}"
                f"{metrics[0]['chance']:8.3f}   {time.perf_counter() - start:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
