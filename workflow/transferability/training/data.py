"""The images of one half: their selection, their place in memory, and their order.

The images are on the device if they fit there. Otherwise they stay in the store, and a few threads
read ahead, so that memory does not grow with the dataset. Both give the same bits.
"""

import itertools
import mmap
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from transferability.storage import signals
from transferability.study.networks import steps_per_epoch
from transferability.training import processes
from transferability.training.rng import Stream

READERS = 4
"""The number of threads that read from a store, and of batches that are read ahead. The threads
mostly wait for the disk; numpy releases Python's lock while it gathers images."""

BLOCK_BYTES = 2**21
"""The approximate size of the blocks in which a half is read; one fits into a processor's cache."""


@dataclass(frozen=True)
class ImageSet:
    """The images of one half.

    `images` is a tensor on the device, N×H×W×3 uint8 or features N×… of a float type; or it is the
    store's whole memory-mapped array, of which the half has the rows at `indices`. `labels` (N
    int64, on the device) are counted within the half. `indices` (N) are the positions of the images
    in the store. `classes` are the store's indices of the half's classes.
    """

    images: torch.Tensor | np.ndarray
    labels: torch.Tensor
    indices: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, batch_size: int, order: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """Batches of the images on the device, in the given order (int64, on the CPU) or else in
        the order of the store; the last batch may be smaller."""
        device = self.labels.device
        order = torch.arange(len(self)) if order is None else order
        if isinstance(self.images, np.ndarray):
            indices = self.indices[order.numpy()]
            batches = read_ahead(self.images, indices, batch_size, device.type == "cuda")
            yield from _copied_to(device, batches)
        else:
            for chosen in order.to(device).split(batch_size):
                yield self.images.index_select(0, chosen)


def reordered(images: ImageSet, order: torch.Tensor) -> ImageSet:
    """The images in another order (int64, on the CPU)."""
    is_resident, on_device = isinstance(images.images, torch.Tensor), order.to(images.labels.device)
    return replace(
        images,
        images=images.images[on_device] if is_resident else images.images,
        labels=images.labels[on_device],
        indices=images.indices[order.numpy()],
    )


def image_set(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[int],
    device: torch.device,
    room: int,
    images_per_class: int | None = None,
    stream: Stream | None = None,
    names: Sequence[str] | None = None,
) -> ImageSet:
    """The images of some classes of a store (`images` uint8 N×H×W×3, `labels` int32 N), on the
    device if they fit into `room` bytes.

    `images_per_class` images of each class, if given, are drawn from the stream; the images of a
    smaller number are a part of those of a larger one. Raises ValueError, with the class's name
    from the store's `names`, if a class has fewer.
    """
    classes = np.sort(np.asarray(classes))
    indices = np.flatnonzero(np.isin(labels, classes))
    if images_per_class is not None:
        drawn = indices[torch.randperm(len(indices), generator=stream.generator("images"))]
        chosen = [drawn[labels[drawn] == label][:images_per_class] for label in classes]
        for label, of_class in zip(classes, chosen, strict=True):
            if len(of_class) < images_per_class:
                raise ValueError(
                    f"target_sizes: the class {names[label]!r} has {len(of_class)} training "
                    f"images, fewer than {images_per_class}"
                )
        indices = np.sort(np.concatenate(chosen))
    fits = images[:1].nbytes * len(indices) <= room
    return ImageSet(
        images=resident(images, indices, device) if fits else images,
        labels=torch.from_numpy(np.searchsorted(classes, labels[indices])).to(device),
        indices=indices,
        classes=classes,
    )


def shuffled(
    images: ImageSet,
    batch_size: int,
    stream: Stream,
    epoch: int,
    first_step: int = 0,
    share: torch.Tensor | None = None,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """One epoch of training in the stream's order, starting at `first_step`: for each step the
    images, the labels, and the position of the first image in the epoch's order.

    Images that do not fill a last batch are left out; they differ from epoch to epoch. With
    `share`, only the images at these positions of each batch are returned.
    """
    order = torch.randperm(len(images), generator=stream.generator("order", epoch))
    first = first_step * batch_size
    order = order[first : steps_per_epoch(len(images), batch_size) * batch_size]
    given = batch_size
    if share is not None:
        order, given = torch.cat([batch[share] for batch in order.split(batch_size)]), len(share)
    labels = images.labels[order.to(images.labels.device)].split(given)
    for batch, its_labels in zip(images.batches(given, order), labels, strict=True):
        yield batch, its_labels, first
        first += batch_size


def ordered(images: ImageSet, batch_size: int) -> Iterator[torch.Tensor]:
    """Batches of the images in store order; the last may be smaller.

    Raises Interrupted before the next batch if any of the processes has received a signal. All
    processes must call this together, for the same images or for their shares.
    """
    batches = iter(images.batches(batch_size))
    # The shares of some processes may have one batch less.
    for _ in range(processes.highest(-(-len(images) // batch_size))):
        processes.check_signals()
        yield from itertools.islice(batches, 1)


def resident(images: np.ndarray, indices: np.ndarray, device: torch.device) -> torch.Tensor:
    """The images at `indices`, copied to the device."""
    tensor = torch.empty((len(indices), *images.shape[1:]), dtype=torch.uint8, device=device)
    left = tensor
    for block in blocks(images, indices):
        left[: len(block)] = block
        left = left[len(block) :]
    return tensor


def blocks(images: np.ndarray, indices: np.ndarray) -> Iterator[torch.Tensor]:
    """The images at `indices`, in that order, in blocks of bounded size on the CPU.

    Raises Interrupted before the next block if a signal was received.
    """
    is_mapped = isinstance(images.base, mmap.mmap) and not images.flags.writeable
    for block in read_ahead(images, indices, max(1, BLOCK_BYTES // images[:1].nbytes)):
        signals.check()
        yield block
        # This lets the system drop the file's pages from memory when it needs the room.
        if is_mapped and hasattr(mmap, "MADV_DONTNEED"):
            images.base.madvise(mmap.MADV_DONTNEED)


def read_ahead(
    images: np.ndarray, indices: np.ndarray, batch_size: int, pinned: bool = False
) -> Iterator[torch.Tensor]:
    """The images at `indices` in batches (b×H×W×3 uint8, on the CPU). Threads read the next batches
    while one is in use. Pinned batches are copied to CUDA without blocking the processor."""
    # A plain array, since each access to a memory map costs additional time.
    images = np.asarray(images)

    def read(chosen: np.ndarray, batch: torch.Tensor) -> torch.Tensor:
        # No index is out of bounds. To check this, numpy would need another copy.
        np.take(images, chosen, axis=0, out=batch.numpy(), mode="clip")
        return batch

    readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
    try:
        ahead: deque = deque()
        for start in range(0, len(indices), batch_size):
            chosen = indices[start : start + batch_size]
            shape = (len(chosen), *images.shape[1:])
            # Allocated here, since each reader thread would keep the memory that it allocates.
            if pinned:
                batch = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
            else:
                # numpy asks the system for large pages, which it clears faster.
                batch = torch.from_numpy(np.empty(shape, np.uint8))
            ahead.append(readers.submit(read, chosen, batch))
            if len(ahead) > READERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)


def _copied_to(device: torch.device, batches: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The batches on the device. On CUDA, each batch is copied while the GPU still works on the
    previous one."""
    if device.type != "cuda":
        yield from (batch.to(device) for batch in batches)
        return
    copying, working = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    for batch in batches:
        with torch.cuda.stream(copying):
            batch = batch.to(device, non_blocking=True)
        working.wait_stream(copying)
        # Its memory belongs to the copying stream, which must not reuse it while it is in use.
        batch.record_stream(working)
        yield batch
