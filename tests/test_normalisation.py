"""How pixels are normalised; the necessary statistics are computed once."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from laboratory import same

from transferability.images.store import Store
from transferability.training import augmentation, data, preprocessing
from transferability.training.augmentation import Augmentation
from transferability.training.rng import Stream

CPU = torch.device("cpu")
STREAM = Stream("treatment", "random0", 0, "B")
HALF = np.r_[0:30, 40:50]
STATISTICS = ("channels", "mean_image")


def a_store(folder: Path, images: np.ndarray | None = None) -> Store:
    """A store of 50 training images; only these and the digest are used."""
    if images is None:
        images = np.random.default_rng(0).integers(0, 100, (50, 8, 8, 3), np.uint8)
        images += np.array([0, 50, 120], np.uint8)
    labels = np.zeros(len(images), np.int32)
    return Store(folder, images, labels, images, labels, ["a"], ["b"], {}, "digest")


@pytest.fixture
def store(tmp_path) -> Store:
    return a_store(tmp_path)


def half(store: Store) -> torch.Tensor:
    return torch.from_numpy(store.train_images[HALF])


def preprocessing_of(
    normalise: str, store: Store, crop: int | None = None
) -> preprocessing.Preprocessing:
    recipe, stored = {"normalise": normalise, "crop": crop}, store.train_images.shape[1:3]
    statistics = preprocessing.statistics(normalise, store, HALF)
    return preprocessing.Preprocessing(recipe, stored, statistics, CPU)


def test_channels_have_mean_0_and_deviation_1(store):
    images = half(store)
    normalised = preprocessing_of("channels", store)(images)
    assert normalised.shape == (40, 3, 8, 8)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    for channel in range(3):
        values = normalised[:, channel].double()
        assert values.mean().item() == pytest.approx(0, abs=1e-5)
        assert values.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(
        normalised[3, :, 2, 5] * images.float().std((0, 1, 2)) + images.float().mean((0, 1, 2)),
        images[3, 2, 5].float(),
        atol=0.05,
        rtol=0,
    )


@pytest.mark.parametrize("augment", [["crop", "colour_jitter"], ["random_resized_crop"]])
@pytest.mark.parametrize("large", [augmentation.LARGE, 0], ids=["at once", "one by one"])
def test_channels_give_the_bits_of_a_difference_times_a_scale(store, monkeypatch, augment, large):
    monkeypatch.setattr(augmentation, "LARGE", large)
    recipe = {"augment": ["horizontal_flip", *augment], "crop": 6}
    made = Augmentation(recipe, (8, 8), 40, STREAM, 0, CPU)
    statistics = preprocessing.statistics("channels", store, HALF)
    mean, scale = statistics["mean"].float(), (1 / statistics["std"]).float()
    seen = made.recolour(made.crop(half(store), 0), 0)
    normalised = preprocessing_of("channels", store, 6)(half(store), made)
    assert torch.equal(normalised.permute(0, 2, 3, 1), (seen.float() - mean) * scale)


def test_normalisation_by_mean_image_by_none_and_of_one_colour(tmp_path):
    store = a_store(tmp_path)
    images = half(store)
    assert torch.equal(preprocessing_of("none", store)(images).permute(0, 2, 3, 1), images.float())
    assert not (store.folder / "statistics").exists()
    normalised = preprocessing_of("mean_image", store)(images)
    expected = images.double() - images.double().mean(0)
    torch.testing.assert_close(normalised.permute(0, 2, 3, 1).double(), expected, atol=1e-4, rtol=0)
    grey = a_store(tmp_path / "grey", np.full((50, 2, 2, 3), 7, np.uint8))
    assert not preprocessing_of("channels", grey)(half(grey)).any()


@pytest.mark.parametrize("large", [augmentation.LARGE, 0])
@pytest.mark.parametrize(
    "augment",
    [["crop", "horizontal_flip"], ["random_resized_crop", "horizontal_flip"], ["horizontal_flip"]],
)
def test_the_mean_image_is_cropped_and_mirrored_along_with_the_image(
    store, monkeypatch, augment, large
):
    monkeypatch.setattr(augmentation, "LARGE", large)
    # Every image is the mean image, so each crop is zero after subtraction.
    mean = store.train_images[:1].repeat(50, axis=0)
    store = replace(store, train_images=mean)
    preprocess = preprocessing_of("mean_image", store, 6)
    made = Augmentation({"augment": augment, "crop": 6}, (8, 8), 40, STREAM, 0, CPU)
    seen = preprocess(half(store), made)
    assert seen.shape == (40, 3, 6, 6)
    # A resized image has whole values, at most 1 off; the mean image has fractions.
    off = 1.001 if "random_resized_crop" in augment else 1e-3
    torch.testing.assert_close(seen, torch.zeros_like(seen), atol=off, rtol=0)
    plain = preprocess(half(store))
    torch.testing.assert_close(plain, torch.zeros(40, 3, 6, 6))


@pytest.mark.parametrize("kind", ["channels", "mean_image"])
def test_statistics_are_computed_once(store, monkeypatch, kind):
    first = preprocessing.statistics(kind, store, HALF)
    (file,) = (store.folder / "statistics").iterdir()
    # No images are read again.
    monkeypatch.setattr(data, "blocks", None)
    again = preprocessing.statistics(kind, store, HALF)
    assert same(again, first)
    assert list(file.parent.iterdir()) == [file]
    # The name is the same in each version, so that a store's statistics are found.
    assert re.fullmatch(rf"{kind}-[0-9a-f]{{16}}\.safetensors", file.name)


def test_other_images_have_other_statistics(store):
    others = replace(store, digest="other", train_images=store.train_images[::-1])
    means = [
        preprocessing.statistics("mean_image", of, indices)["mean"]
        for of, indices in ((store, HALF), (store, HALF[:-1]), (others, HALF))
    ]
    assert not any(torch.equal(means[0], other) for other in means[1:])
    assert len(list((store.folder / "statistics").iterdir())) == 3


def test_damaged_statistics_are_computed_again(store, caplog):
    first = preprocessing.statistics("channels", store, HALF)
    (file,) = (store.folder / "statistics").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-4])
    with caplog.at_level(logging.WARNING):
        again = preprocessing.statistics("channels", store, HALF)
    assert same(again, first)
    assert str(file) in caplog.text
    assert file.read_bytes() == content


def test_statistics_are_computed_if_the_store_is_read_only(store, caplog):
    # A file in place of the folder: nobody can write there, not even root.
    (store.folder / "statistics").write_text("")
    found = preprocessing.statistics("channels", store, HALF)
    assert found["mean"].shape == (3,)
    assert "cannot be saved" in caplog.text


def test_block_sizes_do_not_change_statistics(store, monkeypatch):
    whole = [preprocessing.statistics(kind, store, HALF) for kind in STATISTICS]
    for file in (store.folder / "statistics").iterdir():
        file.unlink()
    monkeypatch.setattr(data, "BLOCK_BYTES", 3 * 8 * 8 * 3)
    for kind, expected in zip(STATISTICS, whole, strict=True):
        assert same(preprocessing.statistics(kind, store, HALF), expected)
