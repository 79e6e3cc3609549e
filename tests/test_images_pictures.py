"""From an image file to the pixels that a viewer shows."""

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from real_formats import (
    BAD,
    COLOURED,
    GREY,
    NO_IMAGES,
    QUARTERS,
    RAMP,
    RAMPS,
    SIDE,
    quartered,
    rotated_by_camera,
    tiff,
)

from transferability.images import decode
from transferability.storage import signals


def quarters(pixels: np.ndarray) -> np.ndarray:
    """The colour in the middle of each quarter."""
    near, far = len(pixels) // 4, 3 * len(pixels) // 4
    return pixels[[near, near, far, far], [near, far, near, far]].astype(int)


def seen(file: Path, size: int = 16, resize: str = "crop") -> np.ndarray:
    return decode.load_file(file.name, file.parent, {"image_size": size, "resize": resize})


def saved(values: np.ndarray, file: Path, **options: object) -> Path:
    Image.fromarray(values).save(file, **options)
    return file


@pytest.mark.parametrize("resize", ["crop", "warp"])
@pytest.mark.parametrize("name", COLOURED)
def test_each_format_is_read_as_a_person_sees_it(tmp_path, name, resize):
    COLOURED[name](quartered(), tmp_path / name)
    pixels = seen(tmp_path / name, SIDE // 2, resize)
    assert pixels.shape == (SIDE // 2, SIDE // 2, 3)
    assert pixels.dtype == np.uint8
    # CMYK without a profile, palettes and JPEG are approximations.
    assert np.abs(quarters(pixels) - QUARTERS).max() <= 12


@pytest.mark.parametrize("name", GREY)
def test_grey_is_grey_in_three_channels(tmp_path, name):
    GREY[name](quartered(), tmp_path / name)
    expected = np.asarray(quartered().convert("L").convert("RGB"))
    assert np.abs(quarters(seen(tmp_path / name, SIDE)) - quarters(expected)).max() <= 3


@pytest.mark.parametrize("orientation", [*range(1, 9), "damaged"])
def test_the_orientation_from_the_camera_is_applied(tmp_path, orientation):
    is_damaged, file = orientation == "damaged", io.BytesIO()
    stored, exif = rotated_by_camera(quartered(), 1 if is_damaged else orientation)
    stored.save(file, "JPEG", quality=95, subsampling=0, exif=exif)
    content = file.getvalue()
    if is_damaged:
        content = content.replace(b"\x01\x12\x00\x03", b"\xff\xff\xff\xff")
        assert content != file.getvalue()
    (tmp_path / "a.jpg").write_bytes(content)
    assert np.abs(quarters(seen(tmp_path / "a.jpg", SIDE)) - QUARTERS).max() <= 12


def test_16_bits_are_scaled_to_8_over_the_whole_range(tmp_path):
    values = np.array([[0, 257 * 7], [257 * 128, 65535]], np.uint16)
    pixels = seen(saved(values, tmp_path / "a.png"), 2)
    assert pixels[..., 0].tolist() == [[0, 7], [128, 255]]


def test_crop_keeps_the_centre_and_warp_everything(tmp_path):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 255
    file = saved(wide, tmp_path / "a.png")
    assert seen(file)[:, 1:-1].min() == 255
    warped = seen(file, 48, "warp")[24, :, 0]
    assert (warped[:14] == 0).all()
    assert (warped[18:30] == 255).all()
    assert (warped[34:] == 0).all()


def test_resizing_is_antialiased(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(seen(saved(stripes, tmp_path / "a.png")).astype(int) - 128).max() <= 10


def test_a_large_jpeg_read_at_reduced_size_looks_the_same(tmp_path, monkeypatch):
    coarse = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    large = Image.fromarray(coarse).resize((1200, 800), Image.Resampling.BICUBIC)
    large.save(tmp_path / "a.jpg", quality=90)
    quick = seen(tmp_path / "a.jpg", 64).astype(int)
    monkeypatch.setattr(decode, "SPARE", 1000)
    whole = seen(tmp_path / "a.jpg", 64).astype(int)
    assert np.abs(quick - whole).mean() < 0.5
    assert np.abs(quick - whole).max() <= 8


@pytest.mark.parametrize("name", RAMPS)
def test_bits_photometry_and_texts_of_a_file_are_used(tmp_path, name):
    RAMPS[name](tmp_path / name)
    assert np.abs(seen(tmp_path / name).astype(int) - 255 * RAMP[..., None]).max() <= 5


def test_an_srgb_profile_changes_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(seen(saved(noise, tmp_path / "a.png", icc_profile=profile)), noise)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_an_error_with_the_reason(tmp_path, name):
    write, why = BAD[name]
    write(tmp_path / name)
    with pytest.raises(decode.BadImage, match=why):
        seen(tmp_path / name)


@pytest.mark.parametrize(("start", "kind"), NO_IMAGES.items(), ids=NO_IMAGES.values())
def test_a_file_that_is_not_an_image_is_identified(tmp_path, start, kind):
    (tmp_path / "a.jpg").write_bytes(start)
    with pytest.raises(decode.BadImage, match=f"not an image in any of .*; it is .*{kind}"):
        seen(tmp_path / "a.jpg")


def test_signed_numbers_are_refused_with_the_reason(tmp_path):
    tiff(tmp_path / "a.tif", np.zeros((16, 16), "<i2"), 16, 1, 2)
    with pytest.raises(decode.BadImage, match="signed or 32-bit numbers"):
        seen(tmp_path / "a.tif")


def test_a_failing_disk_and_a_signal_are_not_blamed_on_the_image(tmp_path, monkeypatch):
    def failing(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(decode.Image, "open", failing)
    with pytest.raises(OSError, match="Input/output error"):
        seen(tmp_path / "a.jpg")
    with pytest.raises(signals.Interrupted), decode.blamed_on_the_image():
        raise signals.Interrupted("SIGTERM")
