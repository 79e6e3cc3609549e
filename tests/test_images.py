"""The image store and its sources."""

import re
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import glyph_shapes
import made_photos
import numpy as np
import pytest
from laboratory import Laboratory, written
from sklearn.datasets import load_digits
from verdicts import flipped

from transferability import images
from transferability.__main__ import main
from transferability.images import build, digits, glyph_drawings, glyphs, store
from transferability.images.glyph_characters import DISTINCT
from transferability.study.sections import Glyphs

SMALL = {
    **{"source": "glyphs", "classes": 6, "symbols": None, "image_size": 16, "seed": 1},
    **{"images_per_class": 5, "validation_images_per_class": 3},
}
DIGITS = {"source": "digits", "image_size": 8, "validation": 0.25, "seed": 0}
MOST_CLASSES = Glyphs.model_json_schema()["properties"]["classes"]["maximum"]


def joined(source: images.ImageSource) -> np.ndarray:
    shape = (-1, *source.image_size, 3)
    return np.concatenate([source.load(item).reshape(shape) for _, item in source.train])


@pytest.fixture
def digits_store(tmp_path: Path) -> Path:
    folder = tmp_path / images.store_name(DIGITS)
    build.write_store(digits.read(DIGITS), folder, DIGITS)
    return folder


def test_same_settings_give_the_same_bytes_with_any_number_of_workers(tmp_path: Path):
    for workers in (1, 2):
        build.write_store(glyphs.read(SMALL), tmp_path / str(workers), SMALL, workers)
    assert made_photos.contents(tmp_path / "1") == made_photos.contents(tmp_path / "2")
    opened = store.open_store(tmp_path / "1")
    opened.verify()
    assert opened.train_images.shape == (30, 16, 16, 3)
    assert opened.validation_images.shape == (18, 16, 16, 3)
    assert opened.train_labels.tolist() == np.repeat(np.arange(6), 5).tolist()
    assert isinstance(opened.train_images, np.memmap)


def test_the_images_of_a_class_depend_on_the_seed_and_not_on_the_other_classes():
    few, more = (glyphs.read({**SMALL, "classes": n}) for n in (2, 6))
    assert set(few.classes) < set(more.classes)
    drawn_few, drawn_more = (np.split(joined(s), len(s.classes)) for s in (few, more))
    for label, described in enumerate(few.classes):
        assert np.array_equal(drawn_few[label], drawn_more[more.classes.index(described)])
    first, second = (glyph_drawings.draw("A", "train", 4, 16, seed) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_validation_typefaces_never_occur_in_training(monkeypatch: pytest.MonkeyPatch):
    used: dict[str, set[str]] = {"train": set(), "validation": set()}
    master = glyph_drawings._master
    for part, seen in used.items():

        def recording(typeface: str, *rest: object, seen: set[str] = seen) -> np.ndarray:
            seen.add(typeface)
            return master(typeface, *rest)

        monkeypatch.setattr(glyph_drawings, "_master", recording)
        glyph_drawings.draw("g", part, 40, 16, seed=0)
    assert all(used.values())
    assert not used["train"] & used["validation"]


def test_glyph_is_visible_in_every_image():
    drawn = glyph_drawings.draw("A", "validation", 50, 24, seed=3).astype(float)
    brightness = drawn @ glyph_drawings.LUMA
    centre, corner = brightness[:, 8:16, 8:16], brightness[:, :3, :3]
    contrast = np.abs(centre - corner.mean(axis=(1, 2))[:, None, None]).max(axis=(1, 2))
    assert contrast.min() > 255 * glyph_drawings.CONTRAST / 2


def test_the_characters_are_those_that_look_different():
    assert "".join(glyph_shapes.distinct()) == DISTINCT
    assert len(set(glyph_drawings.choose(MOST_CLASSES, seed=0))) == MOST_CLASSES
    for alike in ("AΑА", "oOοОо", "xXхХ", "cCсС", ".•●·"):
        assert len(set(alike) & set(DISTINCT)) == 1
    # DejaVu Serif Bold shows a T for this capital U.
    assert "\u1d41" not in DISTINCT


def test_groups_follow_the_unicode_category():
    for name, group in glyphs.read({**SMALL, "classes": 101}).classes:
        codepoint, _, described = name.partition(" ")
        character = chr(int(codepoint.removeprefix("U+"), 16))
        assert unicodedata.name(character) == described
        assert (group == "letters") == (unicodedata.category(character)[0] == "L")


@pytest.mark.parametrize(("classes", "wanted", "symbols"), [(101, None, 50), (20, 0, 0), (9, 9, 9)])
def test_the_requested_number_of_symbols(classes: int, wanted: int | None, symbols: int):
    settings = {**SMALL, "classes": classes, "symbols": wanted}
    groups = [group for _, group in glyphs.read(settings).classes]
    assert groups.count("symbols") == symbols
    assert images.info(settings).groups == {"letters": classes - symbols, "symbols": symbols}


@pytest.mark.parametrize("settings", [SMALL, DIGITS], ids=["glyphs", "digits"])
def test_the_info_before_reading_agrees_with_the_images(settings):
    told, content = images.info(settings), images.source_module(settings["source"]).read(settings)
    counts = np.bincount([label for label, _ in content.train]) * content.per_item[0]
    assert (told.classes, told.images_per_class) == (len(content.classes), counts.min())
    assert set(told.groups) == {group for _, group in content.classes}


PHOTOS = made_photos.settings(Path("photos"))


@pytest.mark.parametrize(
    ("settings", "change", "is_same"),
    [
        (SMALL, {}, True),
        (SMALL, {"seed": 2}, False),
        (PHOTOS, {"groups": "groups.csv"}, True),
        (PHOTOS, {"on_bad_image": "skip"}, False),
        (PHOTOS, {"on_duplicate": "keep"}, True),
        (PHOTOS, {"on_duplicate": "skip"}, False),
        ({"source": "torchvision", "name": "CIFAR10", "download": False}, {"download": True}, True),
    ],
)
def test_the_name_of_a_store_depends_on_its_content_only(settings, change, is_same):
    name = images.store_name(settings)
    assert re.fullmatch(f"{settings['source']}-[0-9a-f]{{8}}", name)
    changed = dict(reversed({**settings, **change}.items()))
    assert (images.store_name(changed) == name) == is_same


def test_digits_are_those_of_scikit_learn(digits_store: Path):
    opened, original = store.open_store(digits_store), load_digits()
    validation = np.bincount(opened.validation_labels)
    total = np.bincount(opened.train_labels) + validation
    assert total.tolist() == np.bincount(original.target).tolist() == list(digits.COUNTS)
    assert np.abs(validation - 0.25 * total).max() <= 0.5
    assert opened.classes == [str(digit) for digit in range(10)]
    closed = [
        d for d, group in zip(opened.classes, opened.groups, strict=True) if group == "closed"
    ]
    assert closed == ["0", "6", "8", "9"]
    drawn = np.concatenate([opened.train_images, opened.validation_images])
    labels = np.concatenate([opened.train_labels, opened.validation_labels])
    assert (drawn == drawn[..., :1]).all()
    values = np.rint(drawn[..., 0] / 255 * 16).astype(int).reshape(len(drawn), -1)
    ours = np.column_stack([labels, values])
    theirs = np.column_stack([original.target, original.data.astype(int)])
    assert np.array_equal(np.unique(ours, axis=0), np.unique(theirs, axis=0))
    assert len(ours) == len(theirs)


def test_enlarged_digits_show_the_same():
    small, large = (joined(digits.read({**DIGITS, "image_size": s})) for s in (8, 16))
    blocks = large.reshape(len(large), 8, 2, 8, 2, 3).mean(axis=(2, 4))
    assert np.corrcoef(blocks.ravel(), small.ravel())[0, 1] > 0.95


def test_validation_images_are_halved_within_each_class():
    def halved(classes: str, counts: list[int]) -> list[np.ndarray]:
        labels = np.repeat(np.arange(len(classes)), counts)
        return np.split(store.selection(labels, [*classes]), np.cumsum(counts)[:-1])

    halves = halved("abcd", [7, 50, 1, 1])
    assert [half.sum() for half in halves] == [4, 25, 0, 1]
    # Not every other image, and not as in another class.
    renamed = halved("aecd", [7, 50, 1, 1])
    assert np.array_equal(renamed[0], halves[0])
    assert not np.array_equal(renamed[1], halves[1])
    assert np.array_equal(halved("ab", [7, 50])[1], halves[1])


@pytest.mark.parametrize("name", ["train.images.npy", "validation.labels.npy", "classes.csv"])
def test_a_truncated_or_missing_file_is_an_error(digits_store: Path, name: str):
    file = digits_store / name
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(store.StoreError, match=rf"{name} has .* bytes.*delete the folder"):
        store.open_store(digits_store)
    file.unlink()
    with pytest.raises(store.StoreError, match=rf"{name} is missing.*delete the folder"):
        store.open_store(digits_store)


@pytest.fixture(scope="module")
def large_store(tmp_path_factory) -> Path:
    """A store so large that opening it does not read all images. For reading only."""
    settings = {**DIGITS, "image_size": 32}
    folder = tmp_path_factory.mktemp("images") / images.store_name(settings)
    build.write_store(digits.read(settings), folder, settings)
    return folder


@pytest.fixture
def large(large_store, tmp_path) -> Path:
    return shutil.copytree(large_store, tmp_path / large_store.name)


def test_a_changed_byte_is_found_by_verify(large):
    flipped(large / "train.images.npy")
    opened = store.open_store(large)
    with pytest.raises(store.StoreError, match=r"train\.images\.npy .*checksum"):
        opened.verify()


@pytest.mark.parametrize(
    ("name", "start", "share"),
    [
        *(("train.images.npy", start, 0.05) for start in np.linspace(0, 0.95, 7).tolist()),
        *((name, start, 0) for name in store.FILES for start in (0, 1)),
    ],
)
def test_large_changes_and_end_bytes_are_found_on_opening(large, name, start, share):
    content = np.fromfile(large / name, np.uint8)
    first = min(int(start * len(content)), len(content) - 1)
    content[first : first + max(1, int(share * len(content)))] ^= 0xFF
    content.tofile(large / name)
    with pytest.raises(store.StoreError, match=f"{name} changed .*delete the folder"):
        store.open_store(large)


def test_nothing_is_trained_on_changed_images(laboratory, tmp_path, caplog):
    """Like after a disk error: files of the right length with wrong content."""
    folder = shutil.copytree(laboratory.images, tmp_path / "images")
    content = np.fromfile(folder / "validation.images.npy", np.uint8)
    content[len(content) // 2 :] = 0
    content.tofile(folder / "validation.images.npy")
    words = Laboratory(folder, laboratory.split).command("baseB", tmp_path / "baseB")
    assert main(words) == 1
    assert f"image store: {folder}/validation.images.npy " in caplog.text
    assert f"delete the folder {folder} and run again" in caplog.text
    assert written(tmp_path / "baseB") == []


def test_an_older_manifest_is_an_error_with_advice(digits_store: Path):
    manifest = digits_store / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('"format": 2', '"format": 1'), encoding="utf-8")
    with pytest.raises(store.StoreError, match=r"not of store format 2; delete the folder"):
        store.open_store(digits_store)


def test_an_interrupted_write_leaves_no_manifest(digits_store: Path):
    source = digits.read(DIGITS)

    def interrupted(_: str) -> np.ndarray:
        raise KeyboardInterrupt

    (digits_store / "manifest.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        build.write_store(replace(source, load=interrupted), digits_store, {**DIGITS, "seed": 1})
    with pytest.raises(store.StoreError, match="incomplete"):
        store.open_store(digits_store)
    build.write_store(source, digits_store, DIGITS)
    store.open_store(digits_store).verify()
    assert not [file for file in digits_store.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("shape", [(8, 8), (7, 8, 3), (2, 8, 8, 3)])
def test_an_image_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]):
    other = replace(digits.read(DIGITS), load=lambda _: np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match=r"is uint8 .*; expected uint8 \(1, 8, 8, 3\)"):
        build.write_store(other, tmp_path / "store", DIGITS)
    assert not (tmp_path / "store").exists()
