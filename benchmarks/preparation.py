"""How fast a store is made from JPEGs, compared with decoding them alone.

    python benchmarks/preparation.py

2,000 JPEGs of 500 × 375 pixels are decoded, resized to 256 × 256 and written as a store and, in
turn, only decoded, with as many threads. The goal is a preparation as fast as decoding.
"""

import argparse
import logging
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine
import photographs
import turns

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from transferability.images import build, folder
from transferability.records import fingerprint
from transferability.study import config

CLASSES, STORED, WORKERS = 10, 256, 2
BLOCK = 64
"""Number of images that a thread gets at a time, as in the preparation."""


def prepare(photos: Path, place: Path, resize: str) -> Path:
    """Make a store as the command prepare-images does; return its folder."""
    dataset = {"source": "folder", "path": str(photos), "resize": resize, "image_size": STORED}
    # All but one image of each class are for training.
    asked = config.complete({"dataset": {**dataset, "validation": 1e-6}})["dataset"]
    code = fingerprint.images_fingerprint("folder")
    build.write_store(folder.read(asked), place, asked, WORKERS, code)
    return place


def decode(files: list[Path]) -> None:
    """Decode the files and nothing else, with as many threads as a preparation uses."""
    blocks = [files[first : first + BLOCK] for first in range(0, len(files), BLOCK)]
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(photographs.decode, blocks))


def preparation(photos: Path, place: Path, resize: str) -> turns.Action:
    """An action that makes a store; its whole time counts."""

    def action() -> None:
        prepare(photos, place, resize)

    return action


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="JPEGs, about so many")
    parser.add_argument("--repeats", type=int, default=5, help="the median of so many")
    flags = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        photos = place / "photos"
        sizes = photographs.write(photos, CLASSES, flags.images // CLASSES, WORKERS)
        files = photographs.files_in(photos)
        print(machine.described())
        print(f"{photographs.described(sizes)}; {WORKERS} threads, median of {flags.repeats}")
        measured = turns.take_turns(
            {
                "decoding": lambda: decode(files),
                "store, resize: warp": preparation(photos, place / "warp", "warp"),
                "store, resize: crop": preparation(photos, place / "crop", "crop"),
            },
            len(files),
            flags.repeats,
        )
        turns.print_table("preparation", measured, "decoding")


if __name__ == "__main__":
    main()
