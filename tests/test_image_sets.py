"""The images of a half: which they are, and that memory does not grow with them."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from transferability.training import data
from transferability.training.data import ImageSet
from transferability.training.rng import Stream

CPU = torch.device("cpu")
STREAM = Stream("treatment", "random0", 0, "B")
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


def test_fewer_images_a_class_are_balanced_and_always_among_more():
    sets = {count: chosen(count) for count in (5, 10, 30)}
    for count, found in sets.items():
        assert np.bincount(found.labels.numpy()).tolist() == [count] * 3
        assert np.array_equal(pixels(found)[:, 0, 0, 0].numpy(), found.indices)
        assert (np.diff(found.indices) > 0).all()
    assert set(sets[5].indices) < set(sets[10].indices) < set(sets[30].indices)
    assert sets[30].indices[-30:].tolist() == list(range(150, 180))
    other = chosen(10, Stream("treatment", "random0", 1, "B"))
    assert not np.array_equal(other.indices, sets[10].indices)


@pytest.mark.parametrize(("classes", "name"), [((1, 3, 5), "d"), ((4, 1, 2), "e")])
def test_a_class_with_too_few_images_is_refused(classes, name):
    with pytest.raises(ValueError, match=f"target_sizes: the class '{name}' has 30 .* than 31"):
        chosen(31, classes=classes)


def test_images_lie_on_the_device_if_they_fit_there():
    size = 120 * 2 * 2 * 3
    assert isinstance(chosen(None, room=size).images, torch.Tensor)
    assert isinstance(chosen(None, room=size - 1).images, np.ndarray)


@pytest.mark.parametrize("batch_size", [1, 7, 40, 1000])
@pytest.mark.parametrize("ordered", [True, False])
def test_mapped_images_come_as_resident_ones_do(batch_size, ordered):
    order = None if ordered else torch.randperm(120, generator=STREAM.generator("order", 0))[:100]
    resident = list(chosen(None).batches(batch_size, order))
    mapped = list(chosen(None, room=0).batches(batch_size, order))
    assert [len(batch) for batch in mapped] == [len(batch) for batch in resident]
    assert len(mapped[0]) == min(batch_size, 120 if ordered else 100)
    for some, others in zip(mapped, resident, strict=True):
        assert torch.equal(some, others)


def test_readers_end_with_the_batches_that_nobody_wants_any_more():
    batches = chosen(None, room=0).batches(1)
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("reader")]


# Prints how many bytes of a mapped file a process holds, at most, while it reads all of it, and by
# how many its own memory grows with a half's images.
MEASURE = """
import sys
from pathlib import Path
import numpy as np, torch
from transferability.training import data as image_sets

def held(word, file="", lines="/proc/self/smaps"):
    lines = Path(lines).read_text().splitlines()
    here = next(k for k, line in enumerate(lines) if line.endswith(file))
    return next(int(line.split()[1]) * 1024 for line in lines[here:] if line.startswith(word))

def own():
    return held("RssAnon:", lines="/proc/self/status")

images = np.load(sys.argv[1], mmap_mode="r")
labels = np.repeat(np.arange(4, dtype=np.int32), len(images) // 4)
blocks = image_sets.blocks(images, np.arange(len(images)))
of_file = max(held("Rss:", sys.argv[1]) for _ in blocks)
before = most = own()
found = image_sets.image_set(images, labels, [1, 2, 3], torch.device("cpu"), int(sys.argv[2]))
most = max(most, own())
for batch in found.batches(64, torch.randperm(len(found))):
    most = max(most, own())
print(of_file, most - before)
"""


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells")
def test_memory_does_not_grow_with_images_that_are_mapped(tmp_path):
    file, shape = tmp_path / "images.npy", (32000, 64, 64, 3)
    np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape).flush()
    growth = {}
    for room in (0, 10**9):
        command = [sys.executable, "-c", MEASURE, str(file), str(room)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        held, growth[room] = map(int, done.stdout.split())
        # Of 390 MB the few blocks that are read ahead, and what the system maps around them.
        assert held < 25e6
    half = 24000 * 64 * 64 * 3
    assert growth[10**9] >= half
    # The readers and their batches, of less than a MB each here.
    assert growth[0] < half / 4
