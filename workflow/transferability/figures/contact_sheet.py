"""Images as the networks see them, one row for each class."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from transferability.figures import style


@style.styled(at_least=style.WIDTH)
def contact_sheet(
    blocks: Mapping[str, Sequence[tuple[str, Sequence[np.ndarray]]]], note: str
) -> Figure:
    """A block for each half. It has the name of each class, and its training and validation images,
    each n×h×w×3 uint8."""
    rows = max(map(len, blocks.values()))
    shown = [images for classes in blocks.values() for _, images in classes]
    counts = [max(len(images[part]) for images in shown) for part in (0, 1)]
    tile = style.room() / len(blocks) / (sum(counts) + 2.2)
    figure = style.new_figure(0.7 + rows * tile)
    grid = figure.subplots(1, len(blocks), squeeze=False)[0]
    for axes, (name, classes) in zip(grid, blocks.items(), strict=True):
        size = classes[0][1][0].shape[1]
        step = size + max(1, size // 12)
        picture = np.full((rows * step, sum(counts) * step, 3), 255, np.uint8)
        for row, (_, (training, validation)) in enumerate(classes):
            columns = [*enumerate(training), *enumerate(validation, counts[0])]
            for column, image in columns:
                top, left = row * step, column * step
                picture[top : top + size, left : left + size] = image
        axes.imshow(picture, interpolation="nearest" if size < 100 else "antialiased")
        axes.set_yticks(
            [(row + 0.5) * step for row in range(len(classes))],
            [label for label, _ in classes],
        )
        places = [counts[0] / 2 * step, (counts[0] + counts[1] / 2) * step]
        axes.set_xticks(places, ["training", "validation"])
        axes.xaxis.tick_top()
        between = counts[0] * step - (step - size) / 2
        axes.vlines(between, 0, len(classes) * step, color=style.INK, lw=style.scaled(0.8))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(name)
    style.note(figure, note)
    return figure
