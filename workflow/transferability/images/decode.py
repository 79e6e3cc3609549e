"""From an image file to the pixels in the store, as an image viewer shows them.

The rotation recorded by the camera, palettes, transparency, CMYK, 16 bits and colour profiles are
all converted to RGB with 8 bits. Transparent parts become white, the usual background of cut-out
objects; without the transparency, they could have colours that are not meant to be visible.
"""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
# Images that are too large raise an error. A warning about images below the limit does not help.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Some programs write more than a megabyte of text into a PNG; Pillow allows 64 MB for all texts.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
# A JPEG may be decoded at a half, a quarter or an eighth of its size if the result is at least this
# many times the stored size: after the resampling, no difference is visible.
SPARE = 2
BITS, PHOTOMETRIC = 258, 262
"""Numbers of TIFF tags."""
OTHER_FILES = {
    rb"....ftyp(hei|hev|mif1|msf1)": "HEIC, as phones write it",
    rb"....ftypcrx|II\*\0....CR|IIRO|IIU\0|FUJIFILMCCD-RAW": "the raw data of a camera",
    rb"....ftyp|RIFF....AVI |\x1aE\xdf\xa3": "a video",
    rb"version https://git-lfs": "a pointer of git-lfs; `git lfs pull` brings the image",
    rb"\s*(<!doctype html|<html)": "a web page, as a failed download leaves it",
    rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf": "an archive; unpack it",
    rb"\0*\Z": "empty, or its content was lost",
    rb"[\t\n\r\x20-\x7e]+\Z": "a text",
}
"""Patterns for the beginning of other files that have the name of an image, and their kinds."""


class BadImage(ValueError):
    """An image that cannot be decoded; the message is the reason."""


def load_file(name: str, root: Path | str, settings: Mapping[str, Any]) -> np.ndarray:
    """The pixels of the image in a file below `root` (see `pixels`).

    The format is found from the content, not the suffix. If a file has several images, the first is
    used. Raises BadImage if the file is not an image, or is incomplete. Errors of the system
    (OSError), such as a failing disk, are not the image's fault and are not caught.
    """
    path, size = Path(root, name), settings["image_size"]
    with blamed_on_the_image(path), Image.open(path, formats=FORMATS) as image:
        image.draft(None, (SPARE * size, SPARE * size))
        return pixels(image, settings)


def file_stamp(name: str, root: Path | str) -> tuple[int, ...]:
    """The size in bytes and the time of the last change, in nanoseconds, of a file below `root`;
    empty if there is no such file, which `load_file` reports."""
    try:
        status = Path(root, name).stat()
    except FileNotFoundError:
        return ()
    return status.st_size, status.st_mtime_ns


def pixels(image: Image.Image, settings: Mapping[str, Any]) -> np.ndarray:
    """The pixels of an image as a viewer shows it, uint8 image_size×image_size×3.

    With `resize` warp in the `settings`, height and width are changed independently; with crop, the
    largest square in the centre is used. Resampling is bilinear with antialiasing, as in
    torchvision's Resize, unless `interpolation` says otherwise. Raises BadImage if the image is
    damaged or its colours are not defined.
    """
    with blamed_on_the_image():
        profile, sides = image.info.get("icc_profile"), (settings["image_size"],) * 2
        # In place, since otherwise Pillow also copies images that need no rotation.
        ImageOps.exif_transpose(image, in_place=True)
        # Settings may lack the key with the usual value (see images.SINCE).
        method = Image.Resampling[settings.get("interpolation", "bilinear").upper()]
        if settings["resize"] == "crop":
            small = ImageOps.fit(_opaque(image), sides, method)
        else:
            small = _opaque(image).resize(sides, method)
        if profile and (transform := _to_srgb(profile, small.mode)):
            return np.asarray(ImageCms.applyTransform(small, transform))
        return np.asarray(small.convert("RGB"))


@contextmanager
def blamed_on_the_image(path: Path | None = None) -> Iterator[None]:
    """Turn errors that Pillow raises for a damaged file into BadImage."""
    try:
        yield
    except (BadImage, MemoryError):
        raise
    except FileNotFoundError:
        raise BadImage("there is no such file, or it is a broken link") from None
    except Image.UnidentifiedImageError:
        kind = f"; it is {_kind(path)}" if path and _kind(path) else ""
        raise BadImage(f"not an image in any of the formats {', '.join(FORMATS)}{kind}") from None
    except Exception as error:
        # Pillow raises errors of many classes. An error with a number comes from the system.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadImage(str(error) or type(error).__name__) from error


def _kind(path: Path) -> str:
    """The kind of a file that is not an image; empty if unknown."""
    with path.open("rb") as file:
        start = file.read(512)
    flags = re.DOTALL | re.IGNORECASE
    return next((kind for form, kind in OTHER_FILES.items() if re.match(form, start, flags)), "")


def _opaque(image: Image.Image) -> Image.Image:
    """The image in grey, RGB or CMYK with 8 bits, and white in place of transparency."""
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})
        # The tag gives the number of bits, which may be 12.
        share = np.asarray(image, np.float32) / (2 ** tags.get(BITS, (16,))[0] - 1)
        if tags.get(PHOTOMETRIC) == 0:
            share = 1 - share
        return Image.fromarray(np.rint(255 * share).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise BadImage(
            f"its pixels are signed or 32-bit numbers (mode {image.mode}), which do not define "
            "white; save it with 8 or 16 bits, unsigned"
        )
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a colour profile to sRGB; None if the profile is damaged or not for this `mode`."""
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
