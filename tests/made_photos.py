"""Small folders of images like those of users, and the command that reads them into a store."""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from transferability import images
from transferability.__main__ import main

SETTINGS = {
    "source": "folder",
    "validation": 0.25,
    "image_size": 16,
    "resize": "crop",
    "groups": None,
    "on_bad_image": "error",
    "seed": 0,
}


def settings(path: Path, **changes: object) -> dict:
    return {**SETTINGS, "path": str(path), **changes}


def shade(number: int) -> Image.Image:
    """An image in its own shade of grey."""
    return Image.new("RGB", (20, 20), (number * 5,) * 3)


def tree(root: Path, classes: Sequence[str] = "abcd", count: int = 8) -> Path:
    """Write one folder per class, with this many images each."""
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            shade(c * count + i).save(root / name / f"{i:03}.png")
    return root


def prepare(store_folder: Path, asked: dict, workers: int = 1, flags: tuple[str, ...] = ()) -> int:
    """Run the command of the workflow's rule; return its exit status."""
    return main(
        [
            "prepare-images",
            *("--settings", json.dumps(images.stored(asked))),
            *("--folder", str(store_folder)),
            *("--workers", str(workers), *flags),
        ]
    )


def contents(store_folder: Path) -> dict[str, bytes]:
    """The files of a store, except for the record of its writers."""
    files = (file for file in sorted(store_folder.iterdir()) if file.is_file())
    return {file.name: file.read_bytes() for file in files}
