"""Which images, in which order, augmented how: on the device, a batch at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from transferability import devices
from transferability.streams import Stream

CROP_SHARE = 8
"""A crop shifts the image by up to its size divided by this, in pixels each way."""


@dataclass(frozen=True)
class ImageSet:
    """The images of one half, all of them on the device.

    `images` N×H×W×3 uint8; `labels` N int64, counted within the half; `indices` N, where each
    image stands in the store; `classes`, the store's index of each of the half's classes.
    """

    images: torch.Tensor
    labels: torch.Tensor
    indices: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def image_set(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[int],
    device: torch.device,
    images_per_class: int | None = None,
    stream: Stream | None = None,
) -> ImageSet:
    """The images of some classes of a store (`images` uint8 N×H×W×3, `labels` int32 N).

    With `images_per_class` a class is represented by so many, drawn from the stream; fewer are
    always among more.
    """
    classes = np.sort(np.asarray(classes))
    indices = np.flatnonzero(np.isin(labels, classes))
    if images_per_class is not None:
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
        indices = np.sort(np.concatenate(chosen))
    return ImageSet(
        images=torch.from_numpy(images[indices]).to(device),
        labels=torch.from_numpy(np.searchsorted(classes, labels[indices])).to(device),
        indices=indices,
        classes=classes,
    )


def channels_first(images: torch.Tensor) -> torch.Tensor:
    """N×H×W×C → N×C×H×W, as layers take it; the memory stays in channels-last order where
    `devices.memory_format` says that this is fast and right."""
    images = images.permute(0, 3, 1, 2)
    return images.contiguous(memory_format=devices.memory_format(images.device))


class Normalise(nn.Module):
    """N×H×W×3 uint8 → N×3×H×W float32, with mean 0 and standard deviation 1 in each channel over
    the images from which it was made."""

    def __init__(self, images: torch.Tensor):
        super().__init__()
        counts = [torch.bincount(images[..., c].flatten(), minlength=256) for c in range(3)]
        # On the CPU, since not every device knows double precision.
        counts = torch.stack(counts).cpu().double()
        values = torch.arange(256, dtype=torch.float64)
        share = counts / counts.sum(1, keepdim=True)
        mean = (share * values).sum(1)
        deviation = ((share * values**2).sum(1) - mean**2).clamp_min(0).sqrt()
        self.register_buffer("mean", mean.float())
        # One colour alone has no deviation; it is then only centred.
        self.register_buffer("scale", (1 / deviation.clamp_min(1)).float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return channels_first(images.float().sub_(self.mean).mul_(self.scale))


def ordered(images: ImageSet, batch_size: int) -> Iterator[torch.Tensor]:
    """The images in store order, a batch at a time; the last may be smaller."""
    yield from images.images.split(batch_size)


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Steps in an epoch: whole batches only, but at least one."""
    return max(1, images // batch_size)


def shuffled(
    images: ImageSet, batch_size: int, augment: Sequence[str], stream: Stream, epoch: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One epoch of training: (images, labels) of each step, in the stream's order and augmentation.

    Images that do not fill a last batch are left out, others each epoch.
    """
    device = images.images.device
    order = torch.randperm(len(images), generator=stream.generator("order", epoch)).to(device)
    augmentation = Augmentation(augment, images.images, stream, epoch) if augment else None
    for step in range(steps_per_epoch(len(images), batch_size)):
        here = slice(step * batch_size, (step + 1) * batch_size)
        chosen = order[here]
        if augmentation is None:
            yield images.images.index_select(0, chosen), images.labels[chosen]
        else:
            yield augmentation(images.images, chosen, here), images.labels[chosen]


class Augmentation:
    """Random shifts and mirrors of one epoch, drawn for all its images at once.

    A shifted image is continued with its own border pixels.
    """

    def __init__(self, augment: Sequence[str], images: torch.Tensor, stream: Stream, epoch: int):
        count, height, width = images.shape[:3]
        share = CROP_SHARE if "crop" in augment else max(height, width) + 1
        reach = torch.tensor([height, width]) // share
        # Numbers are drawn whether they are used or not: with one kind of augmentation taken away,
        # the others stay as they were.
        uniform = torch.rand(count, 3, generator=stream.generator("augment", epoch))
        shift = (uniform[:, :2] * (2 * reach + 1)).long() - reach
        mirrored = (uniform[:, 2] < 0.5) & ("mirror" in augment)
        columns = torch.arange(width)
        columns = torch.where(mirrored[:, None], columns.flip(0), columns) + shift[:, 1:]
        rows = torch.arange(height) + shift[:, :1]
        self.rows = rows.clamp_(0, height - 1).to(images.device)
        self.columns = columns.clamp_(0, width - 1).to(images.device)

    def __call__(self, images: torch.Tensor, chosen: torch.Tensor, here: slice) -> torch.Tensor:
        """The chosen images, b×H×W×3, with the draws that stand at `here` in the epoch's order."""
        return images[chosen[:, None, None], self.rows[here, :, None], self.columns[here, None, :]]
