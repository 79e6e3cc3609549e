"""Which characters of the DejaVu fonts may be classes: no two of them near-identical.

    python tests/glyph_shapes.py

prints them, as in `images/glyph_characters.py`; a test compares both.
"""

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from transferability.images.glyph_drawings import TYPEFACES, _fitted, _glyph, _large_glyph

# The slanted typefaces are left out of the comparison of shapes: they repeat the upright ones.
UPRIGHT = {
    "sans": ("DejaVuSans", "DejaVuSans-Bold"),
    "serif": ("DejaVuSerif", "DejaVuSerif-Bold"),
}

# Two characters with a smaller distance are near-identical. Chosen by eye: below it are Latin A and
# Cyrillic А, o and O, accents that differ by a pixel. 1,453 characters remain, 847 of them letters.
NEAR_IDENTICAL = 0.08
# A greater distance from every training typeface is a mistake in the font; the few mistakes are
# above 0.4, all correct drawings below 0.32.
MISDRAWN = 0.36
# Comparison at the smallest useful size keeps only differences that a small image still shows.
COMPARED_SIZE = 16
COMPARED_MARGIN = 1


@lru_cache(maxsize=1)
def distinct() -> tuple[str, ...]:
    """All characters that may be classes, by code point: no two of them near-identical.

    Of characters that look alike, the one with the lowest code point stays.
    """
    candidates = _candidates()
    outlines = _outlines(candidates)
    distance = distances(outlines)
    usable = ~_misdrawn(outlines)
    kept: list[int] = []
    for i in np.flatnonzero(usable):
        if not kept or distance[i, kept].min() >= NEAR_IDENTICAL:
            kept.append(int(i))
    return tuple(candidates[i] for i in kept)


def distances(outlines: Mapping[str, np.ndarray]) -> np.ndarray:
    """How different the drawings of each two characters are: float32 C×C, 0 (same) to about 1.

    This is one minus the correlation of their outlines (see `_outlines`), averaged over the
    typefaces of a family; the smaller value of the two families is used.
    """
    families = [
        np.mean([1 - outlines[typeface] @ outlines[typeface].T for typeface in typefaces], axis=0)
        for typefaces in UPRIGHT.values()
    ]
    return np.min(families, axis=0)


def _candidates() -> list[str]:
    """Letters, numbers, punctuation and symbols that every typeface has and draws."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = [t for typefaces in TYPEFACES.values() for t in typefaces]
    covered = [FT2Font(str(folder / f"{t}.ttf")).get_charmap() for t in names]
    candidates = []
    for codepoint in sorted(set(covered[0]).intersection(*covered[1:])):
        character = chr(codepoint)
        # A Braille pattern consists only of the positions of its dots: the same in every typeface,
        # and lost when position and size are normalised.
        braille = unicodedata.name(character, "").startswith("BRAILLE")
        kind = unicodedata.category(character)[0]
        if braille or kind not in "LNPS":
            continue
        if all(_glyph(t, character, COMPARED_SIZE) for ts in UPRIGHT.values() for t in ts):
            candidates.append(character)
    return candidates


def _outlines(characters: Sequence[str]) -> dict[str, np.ndarray]:
    """For each upright typeface, drawings made comparable: float32 C×P, each row of length 1.

    Position and size are normalised, and a band-pass filter is applied, so that outlines count
    and large filled areas do not.
    """
    longest = COMPARED_SIZE - 2 * COMPARED_MARGIN
    outlines = {}
    for typeface in (t for typefaces in UPRIGHT.values() for t in typefaces):
        glyphs = (_large_glyph(typeface, c, 2 * longest) for c in characters)
        drawings = np.stack([_fitted(glyph, longest, COMPARED_MARGIN) for glyph in glyphs])
        fine, coarse = (gaussian_filter(drawings, (0, sigma, sigma)) for sigma in (0.8, 3.0))
        rows = (fine - coarse).reshape(len(characters), -1)
        outlines[typeface] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return outlines


def _misdrawn(outlines: Mapping[str, np.ndarray]) -> np.ndarray:
    """Characters that a validation typeface draws as no training typeface does: bool C.

    DejaVu has a few mistakes: in Serif Bold, U+1D41 (modifier capital U) shows a T.
    """
    strange = np.zeros(len(next(iter(outlines.values()))), bool)
    trained = [drawn for typeface, drawn in outlines.items() if typeface in TYPEFACES["train"]]
    for typeface in outlines.keys() - TYPEFACES["train"]:
        nearest = np.min([1 - (outlines[typeface] * drawn).sum(1) for drawn in trained], axis=0)
        strange |= nearest > MISDRAWN
    return strange


if __name__ == "__main__":
    print("".join(distinct()))
