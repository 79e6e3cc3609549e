"""Splits of classes into halves."""

import pytest

from transferability.images import class_splits
from transferability.study import config, design

NAMES = [f"class {i}, 'quoted' \"and\" äöü" for i in range(20)]
HALVES = {"A": ["letters"], "B": ["symbols"]}


@pytest.mark.parametrize(("count", "sizes"), [(20, (10, 10)), (7, (4, 3)), (4, (2, 2))])
def test_random_halves_are_equal_except_for_an_odd_class(count, sizes):
    split = class_splits.draw_random(NAMES[:count], 0)
    assert list(split) == NAMES[:count]
    halves = list(split.values())
    assert (halves.count("A"), halves.count("B")) == sizes


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_classes_for_two_halves_are_refused(count):
    with pytest.raises(ValueError, match=rf"splits\.random: .* {count} classes.*4 or more"):
        class_splits.draw_random(NAMES[:count], 0)


def test_a_random_split_depends_on_its_number_alone():
    drawn = {tuple(class_splits.draw_random(NAMES, number).values()) for number in range(20)}
    assert len(drawn) == 20
    split = class_splits.draw_random([str(digit) for digit in range(10)], 0)
    assert "".join(split.values()) == "BABABAABBA"


def test_halves_of_a_dissimilar_split_are_its_groups():
    groups = ["letters"] * 5 + ["symbols"] * 3 + ["others"] * 12
    split = class_splits.draw_dissimilar(NAMES, groups, HALVES)
    assert split == dict(zip(NAMES[:8], "AAAAABBB", strict=True))
    both = class_splits.draw_dissimilar(
        NAMES, groups, {"A": ["letters", "symbols"], "B": ["others"]}
    )
    assert list(both.values()) == ["A"] * 8 + ["B"] * 12


@pytest.mark.parametrize("count", [0, 1])
def test_a_half_of_fewer_than_two_classes_is_refused(count):
    groups = ["letters"] * (20 - count) + ["symbols"] * count
    with pytest.raises(ValueError, match=rf"splits\.dissimilar\.B.*symbols hold {count} .*least 2"):
        class_splits.draw_dissimilar(NAMES, groups, HALVES)


def test_a_written_split_is_read_as_indices_in_store_order(tmp_path):
    split = dict(zip(NAMES[:6], "BABAAB", strict=True))
    # The file may hold the classes in any order.
    class_splits.write(dict(reversed(split.items())), tmp_path / "random0.csv")
    assert class_splits.read(tmp_path / "random0.csv", NAMES) == {"A": [1, 3, 4], "B": [0, 2, 5]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns class, half"),
        ("class,half\n", "fewer than two classes"),
        ("class,half\na,A\nb,A\n", "fewer than two classes"),
        ("class,part\na,A\n", "columns class, half"),
        ("class,half\na,A\nz,B\n", "'z'"),
        ("class,half\na,A\nb,C\n", "'C'"),
        ("class,half\na,A\na,B\nb,A\nc,B\n", "'a'"),
    ],
)
def test_a_split_that_does_not_fit_the_store_is_an_error(tmp_path, text, words):
    path = tmp_path / "random0.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"^{path}: .*{words}"):
        class_splits.read(path, ["a", "b", "c", "d"])


FOLDER = {"source": "folder", "path": "photos"}
IMAGENET = {"source": "imagenet", "path": "ILSVRC2012"}


def complete(dataset: dict, splits: dict) -> dict:
    return config.complete({"dataset": dataset, "splits": splits})


def test_published_splits_come_after_the_drawn_ones():
    found = complete(IMAGENET, {"random": 1, "published": ["random1", "natman"]})
    assert found.split_names == ["random0", "random1", "natman"]


def test_a_groups_file_divides_the_classes_of_a_folder(tmp_path):
    file = tmp_path / "groups.csv"
    file.write_text("class,group\na,x\nb,y\nc,x\nd,y\n")
    dataset = {**FOLDER, "groups": str(file)}
    assert complete(dataset, {"random": 0, "dissimilar": {"A": "x", "B": "y"}})
    with pytest.raises(design.StudyError, match=r"splits\.dissimilar\.A: .*groups are x, y"):
        complete(dataset, {"random": 0, "dissimilar": {"A": "z", "B": "y"}})


def test_unread_images_are_not_checked_beforehand():
    found = config.complete({"dataset": FOLDER, "target_sizes": [1000000]})
    assert found["dataset"]["image_size"] == 64


def test_images_that_are_only_read_may_be_anywhere():
    dataset = {"source": "torchvision", "name": "MNIST", "root": "/data", "download": False}
    assert config.complete({"dataset": dataset})["dataset"]["root"] == "/data"
