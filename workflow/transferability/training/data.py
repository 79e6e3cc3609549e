"""The images of one half: which they are, where they lie, and in which order they come.

They lie on the device if they fit there. Otherwise they stay in the store and a few threads read
ahead, so that memory does not grow with the dataset. Both give the same bits.
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
"""Threads that read from a store, and batches that are read ahead. They mostly wait for the disk:
numpy gathers, and the system reads, without holding up Python."""

BLOCK_BYTES = 2**21
"""A half is read through in blocks of about this size, which a processor's cache still holds."""


@dataclass(frozen=True)
class ImageSet:
    """The images of one half.

    `images`, on the device: N×H×W×3 uint8, or features N×… of a float type; or the store's
    memory-mapped array, of which they are those at `indices`. `labels` N int64 on the device,
    counted within the half; `indices` N, where each image stands in the store; `classes`, the
    store's index of each of the half's classes.
    """

    images: torch.Tensor | np.ndarray
    labels: torch.Tensor
    indices: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, batch_size: int, order: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """The images in an order (int64, on the CPU), or in that of the store, on the device, a
        batch at a time; the last may be smaller."""
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

    With `images_per_class`, so many images of each class, drawn from the stream; a smaller number
    takes a part of those that a larger one takes. Raises ValueError, with the class's name of the
    store's `names`, if it has fewer.
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
    """One epoch of training in the stream's order, from a step on: of each step the images, the
    labels, and the place of the first image in the epoch's order.

    Images that do not fill a last batch are left out, others in each epoch. With `share`, only the
    images at these places of each batch are given.
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
    """The images in store order, a batch at a time; the last may be smaller.

    Raises Interrupted before the next batch if a signal has come to any of the processes, all of
    which have to ask for batches, of the same images or of their shares.
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

    Raises Interrupted before the next block if a signal has come.
    """
    is_mapped = isinstance(images.base, mmap.mmap) and not images.flags.writeable
    for block in read_ahead(images, indices, max(1, BLOCK_BYTES // images[:1].nbytes)):
        signals.check()
        yield block
        # The system may take the file's pages back, or keep them as long as it has room.
        if is_mapped and hasattr(mmap, "MADV_DONTNEED"):
            images.base.madvise(mmap.MADV_DONTNEED)


def read_ahead(
    images: np.ndarray, indices: np.ndarray, batch_size: int, pinned: bool = False
) -> Iterator[torch.Tensor]:
    """The images at `indices` in batches (b×H×W×3 uint8, on the CPU), read while others are in
    use; pinned ones are copied to CUDA without holding up the processor."""
    # A plain array: a memory map looks for more at each read, which takes time.
    images = np.asarray(images)

    def read(chosen: np.ndarray, batch: torch.Tensor) -> torch.Tensor:
        # Out of bounds is not possible here; to look for it would take another copy.
        np.take(images, chosen, axis=0, out=batch.numpy(), mode="clip")
        return batch

    readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
    try:
        ahead: deque = deque()
        for start in range(0, len(indices), batch_size):
            chosen = indices[start : start + batch_size]
            shape = (len(chosen), *images.shape[1:])
            # Here, since memory that each reader asks for would be kept for each of them.
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
    """The batches on the device; on CUDA each is copied while the work on the one before, which was
    queued by whoever took it, still goes on."""
    if device.type != "cuda":
        yield from (batch.to(device) for batch in batches)
        return
    copying, working = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    for batch in batches:
        with torch.cuda.stream(copying):
            batch = batch.to(device, non_blocking=True)
        working.wait_stream(copying)
        # It was allocated on the stream of copies, which must not give it away while it is in use.
        batch.record_stream(working)
        yield batch
