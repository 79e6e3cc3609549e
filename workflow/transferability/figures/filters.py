"""The first layer's filters of each base, as pictures."""

import math

import numpy as np
from matplotlib.figure import Figure

from transferability.figures import style

BLOCKS_PER_ROW = 4


def mosaic(filters: np.ndarray) -> np.ndarray:
    """Filters (out × 3 × height × width) as one picture (height × width × 3) with white gaps.

    Each filter is scaled to its own lowest and highest value; a constant filter is grey.
    """
    low = filters.min(axis=(1, 2, 3), keepdims=True)
    span = filters.max(axis=(1, 2, 3), keepdims=True) - low
    scaled = np.where(span > 0, (filters - low) / np.where(span > 0, span, 1), 0.5)
    # Small filters are enlarged, so that the gaps look narrow.
    zoom = math.ceil(12 / scaled.shape[3])
    scaled = scaled.repeat(zoom, axis=2).repeat(zoom, axis=3)
    count, _, height, width = scaled.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    gap = max(1, round(width / 6))
    picture = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, 3))
    for place, image in enumerate(scaled.transpose(0, 2, 3, 1)):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        picture[top : top + height, left : left + width] = image
    return picture


@style.styled(at_least=style.WIDTH)
def filters(bases: dict[str, np.ndarray]) -> Figure:
    """The first-layer filters of each base, each base as a block of colour pictures with a title.

    `bases` has the weights (out × 3 × height × width) by title.
    """
    if not bases:
        none = "No base of this study has a convolution with three input channels."
        return style.empty(none)
    columns = min(BLOCKS_PER_ROW, len(bases))
    rows = math.ceil(len(bases) / columns)
    block = min(style.room() / columns, 2.6)
    figure = style.new_figure(0.4 + (block + 0.25) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, weights) in zip(grid, bases.items(), strict=False):
        axes.imshow(mosaic(np.asarray(weights, dtype=float)), interpolation="nearest")
        axes.set_title(name, loc="center")
    for axes in grid:
        axes.set_axis_off()
    style.note(figure, "Each filter is scaled to its own lowest and highest value.")
    return figure
