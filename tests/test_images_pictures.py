"""From an image file to the pixels that a person sees."""

import errno
import io

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


@pytest.mark.parametrize("resize", ["crop", "warp"])
@pytest.mark.parametrize("name", COLOURED)
def test_each_format_shows_what_a_person_sees(tmp_path, name, resize):
    COLOURED[name](quartered(), tmp_path / name)
    pixels = decode.load_file(name, tmp_path, SIDE // 2, resize)
    assert pixels.shape == (SIDE // 2, SIDE // 2, 3)
    assert pixels.dtype == np.uint8
    # CMYK without a profile is an approximation, and so are palettes and JPEG.
    assert np.abs(quarters(pixels) - QUARTERS).max() <= 12


@pytest.mark.parametrize("name", GREY)
def test_grey_is_grey_in_three_channels(tmp_path, name):
    GREY[name](quartered(), tmp_path / name)
    pixels = decode.load_file(name, tmp_path, SIDE, "crop")
    expected = np.asarray(quartered().convert("L").convert("RGB"))
    assert np.abs(quarters(pixels) - quarters(expected)).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_stands_as_the_camera_noted(tmp_path, orientation):
    stored, exif = rotated_by_camera(quartered(), orientation)
    stored.save(tmp_path / "a.jpg", quality=95, subsampling=0, exif=exif)
    pixels = decode.load_file("a.jpg", tmp_path, SIDE, "crop")
    assert np.abs(quarters(pixels) - QUARTERS).max() <= 12


def test_16_bits_become_8_over_their_whole_range(tmp_path):
    values = np.array([[0, 257 * 7], [257 * 128, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    pixels = decode.load_file("a.png", tmp_path, 2, "crop")
    assert pixels[..., 0].tolist() == [[0, 7], [128, 255]]


def test_crop_takes_the_centre_and_warp_all(tmp_path):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert decode.load_file("a.png", tmp_path, 16, "crop")[:, 1:-1].min() == 255
    warped = decode.load_file("a.png", tmp_path, 48, "warp")[24, :, 0]
    assert (warped[:14] == 0).all()
    assert (warped[18:30] == 255).all()
    assert (warped[34:] == 0).all()


def test_resizing_is_antialiased(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    pixels = decode.load_file("a.png", tmp_path, 16, "crop")
    assert np.abs(pixels.astype(int) - 128).max() <= 10


def test_reading_a_large_jpeg_at_a_part_of_its_size_loses_nothing_to_see(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (40, 60, 3), np.uint8))
    large = coarse.resize((1200, 800), Image.Resampling.BICUBIC)
    large.save(tmp_path / "a.jpg", quality=90)
    quick = decode.load_file("a.jpg", tmp_path, 64, "crop").astype(int)
    monkeypatch.setattr(decode, "SPARE", 1000)
    whole = decode.load_file("a.jpg", tmp_path, 64, "crop").astype(int)
    assert np.abs(quick - whole).mean() < 0.5
    assert np.abs(quick - whole).max() <= 8


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_says_why(tmp_path, name):
    write, why = BAD[name]
    write(tmp_path / name)
    with pytest.raises(decode.BadImage, match=why):
        decode.load_file(name, tmp_path, 16, "crop")


def test_a_note_of_the_camera_that_is_damaged_changes_nothing(tmp_path):
    file = io.BytesIO()
    stored, exif = rotated_by_camera(quartered(), 1)
    stored.save(file, "JPEG", quality=95, subsampling=0, exif=exif)
    damaged = file.getvalue().replace(b"\x01\x12\x00\x03", b"\xff\xff\xff\xff")
    assert damaged != file.getvalue()
    (tmp_path / "a.jpg").write_bytes(damaged)
    pixels = decode.load_file("a.jpg", tmp_path, SIDE, "crop")
    assert np.abs(quarters(pixels) - QUARTERS).max() <= 12


def test_a_failing_disk_is_not_blamed_on_the_image(tmp_path, monkeypatch):
    def failing(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(decode.Image, "open", failing)
    with pytest.raises(OSError, match="Input/output error"):
        decode.load_file("a.jpg", tmp_path, 16, "crop")


@pytest.mark.parametrize("name", RAMPS)
def test_bits_photometry_and_profiles_are_those_of_the_file(tmp_path, name):
    RAMPS[name](tmp_path / name)
    pixels = decode.load_file(name, tmp_path, 16, "crop").astype(int)
    assert np.abs(pixels - 255 * RAMP[..., None]).max() <= 5


def test_a_profile_of_srgb_changes_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(noise).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(decode.load_file("a.png", tmp_path, 16, "crop"), noise)


@pytest.mark.parametrize(("start", "kind"), NO_IMAGES.items(), ids=NO_IMAGES.values())
def test_what_is_no_image_is_called_what_it_is(tmp_path, start, kind):
    (tmp_path / "a.jpg").write_bytes(start)
    with pytest.raises(decode.BadImage, match=f"no image in any of the formats .*; it is .*{kind}"):
        decode.load_file("a.jpg", tmp_path, 16, "crop")


def test_signed_numbers_are_called_that(tmp_path):
    tiff(tmp_path / "a.tif", np.zeros((16, 16), "<i2"), 16, 1, 2)
    with pytest.raises(decode.BadImage, match="signed numbers, or of 32 bits"):
        decode.load_file("a.tif", tmp_path, 16, "crop")


def test_a_signal_is_no_fault_of_the_image_that_is_being_read():
    with pytest.raises(signals.Interrupted), decode.blamed_on_the_image():
        raise signals.Interrupted("SIGTERM")
