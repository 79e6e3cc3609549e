"""Proposes a first study for a folder of images, with settings that suit the images."""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from transferability.images import folder, sample
from transferability.reports.render import render
from transferability.study import sections
from transferability.study.design import FEW_STEPS
from transferability.study.networks import steps_per_epoch

LOOKED_AT = 200
"""The number of images whose sizes are read."""
VALIDATED = 10
"""The number of validation images of the smallest class, if it has enough."""
FEWEST_CLASSES = 4


def proposal(path: Path, name: str, file: Path) -> str:
    """The text of a study `file`, with comments, for the images in a folder.

    Raises ValueError if the folder does not exist, has another structure, or has too few classes.
    """
    settings = sections.Folder(source="folder", path=str(path)).model_dump()
    found = folder.read(settings)
    totals = [sum(both) for both in sample.counts(found)]
    if len(totals) < FEWEST_CLASSES:
        raise ValueError(
            f"{path}: has {len(totals)} classes, but each of two halves needs at least 2; add "
            "classes, or write a study with a source (docs/pretrained.md), which needs only 2"
        )
    # Names are <class>/<file>, or <part>/<class>/<file> if the folder is already split.
    is_split = found.train[0][1].count("/") > 1
    share = round(min(0.4, max(settings["validation"], VALIDATED / min(totals))), 2)
    sides = _sides(path, [item for _, item in [*found.train, *found.validation]])
    per_class = [train for train, _ in sample.counts(found)]
    if not is_split:
        per_class = [total - round(total * share) for total in totals]
    # The images of a half with the smallest classes.
    half = sum(sorted(per_class)[: len(per_class) // 2])
    # At least eight steps per epoch, if this is possible with batches of eight.
    batch_size = min(64, max(8, 2 ** ((half // 8).bit_length() - 1) if half >= 8 else 8))
    steps = steps_per_epoch(half, batch_size)
    epochs = max(20, -(-2 * FEW_STEPS // steps))
    order = sorted(range(len(totals)), key=lambda label: (totals[label], found.classes[label]))
    return render(
        "study.yaml.j2",
        name=name,
        file=file,
        path=path,
        quoted_path=json.dumps(str(path), ensure_ascii=False),
        classes=[(found.classes[label][0], totals[label]) for label in (order[0], order[-1])],
        count=len(totals),
        images=(len(found.train), len(found.validation)),
        is_split=is_split,
        share=share,
        sides=sides,
        image_size=max(8, min(settings["image_size"], sides[len(sides) // 2] if sides else 64)),
        left_out=found.left_out,
        random=5 if len(totals) > FEWEST_CLASSES + 1 else 3,
        half=half,
        batch_size=batch_size,
        epochs=epochs,
        steps=steps,
        few_steps=FEW_STEPS,
    )


def _sides(root: Path, names: Sequence[str]) -> list[int]:
    """The shorter sides of some of the images, in pixels, sorted. Damaged images are skipped; they
    are reported when all images are read."""
    sides = []
    for name in names[:: -(-len(names) // LOOKED_AT)]:
        try:
            with Image.open(root / name) as image:
                sides.append(min(image.size))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
    return sorted(sides)
