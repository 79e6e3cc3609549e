"""A user's own images: which of them are listed, and as what."""

from pathlib import Path

import numpy as np
import pytest
from made_photos import prepare, settings, shade, tree

from transferability import images
from transferability.images import folder, groups, store


def names(items: list[tuple[int, str]]) -> set[str]:
    return {name for _, name in items}


def test_one_tree_gives_each_class_its_share_for_validation(tmp_path):
    assert prepare(tmp_path / "store", settings(tree(tmp_path / "photos"))) == 0
    opened = store.open_store(tmp_path / "store")
    assert opened.classes == ["a", "b", "c", "d"]
    assert np.bincount(opened.train_labels).tolist() == [6] * 4
    assert np.bincount(opened.validation_labels).tolist() == [2] * 4


def test_the_share_depends_on_the_seed_and_not_on_other_classes(tmp_path):
    def held_back(root: Path, **changes: object) -> set[str]:
        return names(folder.read(settings(root, **changes)).validation)

    few, more = tree(tmp_path / "few", "bc"), tree(tmp_path / "more", "abcd")
    assert held_back(few) < held_back(more)
    assert held_back(few) != held_back(few, seed=1)


def test_an_image_that_goes_moves_one_other_to_validation_at_most(tmp_path):
    root = tree(tmp_path / "photos", "a", count=40)
    before = names(folder.read(settings(root)).validation)
    (root / "a" / "007.png").unlink()
    after = names(folder.read(settings(root)).validation)
    assert len(before - after) <= 1
    assert len(after - before) <= 1


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_no_class_is_left_without_images_by_its_share(tmp_path, share):
    album = folder.read(settings(tree(tmp_path / "photos", count=2), validation=share))
    assert len(album.train) == len(album.validation) == 4


def test_hidden_and_other_files_do_not_count(tmp_path):
    root = tree(tmp_path / "photos")
    (root / "a" / "._000.png").write_bytes(b"of a Mac")
    (root / "a" / "notes.txt").write_text("notes")
    (root / ".cache").mkdir()
    album = folder.read(settings(root))
    assert len(album.train) + len(album.validation) == 32
    assert [name for name, _ in album.classes] == ["a", "b", "c", "d"]


def test_links_to_images_are_images(tmp_path):
    root = tree(tmp_path / "photos")
    shade(50).save(tmp_path / "elsewhere.png")
    (root / "a" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (root / "e").symlink_to(root / "b")
    assert prepare(tmp_path / "store", settings(root)) == 0
    opened = store.open_store(tmp_path / "store")
    assert opened.classes == ["a", "b", "c", "d", "e"]
    both = np.concatenate([opened.train_images, opened.validation_images])
    assert 250 in both[:, 0, 0, 0]


def test_groups_are_counted_beforehand_and_have_to_fit_the_classes(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("class,group\na,x\nb,y\nc,x\nz,x\n", encoding="utf-8")
    told = images.info(settings(tmp_path, groups=str(path)))
    assert (told.classes, told.images_per_class, told.groups) == (None, None, {"x": 3, "y": 1})
    assert images.info(settings(tmp_path)).groups == {}
    assert groups.of_classes(path, ["z", "c", "b", "a"]) == ["x", "x", "y", "x"]
    with pytest.raises(ValueError, match=r"lacks 'd'; the dataset has no class 'z'"):
        groups.of_classes(path, ["a", "b", "c", "d"])


def test_what_changes_no_image_changes_no_store(tmp_path):
    plain = settings(tmp_path)
    assert images.store_name(plain) == images.store_name({**plain, "groups": "groups.csv"})
    assert images.store_name(plain) != images.store_name({**plain, "on_bad_image": "skip"})
