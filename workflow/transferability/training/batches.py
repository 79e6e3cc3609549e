"""Which images, in which order, a batch at a time."""

from collections.abc import Iterator

import torch

from transferability.storage import signals
from transferability.training.data import ImageSet
from transferability.training.rng import Stream


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
