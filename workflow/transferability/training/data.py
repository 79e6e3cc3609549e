"""The images of one half: which they are, where they lie, how they come to the device.

They lie whole on the device if they fit there; otherwise they stay in the store, and a few threads
read ahead, so that memory does not grow with the dataset. Both give the same bits.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from transferability.storage import signals
from transferability.training import device as devices
from transferability.training.rng import Stream

READERS = 4
"""Threads that read from a store, and batches that are read ahead. They mostly wait for the disk:
numpy gathers, and the system reads, without holding up Python."""

BLOCK_BYTES = 2**21
"""A half is read through in blocks of about this size, which a processor's cache still holds."""


@dataclass(frozen=True)
class Resident:
    """Images (N×H×W×3 uint8) or features (N×… of a float type) that lie on the device."""

    tensor: torch.Tensor

    def batches(self, batch_size: int, order: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """The images in an order (int64, on the CPU), or in that of the store, on the device, a
        batch at a time; the last may be smaller."""
        if order is None:
            yield from self.tensor.split(batch_size)
            return
        for chosen in order.to(self.tensor.device).split(batch_size):
            yield self._gathered(chosen)

    def _gathered(self, chosen: torch.Tensor) -> torch.Tensor:
        if self.tensor.device.type != "cpu" or self.tensor.dtype != torch.uint8:
            return self.tensor.index_select(0, chosen)
        batch = _empty((len(chosen), *self.tensor.shape[1:]), pinned=False)
        if not devices.one_by_one(self.tensor.device, batch.shape[1:3]):
            return torch.index_select(self.tensor, 0, chosen, out=batch)

        def gather(numbers: range) -> None:
            some = slice(numbers.start, numbers.stop)
            torch.index_select(self.tensor, 0, chosen[some], out=batch[some])

        devices.share(gather, len(chosen))
        return batch


@dataclass(frozen=True)
class Mapped:
    """Images that stay in the store: those at `indices` of its memory-mapped array."""

    array: np.ndarray
    indices: np.ndarray
    device: torch.device

    def batches(self, batch_size: int, order: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """As `Resident.batches` gives them."""
        indices = self.indices if order is None else self.indices[order.numpy()]
        starts = range(0, len(indices), batch_size)
        batches = (indices[start : start + batch_size] for start in starts)
        return _copied_to(self.device, read_ahead(self.array, batches, self.device.type == "cuda"))


@dataclass(frozen=True)
class ImageSet:
    """The images of one half.

    `labels` N int64 on the device, counted within the half; `indices` N, where each image stands
    in the store; `classes`, the store's index of each of the half's classes.
    """

    images: Resident | Mapped
    labels: torch.Tensor
    indices: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def resident_bytes(self) -> int:
        """What they take of the device's memory."""
        return self.images.tensor.nbytes if isinstance(self.images, Resident) else 0


def image_set(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[int],
    device: torch.device,
    room: int,
    images_per_class: int | None = None,
    stream: Stream | None = None,
) -> ImageSet:
    """The images of some classes of a store (`images` uint8 N×H×W×3, `labels` int32 N), on the
    device if they fit into `room` bytes.

    With `images_per_class` a class is represented by so many, drawn from the stream; fewer are
    always among more.
    """
    classes = np.sort(np.asarray(classes))
    indices = np.flatnonzero(np.isin(labels, classes))
    if images_per_class is not None:
        indices = _represented(indices, labels, classes, images_per_class, stream)
    fits = image_bytes(images) * len(indices) <= room
    return ImageSet(
        images=resident(images, indices, device) if fits else Mapped(images, indices, device),
        labels=torch.from_numpy(np.searchsorted(classes, labels[indices])).to(device),
        indices=indices,
        classes=classes,
    )


def _represented(
    indices: np.ndarray,
    labels: np.ndarray,
    classes: np.ndarray,
    images_per_class: int,
    stream: Stream,
) -> np.ndarray:
    """Of the images at `indices`, so many of each class, drawn from the stream."""
    shuffled = indices[torch.randperm(len(indices), generator=stream.generator("images"))]
    # A stable sort by class keeps the drawn order within each class.
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    firsts = np.searchsorted(labels[shuffled], classes)
    chosen = [shuffled[first : first + images_per_class] for first in firsts]
    for label, some in zip(classes, chosen, strict=True):
        if np.count_nonzero(labels[some] == label) < images_per_class:
            raise ValueError(
                f"target_sizes: class {label} has fewer than {images_per_class} training images"
            )
    return np.sort(np.concatenate(chosen))


def image_bytes(images: np.ndarray) -> int:
    """The size of one image of a store."""
    return images.itemsize * int(np.prod(images.shape[1:]))


def resident(images: np.ndarray, indices: np.ndarray, device: torch.device) -> Resident:
    """The images at `indices`, copied to the device."""
    tensor = torch.empty((len(indices), *images.shape[1:]), dtype=torch.uint8, device=device)
    filled = 0
    for block in blocks(images, indices):
        tensor[filled : filled + len(block)] = block
        filled += len(block)
    return Resident(tensor)


def blocks(images: np.ndarray, indices: np.ndarray) -> Iterator[torch.Tensor]:
    """The images at `indices`, in that order, in blocks of bounded size on the CPU.

    Raises Interrupted before the next block if a signal has come.
    """
    length = max(1, BLOCK_BYTES // image_bytes(images))
    starts = range(0, len(indices), length)
    for block in read_ahead(images, (indices[start : start + length] for start in starts)):
        signals.check()
        yield block
        devices.give_back_pages(images)
    devices.forget_free()


def read_ahead(
    images: np.ndarray, batches: Iterable[np.ndarray], pinned: bool = False
) -> Iterator[torch.Tensor]:
    """Batches of images (b×H×W×3 uint8, on the CPU) by their indices, read while others are in
    use; pinned ones are copied to CUDA without holding up the processor."""
    # A plain array: to look for what a memory map has beside one takes time at each read.
    images = np.asarray(images)

    def read(indices: np.ndarray, batch: torch.Tensor) -> torch.Tensor:
        # Out of bounds is not possible here; to look for it would take another copy.
        np.take(images, indices, axis=0, out=batch.numpy(), mode="clip")
        return batch

    readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
    try:
        ahead: deque = deque()
        for indices in batches:
            batch = _empty((len(indices), *images.shape[1:]), pinned)
            ahead.append(readers.submit(read, indices, batch))
            if len(ahead) > READERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        readers.shutdown(cancel_futures=True)


def _empty(shape: tuple[int, ...], pinned: bool) -> torch.Tensor:
    """Memory for a batch."""
    if pinned:
        return torch.empty(shape, dtype=torch.uint8, pin_memory=True)
    return devices.empty(shape, torch.uint8)


def _copied_to(device: torch.device, batches: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The batches on the device; on CUDA each is copied while the one before is in use.

    A pinned batch may be let go while it is still being copied: torch's allocator of pinned memory
    waits for the copy before it gives the memory away again.
    """
    if device.type != "cuda":
        yield from (batch.to(device) for batch in batches)
        return
    copying = torch.cuda.Stream(device)
    waiting: deque = deque()
    for batch in batches:
        with torch.cuda.stream(copying):
            batch = batch.to(device, non_blocking=True)
        waiting.append((batch, copying.record_event()))
        if len(waiting) > 1:
            yield _arrived(*waiting.popleft())
    while waiting:
        yield _arrived(*waiting.popleft())


def _arrived(batch: torch.Tensor, copied: torch.cuda.Event) -> torch.Tensor:
    """The batch, for the present stream, which waits until it is copied."""
    stream = torch.cuda.current_stream(batch.device)
    stream.wait_event(copied)
    # It was allocated on the stream of copies, which must not give it away while it is in use.
    batch.record_stream(stream)
    return batch


def ordered(images: ImageSet, batch_size: int) -> Iterator[torch.Tensor]:
    """The images in store order, a batch at a time; the last may be smaller.

    Raises Interrupted before the next batch if a signal has come.
    """
    for batch in images.images.batches(batch_size):
        signals.check()
        yield batch


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Steps in an epoch: whole batches only, but at least one."""
    return max(1, images // batch_size)


def shuffled(
    images: ImageSet, batch_size: int, stream: Stream, epoch: int, first: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor, slice]]:
    """One epoch of training in the stream's order, from step `first` on: of each step the images,
    the labels, and where they stand in the epoch's order.

    Images that do not fill a last batch are left out, others each epoch.
    """
    order = torch.randperm(len(images), generator=stream.generator("order", epoch))
    start = first * batch_size
    order = order[start : steps_per_epoch(len(images), batch_size) * batch_size]
    labels = images.labels[order.to(images.labels.device)].split(batch_size)
    for some, batch in zip(labels, images.images.batches(batch_size, order), strict=True):
        yield batch, some, slice(start, start + len(some))
        start += len(some)
