"""Which images, in which order."""

import numpy as np
import pytest
import torch

from transferability.study import networks
from transferability.training import data, processes
from transferability.training.data import ImageSet
from transferability.training.rng import Stream

STREAM = Stream("treatment", "random0", 0, "B")


def numbered(count: int, size: int = 4) -> ImageSet:
    """Images whose pixels are their own number, labelled with it."""
    numbers = torch.arange(count)
    images = numbers.to(torch.uint8)[:, None, None, None].expand(count, size, size, 3).contiguous()
    return ImageSet(images, numbers, np.arange(count), np.arange(count))


def epoch(images: ImageSet, batch_size: int = 8, stream: Stream = STREAM, number: int = 0):
    return list(data.shuffled(images, batch_size, stream, number))


def order(*arguments: object, **named: object) -> list[int]:
    return torch.cat([labels for _, labels, _ in epoch(*arguments, **named)]).tolist()


@pytest.mark.parametrize(
    ("count", "steps"), [(40, [8] * 5), (47, [8] * 5), (8, [8]), (5, [5]), (1, [1])]
)
def test_an_epoch_shows_each_image_once_but_for_what_fills_no_batch(count, steps):
    batches = epoch(numbered(count))
    assert [len(labels) for _, labels, _ in batches] == steps
    assert networks.steps_per_epoch(count, 8) == len(steps)
    assert [first for *_, first in batches] == [8 * i for i in range(len(steps))]
    for images, labels, _ in batches:
        assert images.shape[1:] == (4, 4, 3)
        assert torch.equal(images[:, 0, 0, 0].long(), labels)
    # What an epoch leaves out, another shows.
    orders = [order(numbered(count), number=number) for number in range(5)]
    assert all(len({*seen}) == len(seen) == sum(steps) for seen in orders)
    assert len(set().union(*orders)) == count


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
    images = torch.cat(list(data.ordered(numbered(21), 8)))
    assert images[:, 0, 0, 0].tolist() == list(range(21))


def test_a_process_with_a_batch_less_looks_for_signals_as_often_as_the_others(monkeypatch):
    looks = []
    monkeypatch.setattr(processes, "highest", lambda batches: batches + 1)
    monkeypatch.setattr(processes, "check_signals", lambda: looks.append(1))
    assert len(torch.cat(list(data.ordered(numbered(21), 8)))) == 21
    assert len(looks) == 4


def test_the_order_does_not_depend_on_the_batch_size():
    images = numbered(47)
    orders = [order(images, batch_size=size) for size in (3, 8, 20)]
    shortest = min(map(len, orders))
    assert all(some[:shortest] == orders[0][:shortest] for some in orders)


def test_what_is_left_of_an_epoch_is_what_came_last():
    images = numbered(47)
    whole, left = epoch(images), list(data.shuffled(images, 8, STREAM, 0, first_step=3))
    assert len(left) == 2
    for (pixels, labels, here), (others, other_labels, there) in zip(whole[3:], left, strict=True):
        assert torch.equal(pixels, others)
        assert torch.equal(labels, other_labels)
        assert here == there


def test_each_purpose_draws_other_numbers():
    purposes = [("layer", "conv1"), ("layer", "conv2"), ("order", 0), ("order", 1), ("augment", 0)]
    numbers = [STREAM.number(*purpose) for purpose in purposes]
    assert len(set(numbers)) == len(purposes)
    assert all(0 <= number < 2**63 for number in numbers)
    drawn = torch.rand(3, generator=STREAM.generator("order", 0))
    assert torch.equal(torch.rand(3, generator=STREAM.generator("order", 0)), drawn)
