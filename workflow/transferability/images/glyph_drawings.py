"""The choice of characters for the source `glyphs`, and the drawing of their images.

Lengths in an image are in units of half its side: larger images show the same with more detail.
"""

import itertools
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageFont
from scipy.ndimage import gaussian_filter

from transferability.images.glyph_characters import LETTERS, SYMBOLS, symbol_count

# Bold Serif is for validation: its letterforms and its weight both occur in training, but never
# together. DejaVu Sans Mono is not used, because it lacks a quarter of the characters.
TYPEFACES = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSans-Oblique",
        "DejaVuSans-BoldOblique",
        "DejaVuSerif",
        "DejaVuSerif-Italic",
    ),
    "validation": ("DejaVuSerif-Bold", "DejaVuSerif-BoldItalic"),
}
# The size of a glyph in an image, and the limits of the random changes. With these, a small network
# recognises about nine in ten validation images, so that results can still rise or fall.
REACH = 0.72
ROTATION, SCALE, ASPECT, SHEAR, SHIFT, WARP = np.deg2rad(14), 0.2, 0.13, 0.18, 0.15, 0.035
CONTRAST, TEXTURE, NOISE = 0.22, 0.08, 0.05
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
# Glyphs are drawn once, with this number of pixels for each pixel of the image, then resampled.
OVERSAMPLING = 2
# Limits the memory for drawing one class with many or large images.
PIXELS_AT_ONCE = 1 << 18


def choose(classes: int, seed: int, symbols: int | None = None) -> list[str]:
    """A random sample of the distinct characters, sorted by code point, with `symbol_count`
    symbols. With the same seed, the classes of a smaller sample are a subset of a larger one."""
    generator = np.random.default_rng([seed, 0])
    letters, others = (
        [members[i] for i in generator.permutation(len(members))] for members in (LETTERS, SYMBOLS)
    )
    count = symbol_count(classes, symbols)
    return sorted(letters[: classes - count] + others[:count])


def draw(character: str, part: str, count: int, image_size: int, seed: int) -> np.ndarray:
    """Images of one character: uint8 count×S×S×3.

    Each has a random typeface of the part (`train`, `validation`), rotation, scale, aspect, shear,
    shift and smooth warp, random colours with enough contrast, a faint texture and a little noise.
    """
    generator = np.random.default_rng([seed, ord(character), list(TYPEFACES).index(part)])
    masters = np.stack([_master(t, character, image_size) for t in TYPEFACES[part]])
    images = np.empty((count, image_size, image_size, 3), np.uint8)
    step = max(1, PIXELS_AT_ONCE // image_size**2)
    for start in range(0, count, step):
        block = images[start : start + step]
        coverage = _resample(masters, len(block), image_size, generator)
        block[:] = _colour(coverage, generator)
    return images


@lru_cache(maxsize=64)
def _font(typeface: str, size: int) -> ImageFont.FreeTypeFont:
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{typeface}.ttf"
    # The basic layout is in all builds of Pillow; the other one depends on installed libraries.
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


def _glyph(typeface: str, character: str, size: int) -> Image.Image | None:
    """The glyph as a grey image, cropped to its ink; None for a blank glyph."""
    mask = _font(typeface, size).getmask(character, mode="L")
    if 0 in mask.size:
        return None
    image = Image.frombytes("L", mask.size, bytes(mask))
    box = image.getbbox()
    return image.crop(box) if box else None


def _large_glyph(typeface: str, character: str, longest: int) -> Image.Image:
    """The glyph, drawn so large that its longer side has at least `longest` pixels.

    Shrinking it afterwards removes most effects of hinting, which moves strokes to the pixel grid.
    """
    # Sizes are doubled, not fitted, so that only few sizes of each typeface are opened.
    glyphs = (_glyph(typeface, character, 64 << doublings) for doublings in itertools.count())
    return next(glyph for glyph in glyphs if max(glyph.size) >= longest)


def _fitted(glyph: Image.Image, longest: int, margin: int) -> np.ndarray:
    """The glyph, resized so that its longer side is `longest`, centred on a square: float32 0…1."""
    scale = longest / max(glyph.size)
    width, height = (max(1, round(side * scale)) for side in glyph.size)
    resized = glyph.resize((width, height), Image.Resampling.BOX)
    side = longest + 2 * margin
    square = Image.new("L", (side, side))
    square.paste(resized, ((side - width) // 2, (side - height) // 2))
    return np.asarray(square, np.float32) / 255


def _master(typeface: str, character: str, image_size: int) -> np.ndarray:
    """The slightly blurred glyph from which all images of one typeface are resampled."""
    longest = round(OVERSAMPLING * REACH * image_size)
    glyph = _large_glyph(typeface, character, 2 * longest)
    master = _fitted(glyph, longest, margin=2 * OVERSAMPLING)
    return gaussian_filter(master, 0.5 * OVERSAMPLING)


def _resample(
    masters: np.ndarray, count: int, image_size: int, generator: np.random.Generator
) -> np.ndarray:
    """The share of each pixel that the randomly placed, warped glyph covers: float32 count×S×S."""

    def uniform(extent: float) -> np.ndarray:
        return generator.uniform(-extent, extent, count).astype(np.float32)

    typeface = generator.integers(len(masters), size=count)
    angle, scale, aspect, shear = (uniform(e) for e in (ROTATION, SCALE, ASPECT, SHEAR))
    # The inverse of rotation · shear · scale: from a position in the image to one in the glyph.
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = np.exp(-scale - aspect), np.exp(-scale + aspect)
    inverse = (
        (along * (cos - shear * sin), along * (sin + shear * cos)),
        (-across * sin, across * cos),
    )
    centre = (np.arange(image_size, dtype=np.float32) + 0.5) * (2 / image_size) - 1
    x = centre[None, None, :] - uniform(SHIFT)[:, None, None]
    y = centre[None, :, None] - uniform(SHIFT)[:, None, None]
    # Half and whole cosine waves across the image bend the strokes without breaking them.
    waves = np.cos(np.pi * np.outer(np.arange(3), (centre + 1) / 2)).astype(np.float32)
    weights = WARP * generator.standard_normal((2, count, 3, 3), np.float32)
    warp = np.einsum("dnij,iy,jx->dnyx", weights, waves, waves, optimize=True)

    side = masters.shape[-1]
    place = []
    for (from_x, from_y), bend in zip(inverse, warp, strict=True):
        glyph = from_x[:, None, None] * x + from_y[:, None, None] * y + bend
        pixel = glyph * (OVERSAMPLING * image_size / 2) + (side - 1) / 2
        # The outermost pixels of a master are empty, and are used for everything outside it.
        place.append(np.clip(pixel, 0, side - 1.001))
    column, row = (p.astype(np.int32) for p in place)
    right, below = place[0] - column, place[1] - row
    flat = masters.reshape(-1)
    corner = (typeface[:, None, None].astype(np.int32) * side + row) * side + column
    above = flat[corner] * (1 - right) + flat[corner + 1] * right
    under = flat[corner + side] * (1 - right) + flat[corner + side + 1] * right
    return above * (1 - below) + under * below


def _colour(coverage: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Coverage n×S×S → uint8 n×S×S×3: two colours, each with a texture, and noise."""
    count, size, _ = coverage.shape
    back, fore = (
        colours[:, None, None, :] + _texture(count, size, generator)
        for colours in _pairs(count, generator)
    )
    images = back + coverage[..., None] * (fore - back)
    strength = generator.uniform(0, NOISE, (count, 1, 1, 1)).astype(np.float32)
    images += strength * generator.standard_normal(images.shape, np.float32)
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def _pairs(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Background and foreground colours, float32 count×3, that differ enough in brightness."""
    pairs = generator.random((2, count, 3), np.float32)
    while True:
        brightness = pairs @ LUMA
        similar = np.flatnonzero(np.abs(brightness[0] - brightness[1]) < CONTRAST)
        if not similar.size:
            return pairs[0], pairs[1]
        pairs[:, similar] = generator.random((2, similar.size, 3), np.float32)


def _texture(count: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """A faint grating with random direction, period and colour for each image: n×S×S×3."""
    waves = generator.uniform(-2.5, 2.5, (2, count, 1)) * np.pi * np.linspace(-1, 1, size)
    phase = generator.uniform(0, 2 * np.pi, (count, 1))
    # cos(a + b), computed only from cosines and sines of the rows and of the columns.
    rows, columns = np.exp(1j * (waves[0] + phase)), np.exp(1j * waves[1])
    grating = (rows[:, :, None] * columns[:, None, :]).real.astype(np.float32)
    tint = generator.uniform(-TEXTURE, TEXTURE, (count, 1, 1, 3)).astype(np.float32)
    return grating[..., None] * tint
