"""Training: frozen layers, and values that networks share."""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from laboratory import identical, same

from transferability.__main__ import main
from transferability.images import class_splits
from transferability.images import store as image_store
from transferability.storage import checkpoint
from transferability.storage.network_folder import read_history
from transferability.training import data, device, loop, preprocessing, transplant
from transferability.training.data import ImageSet
from transferability.training.rng import Stream
from transferability.training.trainer import Trainer

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def of_layers(weights: dict, layers: tuple[str, ...]) -> dict:
    return {name: t for name, t in weights.items() if name.split(".")[0] in layers}


def all_differ(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and not any(torch.equal(a[k], b[k]) for k in a)


class Recorder:
    """Records initial values of trainings, and the images of each step, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.initial: dict[str, torch.Tensor] = {}
        self.order: list[np.ndarray] = []
        self.images: list[bytes] = []
        train_one_epoch, shuffled = loop.train_one_epoch, data.shuffled
        inputs = Trainer.inputs

        def recording_start(run: Trainer, deadline: float) -> None:
            if run.step == 0:
                self.initial = {k: t.clone() for k, t in run.network.state_dict().items()}
                self.order, self.images = [], []
            train_one_epoch(run, deadline)

        def recording_order(images: ImageSet, *arguments: object) -> Iterator:
            numbered = replace(images, labels=torch.arange(len(images)))
            for batch, numbers, first in shuffled(numbered, *arguments):
                self.order.append(images.indices[numbers.numpy()])
                yield batch, images.labels[numbers], first

        def recording_inputs(run: Trainer, *arguments: object) -> torch.Tensor:
            pixels = inputs(run, *arguments)
            if run.layers.training:
                self.images.append(pixels.float().numpy().tobytes())
            return pixels

        monkeypatch.setattr(loop, "train_one_epoch", recording_start)
        monkeypatch.setattr(data, "shuffled", recording_order)
        monkeypatch.setattr(Trainer, "inputs", recording_inputs)


@pytest.fixture
def recorder(monkeypatch) -> Recorder:
    return Recorder(monkeypatch)


@pytest.mark.parametrize("augment", [[], ["crop", "horizontal_flip"]], ids=["plain", "augmented"])
@pytest.mark.parametrize("name", ["A1B", "B5B", "A7B"])
def test_frozen_layers_equal_the_base_bit_for_bit(laboratory, bases, tmp_path, name, augment):
    n, base = int(name[1]), bases[f"base{name[0]}"]
    trained = laboratory.train(name, tmp_path, base, recipe={"augment": augment})
    frozen = of_layers(trained.weights, LAYERS[:n])
    assert any("running_mean" in key for key in frozen)
    assert same(frozen, of_layers(base.weights, LAYERS[:n]))
    initial = dict(
        transplant.initialised(
            laboratory.task(name).architecture, 8, 5, Stream("treatment", "random0", 0, "B")
        ).state_dict()
    )
    assert all_differ(of_layers(trained.weights, LAYERS[n:]), of_layers(initial, LAYERS[n:]))


@pytest.mark.parametrize("name", ["A3B+", "B7B+"])
def test_fine_tuned_layers_and_their_statistics_change(laboratory, bases, tmp_path, name, recorder):
    base = bases[f"base{name[0]}"]
    copied = LAYERS[: int(name[1])]
    trained = laboratory.train(name, tmp_path, base)
    assert same(of_layers(recorder.initial, copied), of_layers(base.weights, copied))
    assert all_differ(of_layers(trained.weights, copied), of_layers(base.weights, copied))


def test_b0b_is_a_base_with_the_treatments_stream(laboratory, bases, tmp_path):
    b0b = laboratory.train("B0B", tmp_path / "B0B")
    base = laboratory.train("baseB", tmp_path / "baseB", stream="treatment")
    identical(b0b, base)
    learned = [name for name in b0b.weights if name.endswith("weight")]
    assert not any(torch.equal(b0b.weights[k], bases["baseB"].weights[k]) for k in learned)
    assert b0b.history != bases["baseB"].history


@pytest.mark.parametrize("augment", [[], ["crop", "horizontal_flip"]], ids=["plain", "augmented"])
def test_treatments_share_new_layers_order_and_augmentation(
    laboratory, bases, tmp_path, recorder, augment
):
    # The images of a transfer network are normalised with statistics of its source.
    recipe = {"augment": augment, "normalise": "none"}
    laboratory.train("B0B", tmp_path / "B0B", recipe=recipe)
    initial, order, images = recorder.initial, np.concatenate(recorder.order), [*recorder.images]
    for name in ("A3B", "B3B", "A3B+", "B3B+", "R3B", "A6B"):
        base = None if name.startswith("R") else bases[f"base{name[0]}"]
        trained = laboratory.train(name, tmp_path / name, base, recipe=recipe).weights
        copied, fresh = LAYERS[: int(name[1])], LAYERS[int(name[1]) :]
        assert same(of_layers(recorder.initial, fresh), of_layers(initial, fresh)), name
        assert all_differ(of_layers(trained, fresh), of_layers(initial, fresh)), name
        if name == "R3B":
            assert same(of_layers(trained, copied), of_layers(initial, copied))
        assert np.array_equal(np.concatenate(recorder.order), order), name
        if augment:
            assert recorder.images == images, name
    laboratory.train("baseB", tmp_path / "baseB", recipe=recipe)
    drawn = [name for name in initial if name.endswith("0.weight") or name == "fc8.weight"]
    assert not any(torch.equal(recorder.initial[name], initial[name]) for name in drawn)
    assert not np.array_equal(np.concatenate(recorder.order), order)
    # Each epoch has another order.
    first, second = np.split(order, 2)
    assert not np.array_equal(first, second)


def test_the_same_task_gives_the_same_bits_and_another_seed_others(laboratory, bases, tmp_path):
    first, again = (
        laboratory.train("A3B", tmp_path / folder, bases["baseA"]) for folder in ("first", "again")
    )
    identical(first, again)
    seed0, seed1 = (
        laboratory.train("B0B", tmp_path / f"seed{seed}", seed=seed, keep_weights=False)
        for seed in (0, 1)
    )
    assert seed0.history != seed1.history


def test_weights_are_kept_only_on_request(laboratory, tmp_path):
    laboratory.train("B0B", tmp_path)
    again = laboratory.train("B0B", tmp_path, keep_weights=False)
    assert again.metrics["weights_sha256"] is None
    assert not again.folder.weights.exists()


def test_small_maps_are_searched_only_for_bf16_on_a_cpu(laboratory, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        device, "keep_small_maps_in_fp32", lambda network, inputs: seen.append(len(network))
    )
    for precision in ("bf16", "fp32"):
        recipe = {"epochs": 1, "precision": precision}
        laboratory.train("baseB", tmp_path / precision, recipe=recipe)
    assert seen == [len(LAYERS)]


def test_the_seconds_of_a_training_are_plausible(laboratory, tmp_path):
    start = time.perf_counter()
    history = laboratory.train("B0B", tmp_path).folder.history
    assert 0 < read_history(history)[-1]["seconds"] < time.perf_counter() - start


def test_target_sizes_are_nested_and_shared_by_all_networks(laboratory, bases, tmp_path):
    opened = image_store.open_store(laboratory.images)

    def learned(name: str) -> ImageSet:
        cpu = torch.device("cpu")
        half = class_splits.read(laboratory.split, opened.classes)["B"]
        return loop.load_data(opened, half, laboratory.task(name), cpu)[0]

    of_base = learned("baseB@20")
    assert np.bincount(of_base.labels.numpy()).tolist() == [20] * 5
    for name in ("B0B@20", "A3B@20", "B3B+@20", "R3B@20", "base2B@20"):
        assert np.array_equal(learned(name).indices, of_base.indices)
    assert set(learned("A3B@10").indices) < set(of_base.indices) < set(learned("A3B").indices)
    metrics = laboratory.train("A3B@20", tmp_path, bases["baseA"]).metrics
    assert (metrics["train_images"], metrics["images_seen"]) == (100, 2 * 96)
    # It is evaluated on all validation images.
    assert metrics["validation_images"] == bases["baseB"].metrics["validation_images"]


def test_copied_layers_use_the_normalisation_of_their_source(laboratory, monkeypatch):
    opened = image_store.open_store(laboratory.images)
    halves = class_splits.read(laboratory.split, opened.classes)
    # The images on which the statistics were computed.
    monkeypatch.setattr(preprocessing, "statistics", lambda kind, store, indices: indices)
    of_a, learned = np.flatnonzero(np.isin(opened.train_labels, halves["A"])), np.arange(20)
    for name in ("A3B", "A3B+", "A3B@20", "B3B", "R3B", "B0B", "baseB", "baseB@20"):
        found = preprocessing.statistics_of(laboratory.task(name), opened, halves, learned)
        assert np.array_equal(found, of_a if name.startswith("A") else learned), name


def test_the_files_of_a_network_agree(laboratory, bases):
    base = bases["baseB"]
    opened = image_store.open_store(laboratory.images)
    asked = base.predictions >= 0
    half = set(opened.validation_labels[asked])
    assert len(half) == base.metrics["classes"] == 5
    assert np.array_equal(asked, np.isin(opened.validation_labels, list(half)))
    assert set(base.predictions[asked]) <= half
    hits = base.predictions[asked] == opened.validation_labels[asked]
    assert base.metrics["top1"] == pytest.approx(hits.mean())
    selection = image_store.selection(opened.validation_labels, opened.classes)[asked]
    halves = {"selection": selection, "reporting": ~selection}
    for name, images in halves.items():
        assert base.metrics[f"top1_{name}"] == pytest.approx(hits[images].mean())
    assert base.metrics["trainable_parameters"] == sum(
        tensor.numel()
        for name, tensor in base.weights.items()
        if name.endswith((".weight", ".bias"))
    )
    assert base.metrics["top5"] == 1.0
    assert base.metrics["weights_sha256"] == checkpoint.load(base.folder.weights)[2]
    last = base.history[-1]
    assert {key: base.metrics[key] for key in ("top1", "loss", "train_loss")} == {
        key: last[key] for key in ("top1", "loss", "train_loss")
    }


def test_a_network_that_did_not_learn_gives_a_warning(laboratory, bases, tmp_path, caplog):
    base = bases["baseB"].metrics
    assert base["learned"]
    assert base["layer_names"] == list(LAYERS)
    assert 1 / 5 <= base["chance"] < 1 / 4
    assert caplog.text == ""
    stuck = laboratory.train("baseB", tmp_path, recipe={"learning_rate": 1e-9}).metrics
    assert not stuck["learned"]
    assert caplog.messages[-1].startswith("baseB did not learn: top-1 ")
    assert "training loss 1.6" in caplog.messages[-1]


def test_a_missing_device_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"recipe\.device: cuda is not available, only .*cpu"):
        device.choose_device("cuda")


def test_nondeterministic_operations_are_an_error():
    with (
        pytest.raises(ValueError, match=r"recipe\.deterministic: put_.* set it to false"),
        device.repeatable(True),
    ):
        torch.zeros(3).put_(torch.tensor([1, 1]), torch.ones(2))
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_deterministic_recipe_changes_nothing_on_a_cpu(laboratory, tmp_path):
    networks = [tmp_path / "as it is", tmp_path / "deterministic"]
    for folder, wanted in zip(networks, (False, True), strict=True):
        assert main(laboratory.command("baseB", folder, deterministic=wanted)) == 0
    weights = [checkpoint.load(folder / "weights.safetensors")[0] for folder in networks]
    assert same(*weights)
