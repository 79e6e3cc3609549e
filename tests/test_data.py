"""The images of a half: selection, order, and memory that does not grow with their number."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from transferability.study import networks
from transferability.training import data, processes
from transferability.training.data import ImageSet
from transferability.training.rng import Stream

CPU = torch.device("cpu")
STREAMS = (
    Stream("treatment", "random0", 0, "B"),
    Stream("base", "random0", 0, "B"),
    Stream("treatment", "random1", 0, "B"),
    Stream("treatment", "random0", 1, "B"),
    Stream("treatment", "random0", 0, "A"),
)
STREAM = STREAMS[0]


def numbered(count: int, size: int = 4) -> ImageSet:
    """Images whose pixels and labels are their number."""
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
def test_an_epoch_uses_each_image_once_in_whole_batches(count, steps):
    batches = epoch(numbered(count))
    assert [len(labels) for _, labels, _ in batches] == steps
    assert networks.steps_per_epoch(count, 8) == len(steps)
    assert [first for *_, first in batches] == [8 * i for i in range(len(steps))]
    for images, labels, _ in batches:
        assert images.shape[1:] == (4, 4, 3)
        assert torch.equal(images[:, 0, 0, 0].long(), labels)
    # Images that one epoch leaves out are in another.
    orders = [order(numbered(count), number=number) for number in range(5)]
    assert all(len({*seen}) == len(seen) == sum(steps) for seen in orders)
    assert len(set().union(*orders)) == count


def test_the_order_depends_on_the_stream_and_the_epoch():
    images = numbered(40)
    assert order(images) == order(images)
    assert order(images) != list(range(40))
    assert order(images, number=1) != order(images)
    assert order(images, stream=STREAMS[1]) != order(images)


def test_ordered_images_are_complete_and_in_store_order():
    images = torch.cat(list(data.ordered(numbered(21), 8)))
    assert images[:, 0, 0, 0].tolist() == list(range(21))


def test_a_process_with_fewer_batches_checks_signals_as_often(monkeypatch):
    looks = []
    monkeypatch.setattr(processes, "highest", lambda batches: batches + 1)
    monkeypatch.setattr(processes, "check_signals", lambda: looks.append(1))
    assert len(torch.cat(list(data.ordered(numbered(21), 8)))) == 21
    assert len(looks) == 4


def test_the_order_does_not_depend_on_the_batch_size():
    images = numbered(47)
    orders = [order(images, batch_size=size) for size in (3, 8, 20)]
    shortest = min(map(len, orders))
    assert all(found[:shortest] == orders[0][:shortest] for found in orders)


def test_the_rest_of_an_epoch_is_its_last_batches():
    images = numbered(47)
    whole, left = epoch(images), list(data.shuffled(images, 8, STREAM, 0, first_step=3))
    assert len(left) == 2
    for (pixels, labels, here), (others, other_labels, there) in zip(whole[3:], left, strict=True):
        assert torch.equal(pixels, others)
        assert torch.equal(labels, other_labels)
        assert here == there


def test_each_purpose_of_each_stream_has_its_own_numbers():
    purposes = [("layer", "conv1"), ("layer", "conv2"), ("order", 0), ("order", 1), ("augment", 0)]
    numbers = [stream.number(*purpose) for stream in STREAMS for purpose in purposes]
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 2**63 for number in numbers)
    drawn = torch.rand(3, generator=STREAM.generator("order", 0))
    assert torch.equal(torch.rand(3, generator=STREAM.generator("order", 0)), drawn)


STORE_LABELS = np.repeat(np.arange(6, dtype=np.int32), (30, 40, 50, 30, 30, 35))
STORE_IMAGES = np.broadcast_to(
    np.arange(len(STORE_LABELS), dtype=np.uint8)[:, None, None, None], (215, 2, 2, 3)
)
ALL = 10**6


def chosen(
    per_class: int | None, stream: Stream = STREAM, classes: tuple = (4, 1, 2), room: int = ALL
) -> ImageSet:
    return data.image_set(
        STORE_IMAGES, STORE_LABELS, classes, CPU, room, per_class, stream, "abcdef"
    )


def pixels(images: ImageSet) -> torch.Tensor:
    return torch.cat(list(images.batches(7)))


def test_the_images_of_some_classes_are_labelled_within_the_half():
    found = chosen(None)
    assert found.classes.tolist() == [1, 2, 4]
    assert found.indices.tolist() == [*range(30, 120), *range(150, 180)]
    assert np.array_equal(pixels(found)[:, 0, 0, 0].numpy(), found.indices)
    assert np.array_equal(found.classes[found.labels.numpy()], STORE_LABELS[found.indices])


def test_smaller_image_sets_are_balanced_and_nested():
    sets = {count: chosen(count) for count in (5, 10, 30)}
    for count, found in sets.items():
        assert np.bincount(found.labels.numpy()).tolist() == [count] * 3
        assert np.array_equal(pixels(found)[:, 0, 0, 0].numpy(), found.indices)
        assert (np.diff(found.indices) > 0).all()
    assert set(sets[5].indices) < set(sets[10].indices) < set(sets[30].indices)
    assert sets[30].indices[-30:].tolist() == list(range(150, 180))
    other = chosen(10, STREAMS[3])
    assert not np.array_equal(other.indices, sets[10].indices)


@pytest.mark.parametrize(("classes", "name"), [((1, 3, 5), "d"), ((4, 1, 2), "e")])
def test_a_class_with_too_few_images_is_refused(classes, name):
    with pytest.raises(ValueError, match=f"target_sizes: the class '{name}' has 30 .* than 31"):
        chosen(31, classes=classes)


def test_images_are_on_the_device_if_they_fit():
    size = 120 * 2 * 2 * 3
    assert isinstance(chosen(None, room=size).images, torch.Tensor)
    assert isinstance(chosen(None, room=size - 1).images, np.ndarray)


@pytest.mark.parametrize("batch_size", [1, 7, 40, 1000])
@pytest.mark.parametrize("ordered", [True, False])
def test_mapped_images_equal_resident_ones(batch_size, ordered):
    order = None if ordered else torch.randperm(120, generator=STREAM.generator("order", 0))[:100]
    resident = list(chosen(None).batches(batch_size, order))
    mapped = list(chosen(None, room=0).batches(batch_size, order))
    assert [len(batch) for batch in mapped] == [len(batch) for batch in resident]
    assert len(mapped[0]) == min(batch_size, 120 if ordered else 100)
    assert all(map(torch.equal, mapped, resident))


def test_readers_end_when_no_more_batches_are_read():
    batches = chosen(None, room=0).batches(1)
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("reader")]


# Prints the peak of resident bytes of a mapped file while a process reads all of it, and the growth
# of the process's own memory with the images of a half.
MEASURE = """
import sys
from pathlib import Path
import numpy as np, torch
from transferability.training import data as image_sets

def held(word, file="", lines="/proc/self/smaps"):
    lines = Path(lines).read_text().splitlines()
    here = next(k for k, line in enumerate(lines) if line.endswith(file))
    return next(int(line.split()[1]) * 1024 for line in lines[here:] if line.startswith(word))

def anonymous():
    return held("RssAnon:", lines="/proc/self/status")

images = np.load(sys.argv[1], mmap_mode="r")
labels = np.repeat(np.arange(4, dtype=np.int32), len(images) // 4)
blocks = image_sets.blocks(images, np.arange(len(images)))
of_file = max(held("Rss:", sys.argv[1]) for _ in blocks)
before = most = anonymous()
found = image_sets.image_set(images, labels, [1, 2, 3], torch.device("cpu"), int(sys.argv[2]))
most = max(most, anonymous())
for batch in found.batches(64, torch.randperm(len(found))):
    most = max(most, anonymous())
print(of_file, most - before)
"""


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells")
def test_memory_does_not_grow_with_mapped_images(tmp_path):
    file, shape = tmp_path / "images.npy", (32000, 64, 64, 3)
    np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape).flush()
    growth = {}
    for room in (0, 10**9):
        command = [sys.executable, "-c", MEASURE, str(file), str(room)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        held, growth[room] = map(int, done.stdout.split())
        # Of 390 MB, only the few blocks read ahead, and the pages the system maps with them.
        assert held < 25e6
    half = 24000 * 64 * 64 * 3
    assert growth[10**9] >= half
    # The readers and their batches, less than a MB each here.
    assert growth[0] < half / 4
