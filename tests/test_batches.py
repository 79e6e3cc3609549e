"""Which images, in which order, augmented how."""

import numpy as np
import pytest
import torch

from transferability import batches
from transferability.batches import ImageSet
from transferability.streams import Stream

CPU = torch.device("cpu")
STREAM = Stream("treatment", "random0", 0, "B")


def numbered(count: int, size: int = 4) -> ImageSet:
    """Images whose pixels are their own number, labelled with it."""
    numbers = torch.arange(count)
    images = numbers.to(torch.uint8)[:, None, None, None].expand(count, size, size, 3).contiguous()
    return ImageSet(images, numbers, np.arange(count), np.arange(count))


def epoch(images: ImageSet, batch_size: int = 8, stream: Stream = STREAM, number: int = 0):
    return list(batches.shuffled(images, batch_size, [], stream, number))


def order(*arguments: object, **named: object) -> list[int]:
    return torch.cat([labels for _, labels in epoch(*arguments, **named)]).tolist()


def test_images_come_with_their_labels():
    for images, labels in epoch(numbered(40)):
        assert images.shape == (8, 4, 4, 3)
        assert images.dtype == torch.uint8
        assert torch.equal(images[:, 0, 0, 0].long(), labels)


@pytest.mark.parametrize(
    ("count", "steps"), [(40, [8] * 5), (47, [8] * 5), (8, [8]), (5, [5]), (1, [1])]
)
def test_an_epoch_shows_each_image_once_but_for_what_fills_no_batch(count, steps):
    images = numbered(count)
    assert [len(labels) for _, labels in epoch(images)] == steps
    assert batches.steps_per_epoch(count, 8) == len(steps)
    seen = order(images)
    assert len(set(seen)) == len(seen) == sum(steps)


def test_what_an_epoch_leaves_out_another_shows():
    images = numbered(47)
    left_out = [set(range(47)) - set(order(images, number=number)) for number in range(5)]
    assert not set.intersection(*left_out)


@pytest.mark.parametrize(
    "stream",
    [
        Stream("base", "random0", 0, "B"),
        Stream("treatment", "random1", 0, "B"),
        Stream("treatment", "random0", 1, "B"),
        Stream("treatment", "random0", 0, "A"),
    ],
)
def test_the_order_is_of_the_stream_and_the_epoch(stream):
    images = numbered(40)
    assert order(images) == order(images)
    assert order(images) != list(range(40))
    assert order(images, number=1) != order(images)
    assert order(images, stream=stream) != order(images)


def test_ordered_images_are_all_there_in_store_order():
    images = torch.cat(list(batches.ordered(numbered(21), 8)))
    assert images[:, 0, 0, 0].tolist() == list(range(21))


# Pixels that tell their row and column.
SIZE = 16
PLACES = torch.stack(
    [
        torch.arange(SIZE)[:, None].expand(SIZE, SIZE),
        torch.arange(SIZE)[None, :].expand(SIZE, SIZE),
        torch.zeros(SIZE, SIZE),
    ],
    -1,
).to(torch.uint8)
PLACED = PLACES.expand(400, SIZE, SIZE, 3).contiguous()


def augmented(augment: list[str], stream: Stream = STREAM, number: int = 0) -> torch.Tensor:
    augmentation = batches.Augmentation(augment, PLACED, stream, number)
    return augmentation(PLACED, torch.arange(400), slice(0, 400)).long()


def test_a_crop_shifts_by_up_to_an_eighth_and_continues_the_border():
    shifts = set()
    for image in augmented(["crop"]):
        down, right = (image[SIZE // 2, SIZE // 2, :2] - SIZE // 2).tolist()
        shifts.add((down, right))
        rows = (torch.arange(SIZE) + down).clamp(0, SIZE - 1)
        columns = (torch.arange(SIZE) + right).clamp(0, SIZE - 1)
        assert torch.equal(image, PLACES.long()[rows][:, columns])
    assert shifts == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_a_mirror_flips_half_of_the_images_left_to_right():
    mirrored = 0
    for image in augmented(["mirror"]):
        flipped = bool(image[0, 0, 1] == SIZE - 1)
        mirrored += flipped
        assert torch.equal(image, PLACES.long().flip(1) if flipped else PLACES.long())
    assert 160 < mirrored < 240


def test_with_mirror_added_crops_stay_what_they_were():
    mirrored = augmented(["mirror"])[:, 0, 0, 1] == SIZE - 1
    crops, both = augmented(["crop"]), augmented(["crop", "mirror"])
    expected = torch.where(mirrored[:, None, None, None], crops.flip(2), crops)
    assert torch.equal(both, expected)


def test_augmentation_is_of_the_stream_and_the_epoch():
    first = augmented(["crop"])
    assert torch.equal(augmented(["crop"]), first)
    assert not torch.equal(augmented(["crop"], number=1), first)
    assert not torch.equal(augmented(["crop"], Stream("base", "random0", 0, "B")), first)


def test_an_augmented_epoch_shows_the_images_in_the_same_order():
    images = numbered(40)
    steps = list(batches.shuffled(images, 8, ["crop", "mirror"], STREAM, 0))
    assert torch.cat([labels for _, labels in steps]).tolist() == order(images)
    for step, labels in steps:
        assert torch.equal(step[:, 0, 0, 0].long(), labels)


STORE_LABELS = np.repeat(np.arange(6, dtype=np.int32), (30, 40, 50, 30, 30, 35))
STORE_IMAGES = np.broadcast_to(
    np.arange(len(STORE_LABELS), dtype=np.uint8)[:, None, None, None], (215, 2, 2, 3)
)


def chosen(per_class: int | None, stream: Stream = STREAM, classes: tuple = (4, 1, 2)) -> ImageSet:
    return batches.image_set(STORE_IMAGES, STORE_LABELS, classes, CPU, per_class, stream)


def test_the_images_of_some_classes_are_labelled_within_the_half():
    found = chosen(None)
    assert found.classes.tolist() == [1, 2, 4]
    assert found.indices.tolist() == [*range(30, 120), *range(150, 180)]
    assert np.array_equal(found.images[:, 0, 0, 0].numpy(), found.indices)
    assert np.array_equal(found.classes[found.labels.numpy()], STORE_LABELS[found.indices])


def test_fewer_images_a_class_are_balanced_and_always_among_more():
    sets = {count: chosen(count) for count in (5, 10, 30)}
    for count, found in sets.items():
        assert np.bincount(found.labels.numpy()).tolist() == [count] * 3
        assert np.array_equal(found.images[:, 0, 0, 0].numpy(), found.indices)
        assert (np.diff(found.indices) > 0).all()
    assert set(sets[5].indices) < set(sets[10].indices) < set(sets[30].indices)
    assert sets[30].indices[-30:].tolist() == list(range(150, 180))


def test_which_images_represent_a_class_is_drawn_from_the_stream():
    assert np.array_equal(chosen(10).indices, chosen(10).indices)
    other = Stream("treatment", "random0", 1, "B")
    assert not np.array_equal(chosen(10, other).indices, chosen(10).indices)


def test_a_class_with_too_few_images_is_refused():
    with pytest.raises(ValueError, match=r"target_sizes: class 3 has fewer than 31"):
        chosen(31, classes=(1, 3, 5))


def test_a_last_class_with_too_few_images_is_refused():
    with pytest.raises(ValueError, match=r"target_sizes: class 4 has fewer than 31"):
        chosen(31)


def test_normalised_images_have_mean_0_and_deviation_1_in_each_channel():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 100, (50, 8, 8, 3), generator=generator).to(torch.uint8)
    images += torch.tensor([0, 50, 120], dtype=torch.uint8)
    normalised = batches.Normalise(images)(images)
    assert normalised.shape == (50, 3, 8, 8)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    for channel in range(3):
        values = normalised[:, channel].double()
        assert values.mean().item() == pytest.approx(0, abs=1e-5)
        assert values.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(
        normalised[3, :, 2, 5] * images.float().std((0, 1, 2)) + images.float().mean((0, 1, 2)),
        images[3, 2, 5].float(),
        atol=0.01,
    )


def test_one_colour_alone_is_only_centred():
    images = torch.full((4, 2, 2, 3), 7, dtype=torch.uint8)
    assert torch.equal(batches.Normalise(images)(images), torch.zeros(4, 3, 2, 2))


def test_each_purpose_draws_other_numbers():
    purposes = [("layer", "conv1"), ("layer", "conv2"), ("order", 0), ("order", 1), ("augment", 0)]
    numbers = [STREAM.number(*purpose) for purpose in purposes]
    assert len(set(numbers)) == len(purposes)
    assert all(0 <= number < 2**63 for number in numbers)
    drawn = torch.rand(3, generator=STREAM.generator("order", 0))
    assert torch.equal(torch.rand(3, generator=STREAM.generator("order", 0)), drawn)
