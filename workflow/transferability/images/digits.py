"""The source `digits`: scikit-learn's 1,797 handwritten digits of 8×8 pixels.

These real images are part of scikit-learn and small, so they suit tests and first steps.
"""

from collections.abc import Mapping
from typing import Any

from transferability.images import DatasetInfo, ImageSource, Size

# The number of images of each digit, since Snakemake builds its graph without scikit-learn.
COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
CLOSED = frozenset({0, 6, 8, 9})
GREATEST_VALUE = 16


def info(settings: Mapping[str, Any]) -> DatasetInfo:
    """The number of digits, and how many of them are for validation."""
    share = settings["validation"]
    held_out = [round(count * share) for count in COUNTS]
    fewest = min(count - held for count, held in zip(COUNTS, held_out, strict=True))
    if fewest < 1 or min(held_out) < 1:
        raise ValueError(
            f"dataset.validation: {share} leaves a class without training images or without "
            f"validation images; each digit has {min(COUNTS)} or more, so choose between 0.01 "
            "and 0.99"
        )
    groups = {"closed": len(CLOSED), "open": 10 - len(CLOSED)}
    return DatasetInfo(10, groups, fewest, Size(10, sum(COUNTS) - sum(held_out), sum(held_out)))


def read(settings: Mapping[str, Any]) -> ImageSource:
    """The digits, grey in three equal channels; a share of each class is for validation.

    The group `closed` has the digits with a closed loop (0, 6, 8, 9), `open` the others. Images are
    resized bilinearly.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    size = settings["image_size"]
    digits = load_digits()
    generator = np.random.default_rng(settings["seed"])
    train, validation = [], []
    for digit in range(10):
        members = generator.permutation(np.flatnonzero(digits.target == digit))
        held_out = round(len(members) * settings["validation"])
        validation += [(digit, row) for row in sorted(members[:held_out].tolist())]
        train += [(digit, row) for row in sorted(members[held_out:].tolist())]

    def load(row: int) -> np.ndarray:
        grey = Image.fromarray(np.rint(digits.images[row] * (255 / GREATEST_VALUE)).astype("u1"))
        return np.asarray(grey.resize((size, size), Image.Resampling.BILINEAR).convert("RGB"))

    classes = [(str(digit), "closed" if digit in CLOSED else "open") for digit in range(10)]
    return ImageSource(classes, (size, size), train, validation, load)
