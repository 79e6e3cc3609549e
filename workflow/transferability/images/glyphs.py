"""The source `glyphs`: Unicode characters, drawn with the DejaVu fonts of matplotlib.

Nothing is downloaded, there are up to 1,400 classes, and validation images use typefaces that do
not occur in training. This module imports only the standard library; `glyph_drawings.py` draws.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transferability.images import DatasetInfo, ImageSource, Size
from transferability.images.glyph_characters import LETTERS, SYMBOLS, group, name, symbol_count

if TYPE_CHECKING:
    import numpy as np


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """The numbers of letters and symbols, and of images of each."""
    classes, wanted = settings["classes"], settings["symbols"]
    symbols = symbol_count(classes, wanted)
    if wanted not in (None, symbols):
        fewest, most = max(0, classes - len(LETTERS)), min(classes, len(SYMBOLS))
        raise ValueError(
            f"dataset.symbols: {wanted} of {classes} classes is not valid, since there are "
            f"{len(LETTERS)} letters and {len(SYMBOLS)} symbols; choose {fewest} to {most}, or null"
        )
    groups = {"letters": classes - symbols, "symbols": symbols}
    per_class = settings["images_per_class"], settings["validation_images_per_class"]
    size = Size(classes, *(classes * images for images in per_class))
    return DatasetInfo(classes, groups, per_class[0], size)


def read(settings: Mapping[str, Any]) -> ImageSource:
    """Choose the classes; their images are drawn one class at a time.

    Half of the classes are letters (Unicode category L) and half symbols (numbers, punctuation,
    symbols), so that both halves of a dissimilar split are large. If there are not enough symbols,
    letters replace them. The key `symbols` sets another number of symbols. `seed` decides the
    classes, and a smaller number of classes is a subset of a larger one. The images of a class
    depend only on its character, the seed and the image size.
    """
    from transferability.images import glyph_drawings

    size, seed = settings["image_size"], settings["seed"]
    characters = glyph_drawings.choose(settings["classes"], seed, settings["symbols"])
    counts = {
        "train": settings["images_per_class"],
        "validation": settings["validation_images_per_class"],
    }

    def load(item: str) -> "np.ndarray":
        part, character = item.split(" ")
        return glyph_drawings.draw(character, part, counts[part], size, seed)

    return ImageSource(
        classes=[(name(c), group(c)) for c in characters],
        image_size=(size, size),
        **{part: [(k, f"{part} {c}") for k, c in enumerate(characters)] for part in counts},
        load=load,
        per_item=tuple(counts.values()),
    )
