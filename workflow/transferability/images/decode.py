"""From an image as somebody saved it to the pixels that the store holds: what a person sees.

Rotation as the camera recorded it, palettes, transparency, CMYK, 16 bits and colour profiles are
all resolved to RGB of 8 bits. Transparency is shown over white, the page on which cut-out objects
are most often looked at; simply dropped, it would uncover colours that nobody was meant to see.
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
# Above this the image is refused, and the reason says so; a warning below it helps nobody.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Programs that make images write more than a megabyte about it; of all texts, 64 may be read.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
# A JPEG may be decoded at a half, a quarter or an eighth of its size, while this many times the
# stored size remain for the resampling: then nothing is lost that can be seen.
SPARE = 2
BITS, PHOTOMETRIC = 258, 262
"""Tags of TIFF."""
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
"""How files begin that have the name of an image and are none of these formats."""


class BadImage(ValueError):
    """An image that cannot be shown; the message says why."""


def load_file(name: str, root: Path | str, settings: Mapping[str, Any]) -> np.ndarray:
    """The image of a file below `root`, as `pixels` gives it.

    The format is found by the content, not by the suffix; of several images in one file it is the
    first. Raises BadImage if the file is no image, or only a part of one; an OSError of the system,
    such as a disk that fails, is not the image's fault and passes.
    """
    path, size = Path(root, name), settings["image_size"]
    with blamed_on_the_image(path), Image.open(path, formats=FORMATS) as image:
        image.draft(None, (SPARE * size, SPARE * size))
        return pixels(image, settings)


def file_stamp(name: str, root: Path | str) -> tuple[int, ...]:
    """Size in bytes and time of the last change in nanoseconds of a file below `root`; nothing if
    it is not there, which `load_file` reports."""
    try:
        status = Path(root, name).stat()
    except FileNotFoundError:
        return ()
    return status.st_size, status.st_mtime_ns


def pixels(image: Image.Image, settings: Mapping[str, Any]) -> np.ndarray:
    """What a person sees of an image, uint8 image_size×image_size×3.

    By the study's `settings`: with resize warp, height and width are changed independently; with
    crop, the largest square in the centre is taken. Resampling is bilinear with antialiasing, as
    torchvision's Resize does it, unless `interpolation` says otherwise. Raises BadImage if the
    image is damaged or has no defined look.
    """
    with blamed_on_the_image():
        profile, sides = image.info.get("icc_profile"), (settings["image_size"],) * 2
        # In place, since a copy is made otherwise also of what needs no turning.
        ImageOps.exif_transpose(image, in_place=True)
        # What names a store leaves out the usual interpolation.
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
    """Whatever Pillow raises for a damaged file, as a BadImage."""
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
        # These are of many kinds; but what has an error number is the system's.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadImage(str(error) or type(error).__name__) from error


def _kind(path: Path) -> str:
    """What a file is that is not an image; empty if unknown."""
    with path.open("rb") as file:
        start = file.read(512)
    flags = re.DOTALL | re.IGNORECASE
    return next((kind for form, kind in OTHER_FILES.items() if re.match(form, start, flags)), "")


def _opaque(image: Image.Image) -> Image.Image:
    """The image in grey, RGB or CMYK of 8 bits, transparency over white."""
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})
        # Also 12 bits.
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
    """From a colour profile to sRGB; None if it is damaged or of another colour space."""
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
