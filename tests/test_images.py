"""The image store and its sources."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import glyph_shapes
import numpy as np
import pytest
from sklearn.datasets import load_digits

from transferability import images
from transferability.images import build, digits, glyph_drawings, glyphs, store
from transferability.images.glyph_characters import DISTINCT
from transferability.study.sections import Glyphs

SMALL = {
    "source": "glyphs",
    "classes": 6,
    "symbols": None,
    "images_per_class": 5,
    "validation_images_per_class": 3,
    "image_size": 16,
    "seed": 1,
}
DIGITS = {"source": "digits", "image_size": 8, "validation": 0.25, "seed": 0}

MOST_CLASSES = Glyphs.model_json_schema()["properties"]["classes"]["maximum"]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def joined(source: images.ImageSource, part: str = "train") -> np.ndarray:
    shape = (-1, *source.image_size, 3)
    return np.concatenate([source.load(item).reshape(shape) for _, item in getattr(source, part)])


@pytest.fixture
def digits_store(tmp_path: Path) -> Path:
    folder = tmp_path / images.store_name(DIGITS)
    build.write_store(digits.read(DIGITS), folder, DIGITS)
    return folder


def test_same_settings_give_the_same_bytes_with_any_number_of_workers(tmp_path: Path):
    for workers in (1, 2):
        build.write_store(glyphs.read(SMALL), tmp_path / str(workers), SMALL, workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    opened = store.open_store(tmp_path / "1")
    opened.verify()
    assert opened.train_images.shape == (30, 16, 16, 3)
    assert opened.validation_images.shape == (18, 16, 16, 3)
    assert opened.train_labels.tolist() == np.repeat(np.arange(6), 5).tolist()
    assert isinstance(opened.train_images, np.memmap)


def test_another_seed_gives_other_images():
    first, second = (glyph_drawings.draw("A", "train", 4, 16, seed) for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_the_images_of_a_class_do_not_depend_on_the_other_classes():
    few, more = (glyphs.read({**SMALL, "classes": n}) for n in (2, 6))
    assert set(few.classes) < set(more.classes)
    drawn_few, drawn_more = (
        np.split(joined(source), len(source.classes)) for source in (few, more)
    )
    for label, described in enumerate(few.classes):
        assert np.array_equal(drawn_few[label], drawn_more[more.classes.index(described)])


def test_validation_typefaces_never_occur_in_training(monkeypatch: pytest.MonkeyPatch):
    used: dict[str, set[str]] = {}
    master = glyph_drawings._master
    for part in ("train", "validation"):
        seen = used[part] = set()

        def recording(typeface: str, character: str, size: int, seen: set[str] = seen):
            seen.add(typeface)
            return master(typeface, character, size)

        monkeypatch.setattr(glyph_drawings, "_master", recording)
        glyph_drawings.draw("g", part, 40, 16, seed=0)
    assert used["train"]
    assert used["validation"]
    assert not used["train"] & used["validation"]


def test_glyph_is_visible_in_every_image():
    drawn = glyph_drawings.draw("A", "validation", 50, 24, seed=3).astype(float)
    brightness = drawn @ glyph_drawings.LUMA
    centre, corner = brightness[:, 8:16, 8:16], brightness[:, :3, :3]
    contrast = np.abs(centre - corner.mean(axis=(1, 2))[:, None, None]).max(axis=(1, 2))
    assert contrast.min() > 255 * glyph_drawings.CONTRAST / 2


def test_no_two_of_all_classes_are_near_identical():
    chosen = glyph_drawings.choose(MOST_CLASSES, seed=0)
    assert len(set(chosen)) == MOST_CLASSES
    distance = glyph_shapes.distances(glyph_shapes._outlines(chosen))
    np.fill_diagonal(distance, np.inf)
    assert distance.min() > glyph_shapes.NEAR_IDENTICAL - 1e-4


def test_the_characters_are_those_whose_drawings_differ():
    assert "".join(glyph_shapes.distinct()) == DISTINCT


@pytest.mark.parametrize("alike", ["AΑА", "oOοОо", "xXхХ", "cCсС", ".•●·"])
def test_of_characters_that_look_alike_one_is_kept(alike: str):
    assert len(set(alike) & set(DISTINCT)) == 1


def test_a_mistake_of_the_fonts_is_no_class():
    # DejaVu Serif Bold shows a T for this capital U.
    assert "\u1d41" not in DISTINCT


def test_groups_follow_the_unicode_category_and_are_balanced():
    collection = glyphs.read({**SMALL, "classes": 101})
    for name, group in collection.classes:
        codepoint, _, described = name.partition(" ")
        character = chr(int(codepoint.removeprefix("U+"), 16))
        assert unicodedata.name(character) == described
        assert (group == "letters") == (unicodedata.category(character)[0] == "L")
    groups = [group for _, group in collection.classes]
    assert (groups.count("letters"), groups.count("symbols")) == (51, 50)
    assert set(groups) == set(images.info(SMALL).groups)


@pytest.mark.parametrize("symbols", [0, 2, 20])
def test_so_many_symbols_as_are_asked_for(symbols: int):
    settings = {**SMALL, "classes": 20, "symbols": symbols}
    groups = [group for _, group in glyphs.read(settings).classes]
    assert groups.count("symbols") == symbols
    assert images.info(settings).groups == {"letters": 20 - symbols, "symbols": symbols}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**DIGITS, "validation": 0.001}, r"dataset\.validation"),
        ({**SMALL, "symbols": 7}, r"dataset\.symbols: 7 of 6 .* choose 0 to 6"),
        ({**SMALL, "classes": 1000, "symbols": 607}, r"dataset\.symbols: .* 153 to 606"),
    ],
)
def test_impossible_settings_are_named(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        images.info(settings)


def test_facts_agree_with_what_is_read():
    for settings in (SMALL, DIGITS):
        told = images.info(settings)
        collection = images.source_module(settings["source"]).read(settings)
        assert told.classes == len(collection.classes)
        counts = np.bincount([label for label, _ in collection.train]) * collection.per_item[0]
        assert told.images_per_class == counts.min()
        assert set(told.groups) == {group for _, group in collection.classes}


def test_store_name_depends_on_settings_and_not_on_their_order():
    name = images.store_name(SMALL)
    assert name.startswith("glyphs-")
    assert len(name) == len("glyphs-") + 8
    assert images.store_name(dict(reversed(SMALL.items()))) == name
    assert images.store_name({**SMALL, "seed": 2}) != name


def test_digits_are_those_of_scikit_learn(digits_store: Path):
    opened = store.open_store(digits_store)
    original = load_digits()
    total = np.bincount(opened.train_labels) + np.bincount(opened.validation_labels)
    assert total.tolist() == np.bincount(original.target).tolist() == list(digits.COUNTS)
    assert opened.classes == [str(digit) for digit in range(10)]
    assert [d for d, g in zip(opened.classes, opened.groups, strict=True) if g == "closed"] == [
        "0",
        "6",
        "8",
        "9",
    ]
    drawn = np.concatenate([opened.train_images, opened.validation_images])
    labels = np.concatenate([opened.train_labels, opened.validation_labels])
    assert np.array_equal(drawn[..., 0], drawn[..., 1])
    assert np.array_equal(drawn[..., 0], drawn[..., 2])
    values = np.rint(drawn[..., 0] / 255 * 16).astype(int).reshape(len(drawn), -1)
    ours = np.column_stack([labels, values])
    theirs = np.column_stack([original.target, original.data.astype(int)])
    assert np.array_equal(np.unique(ours, axis=0), np.unique(theirs, axis=0))
    assert len(ours) == len(theirs)


def test_each_digit_gives_its_share_to_validation(digits_store: Path):
    counts = np.bincount(store.open_store(digits_store).validation_labels)
    assert np.abs(counts - 0.25 * np.array(digits.COUNTS)).max() <= 0.5


def test_validation_images_are_halved_class_by_class():
    def halved(classes: list[str], counts: list[int]) -> list[np.ndarray]:
        labels = np.repeat(np.arange(len(classes)), counts)
        return np.split(store.selection(labels, classes), np.cumsum(counts)[:-1])

    halves = halved(["a", "b", "c", "d"], [7, 50, 1, 1])
    assert [half.sum() for half in halves] == [4, 25, 0, 1]
    # Not every other image, and not as in another class.
    renamed = halved(["a", "e", "c", "d"], [7, 50, 1, 1])
    assert np.array_equal(renamed[0], halves[0])
    assert not np.array_equal(renamed[1], halves[1])
    assert np.array_equal(halved(["a", "b"], [7, 50])[1], halves[1])


def test_enlarged_digits_show_the_same():
    small, large = (joined(digits.read({**DIGITS, "image_size": s})) for s in (8, 16))
    blocks = large.reshape(len(large), 8, 2, 8, 2, 3).mean(axis=(2, 4))
    assert np.corrcoef(blocks.ravel(), small.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("name", ["train.images.npy", "validation.labels.npy", "classes.csv"])
def test_a_truncated_or_missing_file_is_named(digits_store: Path, name: str):
    file = digits_store / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-3])
    with pytest.raises(store.StoreError, match=rf"{name} has .* bytes.*delete the folder"):
        store.open_store(digits_store)
    file.unlink()
    with pytest.raises(store.StoreError, match=rf"{name} is missing.*delete the folder"):
        store.open_store(digits_store)


def test_a_changed_byte_is_found_by_verify(digits_store: Path):
    file = digits_store / "train.images.npy"
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    with pytest.raises(store.StoreError, match=r"train\.images\.npy .*checksum"):
        store.open_store(digits_store).verify()


def test_an_interrupted_write_leaves_no_manifest(digits_store: Path):
    source = digits.read(DIGITS)

    def interrupted(_: str) -> np.ndarray:
        raise KeyboardInterrupt

    broken = replace(source, load=interrupted)
    other = {**DIGITS, "seed": 1}
    (digits_store / "manifest.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        build.write_store(broken, digits_store, other)
    with pytest.raises(store.StoreError, match="unfinished"):
        store.open_store(digits_store)
    build.write_store(source, digits_store, DIGITS)
    store.open_store(digits_store).verify()
    assert not [file for file in digits_store.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("shape", [(8, 8), (7, 8, 3), (2, 8, 8, 3)])
def test_an_image_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]):
    other = replace(digits.read(DIGITS), load=lambda _: np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match=r"came as uint8 .*: expected uint8 \(1, 8, 8, 3\)"):
        build.write_store(other, tmp_path / "store", DIGITS)
    assert not (tmp_path / "store").exists()
