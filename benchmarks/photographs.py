"""JPEGs that take as long to decode as photographs: 500 × 375 pixels, 40 to 100 kB.

Smooth noise of several sizes imitates light and texture, ellipses imitate objects with edges, and
fine noise imitates the grain of a camera.
"""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 500, 375
QUALITY = 92
TEXTURES = ((4, 80.0), (16, 35.0), (60, 16.0), (180, 9.0))
"""Width of the smooth noise in cells, and its standard deviation in pixel values."""
OBJECTS = 10


def write(folder: Path, classes: int, images_per_class: int, workers: int) -> list[int]:
    """Write the same images each time, one folder per class; return the size of each in bytes."""
    numbers = range(classes * images_per_class)
    for label in range(classes):
        (folder / f"class{label:03}").mkdir(parents=True)
    one = partial(_write_one, folder, images_per_class)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(one, numbers, chunksize=32))


def files_in(folder: Path) -> list[Path]:
    """All images, sorted."""
    return sorted(folder.glob("*/*.jpg"))


def described(sizes: list[int]) -> str:
    """The number of images, and their sizes in bytes."""
    return f"{len(sizes)} JPEGs of {min(sizes) / 1000:.0f} to {max(sizes) / 1000:.0f} kB"


def decode(files: Iterable[Path]) -> None:
    """Decode images to RGB, as torchvision's ImageFolder does, and discard them."""
    for file in files:
        with file.open("rb") as opened:
            Image.open(opened).convert("RGB")


def _write_one(folder: Path, images_per_class: int, number: int) -> int:
    file = folder / f"class{number // images_per_class:03}" / f"{number:05}.jpg"
    _drawn(number).save(file, "JPEG", quality=QUALITY)
    return file.stat().st_size


def _drawn(number: int) -> Image.Image:
    random = np.random.default_rng(number)
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.float32)
    for cells, deviation in TEXTURES:
        noise = random.normal(0, deviation, (3, cells * 3 // 4, cells)).astype(np.float32)
        for channel, plane in enumerate(noise):
            smooth = Image.fromarray(plane).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            pixels[..., channel] += np.asarray(smooth)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    brush = ImageDraw.Draw(image)
    for _ in range(OBJECTS):
        x, y = random.integers(0, (WIDTH, HEIGHT))
        across, down = random.integers(10, 120, 2)
        colour = tuple(random.integers(0, 256, 3).tolist())
        brush.ellipse((x - across, y - down, x + across, y + down), fill=colour)
    grain = random.normal(0, random.uniform(2, 6), (HEIGHT, WIDTH, 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))
