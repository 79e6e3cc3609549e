"""How pixels are normalised, and that what this needs is computed once."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from transferability.images.store import Store
from transferability.storage import checkpoint
from transferability.training import augmentation, data, device, preprocessing
from transferability.training.preprocessing import ImageEntry
from transferability.training.rng import Stream

STREAM = Stream("treatment", "random0", 0, "B")
HALF = np.r_[0:30, 40:50]
STATISTICS = (preprocessing.channels, preprocessing.mean_image)


def a_store(folder: Path, images: np.ndarray | None = None) -> Store:
    """A store of 50 training images, of which only these and the digest are asked for."""
    if images is None:
        images = np.random.default_rng(0).integers(0, 100, (50, 8, 8, 3), np.uint8)
        images += np.array([0, 50, 120], np.uint8)
    labels = np.zeros(len(images), np.int32)
    return Store(folder, images, labels, images, labels, ["a"], ["b"], "digest")


@pytest.fixture
def store(tmp_path) -> Store:
    return a_store(tmp_path)


def half(store: Store) -> torch.Tensor:
    return torch.from_numpy(store.train_images[HALF])


def test_channels_have_mean_0_and_deviation_1(store):
    images = half(store)
    normalised = preprocessing.normalisation("channels", store, HALF)(images, augmentation.whole)
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


@pytest.mark.parametrize("floating", [False, True])
def test_channels_give_the_bits_of_a_difference_times_a_scale(store, floating):
    images = half(store)[:, 1:7, 2:7]
    images = images.float() if floating else images
    normalise = preprocessing.normalisation("channels", store, HALF)
    expected = (images.float() - normalise.mean) * normalise.scale
    assert torch.equal(normalise(images, augmentation.whole).permute(0, 2, 3, 1), expected)


def test_channels_one_by_one_give_the_same_bits_as_at_once(store):
    images = half(store)
    corners = torch.arange(80).view(40, 2) % 3
    mirrored = torch.arange(40) % 2 == 0
    boxes = augmentation.Boxes(torch.cat([corners, torch.full((40, 2), 6)], 1), mirrored, (6, 6))
    normalise = preprocessing.normalisation("channels", store, HALF)
    expected = (boxes(images).float() - normalise.mean) * normalise.scale
    assert torch.equal(normalise(images, boxes).permute(0, 2, 3, 1), expected)


def test_one_colour_alone_is_only_centred(tmp_path):
    store = a_store(tmp_path, np.full((50, 2, 2, 3), 7, np.uint8))
    normalised = preprocessing.normalisation("channels", store, HALF)(
        half(store), augmentation.whole
    )
    assert torch.equal(normalised, torch.zeros(40, 3, 2, 2))


def test_the_mean_image_is_that_of_the_half_and_is_subtracted(store):
    images = half(store)
    normalised = preprocessing.normalisation("mean_image", store, HALF)(images, augmentation.whole)
    expected = images.double() - images.double().mean(0)
    torch.testing.assert_close(normalised.permute(0, 2, 3, 1).double(), expected, atol=1e-4, rtol=0)


def test_none_leaves_pixels_as_they_are(store):
    images = half(store)
    normalised = preprocessing.normalisation("none", store, HALF)(images, augmentation.whole)
    assert torch.equal(normalised.permute(0, 2, 3, 1), images.float())
    assert not (store.folder / "statistics").exists()


@pytest.mark.parametrize("large", [device.LARGE, 0])
@pytest.mark.parametrize(
    "augment",
    [["crop", "horizontal_flip"], ["random_resized_crop", "horizontal_flip"], ["horizontal_flip"]],
)
def test_the_mean_image_is_cropped_and_mirrored_along_with_the_image(
    store, monkeypatch, augment, large
):
    monkeypatch.setattr(device, "LARGE", large)
    # Every image is the mean image, so that nothing is left wherever it is cropped.
    mean = store.train_images[:1].repeat(50, axis=0)
    store = replace(store, train_images=mean)
    normalise = preprocessing.normalisation("mean_image", store, HALF)
    entry = ImageEntry(normalise, {"augment": augment, "crop": 6}, (8, 8))
    seen = entry.drawn(40, STREAM, 0, torch.device("cpu"))(half(store), slice(0, 40))
    assert seen.shape == (40, 3, 6, 6)
    # Resized, an image has whole values, at most 1 off; the mean image has not.
    off = 1.001 if "random_resized_crop" in augment else 1e-3
    torch.testing.assert_close(seen, torch.zeros_like(seen), atol=off, rtol=0)
    plain = entry.plain(half(store))
    torch.testing.assert_close(plain, torch.zeros(40, 3, 6, 6))


@pytest.mark.parametrize("kind", ["channels", "mean_image"])
def test_statistics_are_computed_once(store, monkeypatch, kind):
    compute = getattr(preprocessing, kind)
    first = compute(store, HALF)
    (file,) = (store.folder / "statistics").iterdir()
    # Nothing of the images is read again.
    monkeypatch.setattr(data, "blocks", None)
    again = compute(store, HALF)
    assert again.keys() == first.keys()
    assert all(torch.equal(again[name], first[name]) for name in first)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("kind", ["channels", "mean_image"])
def test_trainings_that_compute_them_at_once_agree(store, kind):
    compute = getattr(preprocessing, kind)
    with ThreadPoolExecutor(4) as trainings:
        found = list(trainings.map(lambda _: compute(store, HALF), range(8)))
    assert all(torch.equal(some["mean"], found[0]["mean"]) for some in found)
    assert len(list((store.folder / "statistics").iterdir())) == 1


def test_other_images_have_other_statistics(store):
    of_half = preprocessing.mean_image(store, HALF)["mean"]
    others = [
        preprocessing.mean_image(store, HALF[:-1])["mean"],
        preprocessing.mean_image(
            replace(store, digest="other", train_images=store.train_images[::-1]), HALF
        )["mean"],
    ]
    assert not any(torch.equal(other, of_half) for other in others)
    preprocessing.channels(store, HALF)
    assert len(list((store.folder / "statistics").iterdir())) == 4


@pytest.mark.parametrize("damage", [lambda b: b[:-4], lambda b: b"", lambda b: b[:-1] + b"\x7f"])
def test_damaged_statistics_are_computed_anew(store, caplog, damage):
    first = preprocessing.channels(store, HALF)
    (file,) = (store.folder / "statistics").iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))
    with caplog.at_level(logging.WARNING):
        again = preprocessing.channels(store, HALF)
    assert all(torch.equal(again[name], first[name]) for name in first)
    assert str(file) in caplog.text
    assert file.read_bytes() == content


def test_statistics_of_other_images_under_the_same_name_are_not_taken(store):
    first = preprocessing.channels(store, HALF)
    (file,) = (store.folder / "statistics").iterdir()
    tensors, header, _ = checkpoint.load(file)
    false = {name: tensor + 1 for name, tensor in tensors.items()}
    checkpoint.save(file, false, {**header, "images_sha256": "other"})
    again = preprocessing.channels(store, HALF)
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_where_the_store_cannot_be_written_to_statistics_are_computed_all_the_same(store, caplog):
    # A file where the folder would be: nobody can write there, not even the system's owner.
    (store.folder / "statistics").write_text("")
    found = preprocessing.channels(store, HALF)
    assert found["mean"].shape == (3,)
    assert "cannot be kept" in caplog.text


def test_blocks_change_nothing(store, monkeypatch):
    whole = [compute(store, HALF) for compute in STATISTICS]
    for file in (store.folder / "statistics").iterdir():
        file.unlink()
    monkeypatch.setattr(data, "BLOCK_BYTES", 3 * 8 * 8 * 3)
    for compute, expected in zip(STATISTICS, whole, strict=True):
        found = compute(store, HALF)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
