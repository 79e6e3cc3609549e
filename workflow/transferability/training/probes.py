"""Scores of the layers of bases and sources, on the images that the treatments of a target use."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from transferability.images import class_splits
from transferability.images import store as image_store
from transferability.storage import checkpoint
from transferability.storage.network_folder import NetworkFolder
from transferability.study import networks, targets
from transferability.study.design import Study
from transferability.training import data, loop, preprocessing, scores, trainer, transplant
from transferability.training import device as devices
from transferability.training.preprocessing import Preprocessing
from transferability.training.rng import Stream


class Replicate:
    """The networks of one (split, seed) of a study, before and after their training.

    `results` is results/<study>. At most `images` training images and at most `images` validation
    images are drawn at random, the same for all networks of a target.
    """

    def __init__(self, study: Study, split: str, seed: int, results: Path, images: int):
        self.study, self.split, self.seed, self.results = study, split, seed, results
        self.images = images
        run, source = targets.run_folder(results / targets.STUDY), targets.source_store(study)
        self.store = image_store.open_store(run / targets.store(study))
        self.source = image_store.open_store(run / source) if source else None
        self.halves = class_splits.read(results / "splits" / f"{split}.csv", self.store.classes)
        self.device = devices.choose_device(study["recipe"]["device"])
        devices.use_precision("fp32")

    def weights(self, name: str, seed: int | None = None) -> dict[str, torch.Tensor]:
        """The tensors of a trained or imported network, of this seed or another one."""
        seed = self.seed if seed is None else seed
        folder = self.results / targets.base_folder(self.study, self.split, seed, name)
        return checkpoint.load(NetworkFolder(folder).weights)[0]

    def before(self, name: str) -> tuple[nn.Sequential, Preprocessing, list[data.ImageSet]]:
        """The network of that name before its training, on the device; its preprocessing; its
        training and validation images. The network need not be part of the study."""
        task = self.study.training(self.split, self.seed, name)
        sets = loop.load_data(self.store, self.halves[task.target], task, self.device)
        stored, stream = self.store.train_images.shape[1:3], Stream.of(task)
        network = transplant.initialised(
            task.architecture, task.recipe["crop"] or stored[0], len(sets[0].classes), stream
        )
        if task.base:
            weights = self.weights(task.base)
            copied = transplant.shuffled(weights, network, stream) if task.shuffled else weights
            transplant.copy_layers(network, copied, task.copied)
        devices.place(network, self.device)
        statistics = preprocessing.statistics_of(
            task, self.store, self.halves, sets[0].indices, self.source
        )
        preprocess = Preprocessing(task.recipe, stored, statistics, self.device)
        loop.reestimate(network, task, sets[0], preprocess)
        few = []
        for i, images in enumerate(sets):
            generator = Stream.of(task, "images").generator("probes", i)
            order = torch.randperm(len(images), generator=generator)
            few.append(data.reordered(images, order[: self.images]))
        return network.eval(), preprocess, few

    def probes(self) -> list[dict]:
        """A row for each target, target size, network whose layers may be copied (`source` is its
        letter), n and score.

        The features of layer n are its outputs in fp32, averaged over positions. Scores are fitted
        on training images and tested on validation images. logme uses only training images. cka
        compares a layer with the same layer of the target's base, only on validation images.
        `feature_seconds` is the time for the features of all layers.
        """
        rows = []
        last = len(self.study["layer_names"]) - 1
        probed = targets.probed(self.study, self.split, self.seed)
        for (target, size), group in itertools.groupby(probed, lambda base: base[1:]):
            # The target's own base comes first.
            own: list[np.ndarray] = []
            for letter, *_ in group:
                kind = "selffer" if letter == target else "transfer"
                name = networks.treatment_name(kind, letter, last, target, last, size)
                network, preprocess, sets = self.before(name)
                batch_size = trainer.micro_batch(self.study["recipe"])
                start = time.perf_counter()
                train, test = (
                    features(network[:last], preprocess, images, batch_size) for images in sets
                )
                key = {"source": letter, "target": target, "target_size": size}
                key["feature_seconds"] = round(time.perf_counter() - start, 3)
                key |= {"train_images": len(sets[0]), "validation_images": len(sets[1])}
                labels, right = (images.labels.cpu().numpy() for images in sets)
                for n, (learned, tested) in enumerate(zip(train, test, strict=True), 1):
                    measures: list[tuple[Callable[..., float], tuple]] = [
                        (scores.knn, (learned, labels, tested, right)),
                        (scores.linear_probe, (learned, labels, tested, right)),
                        (scores.logme, (learned, labels)),
                    ]
                    if letter != target and own:
                        measures.append((scores.cka, (tested, own[n - 1])))
                    of_layer = key | {"n": n, "layer": self.study["layer_names"][n - 1]}
                    for measure, arguments in measures:
                        start = time.perf_counter()
                        value = {"predictor": measure.__name__, "value": measure(*arguments)}
                        seconds = round(time.perf_counter() - start, 3)
                        rows.append(of_layer | value | {"seconds": seconds})
                own = test if letter == target else own
        return rows


@torch.inference_mode()
def features(
    layers: nn.Sequential, preprocess: Preprocessing, images: data.ImageSet, batch_size: int
) -> list[np.ndarray]:
    """The outputs of each layer (float32 N×D), averaged over positions."""
    found: list[list[np.ndarray]] = [[] for _ in layers]
    for batch in data.ordered(images, batch_size):
        x = preprocess(batch)
        for layer, outputs in zip(layers, found, strict=True):
            x = layer(x)
            outputs.append(over_positions(x).cpu().numpy())
    return [np.concatenate(outputs) for outputs in found]


def over_positions(outputs: torch.Tensor) -> torch.Tensor:
    """N×C×H×W or N×T×C → N×C, the mean over positions; N×C is unchanged. With four dimensions of
    which the second equals the third but not the last, outputs are N×H×W×C, as in Swin."""
    if outputs.ndim == 4:
        is_last = outputs.shape[1] == outputs.shape[2] != outputs.shape[3]
        return outputs.mean(dim=(1, 2) if is_last else (2, 3))
    return outputs.mean(dim=1) if outputs.ndim == 3 else outputs.clone()
