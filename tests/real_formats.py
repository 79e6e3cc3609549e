"""Small files in the formats of users' images and of datasets."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

RED, GREEN, BLUE, WHITE = (230, 20, 20), (20, 200, 40), (30, 40, 220), (255, 255, 255)
SIDE = 48
# The colours of most of the files: a quarter each, upper left first.
QUARTERS = (RED, GREEN, BLUE, WHITE)


def quartered(side: int = SIDE) -> Image.Image:
    """The four colours, upper left, upper right, lower left, lower right."""
    array = np.empty((side, side, 3), np.uint8)
    half = side // 2
    array[:half, :half], array[:half, half:], array[half:, :half], array[half:, half:] = QUARTERS
    return Image.fromarray(array)


def see_through(image: Image.Image) -> Image.Image:
    """RGBA whose white is transparent black."""
    rgba = np.asarray(image.convert("RGBA")).copy()
    rgba[(rgba[..., :3] == 255).all(axis=-1)] = (0, 0, 0, 0)
    return Image.fromarray(rgba)


def rotated_by_camera(image: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    """The image as stored by a camera in another orientation, and the EXIF orientation."""
    turns = Image.Transpose
    undo = {
        **{2: turns.FLIP_LEFT_RIGHT, 3: turns.ROTATE_180, 4: turns.FLIP_TOP_BOTTOM},
        **{5: turns.TRANSPOSE, 6: turns.ROTATE_90, 7: turns.TRANSVERSE, 8: turns.ROTATE_270},
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    return (image.transpose(undo[orientation]) if orientation > 1 else image), exif


def swapped_profile() -> bytes:
    """A colour profile in which red and green are exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (tags,) = struct.unpack_from(">I", profile, 128)
    places = {bytes(profile[entry : entry + 4]): entry for entry in range(132, 132 + 12 * tags, 12)}
    red, green = places[b"rXYZ"] + 4, places[b"gXYZ"] + 4
    profile[red : red + 8], profile[green : green + 8] = (
        profile[green : green + 8],
        profile[red : red + 8],
    )
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "Mine".encode("utf-16-be"))


def with_swapped_profile(image: Image.Image, file: Path) -> None:
    red, green, blue = image.split()
    Image.merge("RGB", (green, red, blue)).save(file, icc_profile=swapped_profile())


def turned(image: Image.Image, file: Path) -> None:
    stored, exif = rotated_by_camera(image, 8)
    stored.save(file, exif=exif)


# Suffix → how to write an image in that format so that a viewer shows the image.
COLOURED: dict[str, Callable[[Image.Image, Path], None]] = {
    "plain.jpg": lambda image, file: image.save(file, quality=95, subsampling=0),
    "upper.JPEG": lambda image, file: image.save(file, "JPEG", quality=95, progressive=True),
    "cmyk.jpg": lambda image, file: image.convert("CMYK").save(file, quality=95),
    "turned.tif": turned,
    "profile.png": with_swapped_profile,
    "plain.png": lambda image, file: image.save(file),
    "palette.png": lambda image, file: image.quantize(8).save(file),
    "see_through.png": lambda image, file: see_through(image).save(file),
    "see_through_palette.png": lambda image, file: see_through(image).quantize(8).save(file),
    "plain.webp": lambda image, file: image.save(file, lossless=True),
    "see_through.webp": lambda image, file: see_through(image).save(file, lossless=True),
    "plain.bmp": lambda image, file: image.save(file),
    "plain.tiff": lambda image, file: image.save(file, compression="tiff_lzw"),
    "moving.gif": lambda image, file: image.save(
        file, save_all=True, append_images=[image.rotate(90)]
    ),
    "wrong_suffix.jpg": lambda image, file: image.save(file, "PNG"),
}


def grey_of_16_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image.convert("L")).astype(np.uint16)) * 257)


GREY: dict[str, Callable[[Image.Image, Path], None]] = {
    "grey.jpg": lambda image, file: image.convert("L").save(file, quality=95),
    "grey.png": lambda image, file: image.convert("L").save(file),
    "grey16.png": lambda image, file: grey_of_16_bits(image).save(file),
    "grey16.tif": lambda image, file: grey_of_16_bits(image).save(file),
    "grey_see_through.png": lambda image, file: see_through(image).convert("LA").save(file),
}


def truncated_jpeg(file: Path) -> None:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole, "JPEG")
    file.write_bytes(whole.getvalue()[: whole.tell() // 2])


def huge_png(file: Path) -> None:
    """A file of a few hundred bytes whose header has a size far too large to decode."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


# Name → (how to write it, words of the error that refuses it).
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated.jpg": (truncated_jpeg, "truncated"),
    "text.jpg": (lambda file: file.write_text("not an image"), "not an image in any of the"),
    "empty.png": (lambda file: file.write_bytes(b""), "not an image in any of the formats"),
    "huge.png": (huge_png, "3600000000 pixels"),
    "numbers.tif": (
        lambda file: Image.fromarray(np.ones((8, 8), np.float32)).save(file),
        "32-bit",
    ),
    "lost.jpg": (lambda file: file.symlink_to(file.with_name("nowhere")), "broken link"),
}


def mnist(root: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """The folder of MNIST in its own format (idx); the test part repeats the first half."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        if part == "t10k":
            images, labels = images[: len(images) // 2], labels[: len(labels) // 2]
        head = struct.pack(">IIII", 0x803, *images.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">II", 0x801, len(labels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.astype(np.uint8).tobytes())


RAMP = np.tile(np.linspace(0, 1, 16), (16, 1))
"""The shades of the files below, from black to white, as shares of white."""


def tiff(file: Path, values: np.ndarray, bits: int, photometric: int, sample_format: int = 1):
    """Write a grey TIFF of one strip; values of 12 bits are packed."""
    height, width = values.shape
    data = values.tobytes()
    if bits == 12:
        pairs = values.astype(int).reshape(-1, 2).tolist()
        data = b"".join((a << 12 | b).to_bytes(3) for a, b in pairs)
    start = 8 + 2 + 10 * 12 + 4
    tags = [
        *((256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric)),
        *((273, 4, start), (277, 3, 1), (278, 4, height), (279, 4, len(data))),
        (339, 3, sample_format),
    ]
    entries = b"".join(
        # With this byte order, a short value is in the first half of its field.
        struct.pack("<HHII", tag, kind, 1, value)
        for tag, kind, value in tags
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    file.write_bytes(head + entries + struct.pack("<I", 0) + data)


def levels(image: np.ndarray, highest: int, kind: str) -> np.ndarray:
    return np.rint(image * highest).astype(kind)


def lab(file: Path) -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    grey = Image.fromarray(levels(RAMP, 255, "u1")).convert("RGB")
    ImageCms.applyTransform(grey, to_lab).save(file)


def much_text(file: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 3_000_000, zip=True)
    Image.fromarray(levels(RAMP, 255, "u1")).save(file, pnginfo=text)


# How to write the ramp so that a viewer shows it.
RAMPS: dict[str, Callable[[Path], object]] = {
    "12_bits.tif": lambda file: tiff(file, levels(RAMP, 4095, "u2"), 12, 1),
    "8_bits_white_is_zero.tif": lambda file: tiff(file, levels(1 - RAMP, 255, "u1"), 8, 0),
    "16_bits_white_is_zero.tif": lambda file: tiff(file, levels(1 - RAMP, 65535, "u2"), 16, 0),
    "lab.tif": lab,
    "much_text.png": much_text,
}

# The first bytes of files with the name of an image, and their true kind.
NO_IMAGES = {
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic": "HEIC",
    b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic": "HEIC",
    b"\0\0\0\x18ftypqt  \0\0\0\0": "a video",
    b"\0\0\0\x18ftypcrx \0\0\0\0": "raw data of a camera",
    b"<!DOCTYPE html><html><title>404</title></html>": "a web page",
    b"\n<html>\n": "a web page",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n": "git lfs pull",
    b"PK\x03\x04....": "an archive",
    b"\x1f\x8b\x08....": "an archive",
    b"": "empty",
    bytes(600): "its content was lost",
    b"Rate limit exceeded\n": "a text",
    # PostScript, a program that writes files.
    b"%!PS-Adobe-3.0 EPSF-3.0\n(was run) (w) file\n": "a text",
}
