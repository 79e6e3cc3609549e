"""Folders of images: which files are read, with which class; omitted files are counted
and named."""

import csv
import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_photos import prepare, settings, shade, tree

from transferability import images
from transferability.images import folder, groups, store
from transferability.storage import files

Change = Callable[[Path], object]


def written(file: Path, content: bytes = b"x") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def phones(root: Path) -> None:
    for place in root.iterdir():
        for number in range(20):
            written(place / f"IMG_{number:04}.HEIC")


def in_parts(train: str, validation: str, *others: str) -> Change:
    def change(root: Path) -> None:
        for number, part in enumerate((train, validation, *others)):
            for name, place in zip("abcd", range(4), strict=True):
                folder = root / part / name
                folder.mkdir(parents=True)
                for k in range(2):
                    # No image of training equals one of validation.
                    shade(16 * (number % 2) + 4 * place + k).save(folder / f"{k}.png")
        for name in "abcd":
            shutil.rmtree(root / name)

    return change


# How a folder of images is changed, and the message about it; the images themselves stay usable.
LEFT_OUT: dict[str, tuple[Change, list[str]]] = {
    "phones": (phones, ["Left out, since .heic is not read: 80, the first is a/IMG_0000.HEIC"]),
    "raw files": (lambda root: written(root / "b" / "1.NEF"), ["since .nef is not read: 1"]),
    "no suffix": (
        lambda root: written(root / "a" / "picture"),
        ["since a file without a suffix is not read: 1, the first is a/picture"],
    ),
    "beside the classes": (
        lambda root: shade(50).save(root / "stray.png"),
        ["since it is beside the folders of the classes: 1, the first is stray.png"],
    ),
    "what a Mac's archive and a network drive add": (
        lambda root: [written(root / n / "000.png") for n in ("__MACOSX/a", "a/@eaDir")],
        [],
    ),
    "files of systems": (
        lambda root: [written(root / "a" / n) for n in ("Thumbs.db", "desktop.ini", "Icon\r")],
        [],
    ),
    "hidden files and folders": (
        lambda root: [written(root / n) for n in ("a/._000.png", ".ipynb_checkpoints/a.png")],
        [],
    ),
    "train and valid": (in_parts("train", "valid"), []),
    "capitals": (in_parts("Train", "VAL"), []),
    "training and validation": (in_parts("training", "validation"), []),
    "train and test": (in_parts("train", "test"), []),
    "beside the parts": (
        lambda root: (in_parts("train", "val")(root), shade(50).save(root / "stray.png")),
        ["since it is beside train and val: 1, the first is stray.png"],
    ),
    "three parts": (
        in_parts("train", "valid", "test"),
        ["since it is beside train and valid: 1, the first is test/"],
    ),
}


@pytest.mark.parametrize(("change", "said"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_omitted_files_are_logged(tmp_path, caplog, change, said):
    root = tree(tmp_path / "photos")
    change(root)
    assert prepare(tmp_path / "store", settings(root)) == 0
    notes = images.notes(tmp_path / "store")
    assert len(notes) == len(said)
    for note, words in zip(notes, said, strict=True):
        assert words in note
        assert note in caplog.text
    assert store.open_store(tmp_path / "store").classes == ["a", "b", "c", "d"]


def remade(**classes: str) -> Change:
    """Replace the images by other folders, each with these classes."""

    def change(root: Path) -> None:
        shutil.rmtree(root)
        root.mkdir()
        for part, names in classes.items():
            tree(root / part, names)

    return change


REFUSED: dict[str, tuple[Change, list[str]]] = {
    "no folder": (shutil.rmtree, ["no folder", "photos/train/<class>/", "photos/<class>/"]),
    "nothing in it": (remade(), ["dataset.path", "no folders", "photos/<class>/"]),
    "no validation": (remade(train="abcd"), ["has train", "photos/validation/<class>/"]),
    "other classes": (
        remade(train="abcd", validation="abce"),
        ["validation", "lacks", "'d'"],
    ),
    "an empty class": (lambda root: (root / "e").mkdir(), ["no images", "'e'", ".jpeg"]),
    "a folder in a class": (lambda root: (root / "a" / "more").mkdir(), ["photos/a", "'more'"]),
    "a class of one image": (
        lambda root: [file.unlink() for file in sorted(root.glob("b/*"))[1:]],
        ["'b' has 1 image"],
    ),
    "a name that is no text": (
        lambda root: os.rename(root / "a", os.fsencode(root) + b"/\xff"),
        ["UTF-8"],
    ),
    **{
        f"a link to a disk that is not there, {name}": (
            lambda root, name=name: (root / name).symlink_to("/mnt/usb/photos"),
            [f"photos/{name} is a link to /mnt/usb/photos, which does not exist"],
        )
        for name in ("e", "a/more")
    },
    "two folders of one part": (in_parts("train", "val", "valid"), ["has both val and valid"]),
    "classes a folder deeper": (
        lambda root: shutil.move(shutil.move(root, root.with_name("x")), root / "mine"),
        ["contains the folder 'a'", "dataset.path to", "photos/mine"],
    ),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_an_unknown_folder_structure_is_refused(tmp_path, caplog, change, words):
    root = tree(tmp_path / "photos")
    change(root)
    assert prepare(tmp_path / "store", settings(root)) == 1
    assert not [word for word in words if word not in caplog.text]
    assert not (tmp_path / "store").exists()


def copied(root: Path, part: str, name: str, to: str) -> None:
    shutil.copy(root / part / name, root / to)


def test_duplicates_are_counted_named_and_omitted_on_request(tmp_path, caplog):
    root = tmp_path / "photos"
    in_parts("train", "val")(tree(root))
    copied(root, "train/a", "0.png", "train/a/0 (1).png")
    copied(root, "train/b", "0.png", "val/b/copy.png")
    copied(root, "val/b", "1.png", "val/b/again.png")
    copied(root, "train/c", "0.png", "train/d/other.png")
    assert prepare(tmp_path / "kept", settings(root)) == 0
    manifest = json.loads((tmp_path / "kept" / "manifest.json").read_text())
    assert manifest["duplicates"] == {
        "two_classes": [["train/d/other.png", "train/c/0.png"]],
        "validation_in_train": [["val/b/copy.png", "train/b/0.png"]],
        "train": [["train/a/0.png", "train/a/0 (1).png"]],
        "validation": [["val/b/again.png", "val/b/1.png"]],
    }
    assert "Validation images with the same pixels as a training image: 1, kept" in caplog.text
    assert (manifest["train"], manifest["validation"]) == (10, 10)
    skipping = settings(root, on_duplicate="skip")
    assert prepare(tmp_path / "skipped", skipping) == 0
    opened = store.open_store(tmp_path / "skipped")
    opened.verify()
    assert (len(opened.train_labels), len(opened.validation_labels)) == (8, 8)
    both = np.concatenate([opened.train_images, opened.validation_images])
    assert len(np.unique(both, axis=0)) == 16
    assert len(images.notes(tmp_path / "skipped")) == 4


def test_a_validation_folder_that_copies_training_is_an_error(tmp_path, caplog):
    root = tmp_path / "photos"
    tree(root / "train")
    shutil.copytree(root / "train", root / "val")
    assert prepare(tmp_path / "store", settings(root, on_duplicate="skip")) == 1
    assert "no validation images of a, b, c, d" in caplog.text


def test_unicode_forms_of_names_make_no_difference(tmp_path):
    composed, decomposed = (
        [unicodedata.normalize(form, name) for name in ("écureuil", "âne", "lion", "ours")]
        for form in ("NFC", "NFD")
    )
    root = tmp_path / "photos"
    tree(root / "train", decomposed)
    tree(root / "val", composed)
    assert prepare(tmp_path / "store", settings(root)) == 0
    names = store.open_store(tmp_path / "store").classes
    assert sorted(names) == sorted(composed)
    file = tmp_path / "groups.csv"
    files.write_table(file, ("class", "group"), [(name, "g") for name in decomposed])
    assert groups.of_classes(file, names) == ["g"] * 4


def test_two_folders_with_one_name_are_one_class(tmp_path):
    """On Linux both Unicode forms of a name can exist, for example one copied from a Mac."""
    forms = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    source = folder.read(settings(tree(tmp_path / "photos", [*forms, "lion"], 3)))
    assert [name for name, _ in source.classes] == [forms[0], "lion"]
    labels = [label for label, _ in [*source.train, *source.validation]]
    assert (labels.count(0), labels.count(1)) == (6, 3)


def test_class_names_of_any_kind_are_kept(tmp_path):
    names = ["NA", "007", "True", "a\nb", "cat\r", "c\rd", 'say "hi"', "x, y", "end ", "{b} $HOME"]
    assert prepare(tmp_path / "store", settings(tree(tmp_path / "photos", names, 2))) == 0
    assert store.open_store(tmp_path / "store").classes == sorted(names)
    with (tmp_path / "store" / "classes.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == sorted(names)


@pytest.mark.parametrize("path", ["~/photos", "$HOME/photos", "${HOME}/photos"])
def test_the_folder_of_the_user_is_found(tmp_path, monkeypatch, path):
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    tree(tmp_path / "photos")
    assert prepare(tmp_path / "store", settings(Path(path))) == 0


# A file of groups, and the groups or the error.
TABLES = {
    "empty rows of Excel": ("class,group\na,x\nb,y\n,\n,\n", {"a": "x", "b": "y"}),
    "a column more": ("class,group,\na,x,\nb,y,\n", {"a": "x", "b": "y"}),
    "a comma more in rows": ("class,group\na,x,\nb,y,,\n", {"a": "x", "b": "y"}),
    "blanks": ("class , Group\na , x\nb,\ty\n", {"a": "x", "b": "y"}),
    "semicolons": ("class;group\na;x, z\nb;y\n", {"a": "x, z", "b": "y"}),
    "tabs": ("class\tgroup\na\tx\nb\ty\n", {"a": "x", "b": "y"}),
    "an index": (",group,class\n0,x,a\n1,y,b\n", {"a": "x", "b": "y"}),
    "of an old Mac": ("class,group\ra,x\rb,y\r", {"a": "x", "b": "y"}),
    "names like numbers": ("class,group\n007,NA\n1e5,True\n", {"007": "NA", "1e5": "True"}),
    "a mark in front": ("\ufeffclass,group\na,x\nb,y\n", {"a": "x", "b": "y"}),
    "quotes": ('"class","group"\n"a, b","x"\n"c\nd","y"\n', {"a, b": "x", "c\nd": "y"}),
    "a comment": ("# groups\nclass,group\na,x\n", "line 1, has other columns: '# groups'"),
    "no group": ("class,group\na,x\nb,\n", "line 3: 'b,'"),
    "no class": ("class,group\n,x\n", "line 2: ',x'"),
    "a cell more": ("class,group\na,x\nb,y,z\n", "line 3: 'b,y,z'"),
    "a comma in a name": ("class,group\na, b,x\n", "line 2: 'a, b,x'"),
    "a quote that stays open": ('class,group\n"a,x\nb,y\n', "cannot be read as CSV"),
    "a class twice": ("class,group\na,x\nb,y\na,y\n", "line 4, names the class 'a' again"),
    "no rows": ("class,group\n", "has no rows"),
    "nothing": ("", "line 1, has other columns"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(("text", "expected"), TABLES.values(), ids=TABLES)
def test_groups_are_read_or_the_wrong_line_is_named(tmp_path, text, expected, encoding):
    file = tmp_path / "groups.csv"
    file.write_bytes(text.encode(encoding))
    if isinstance(expected, dict):
        assert groups.read(file) == expected
        return
    with pytest.raises(ValueError, match=r"^dataset\.groups: ") as caught:
        groups.read(file)
    assert expected in str(caught.value)


def test_a_name_that_the_workflow_cannot_use_is_refused(tmp_path):
    for name, words in (
        ("{x}.csv", "wildcard"),
        (".", "Is a directory"),
        ("no.csv", "No such file"),
    ):
        with pytest.raises(ValueError, match=words):
            groups.read(tmp_path / name)


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


def test_a_removed_image_moves_at_most_one_to_validation(tmp_path):
    root = tree(tmp_path / "photos", "a", count=40)
    before = names(folder.read(settings(root)).validation)
    (root / "a" / "007.png").unlink()
    after = names(folder.read(settings(root)).validation)
    assert len(before - after) <= 1
    assert len(after - before) <= 1


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_every_class_keeps_training_and_validation_images(tmp_path, share):
    album = folder.read(settings(tree(tmp_path / "photos", count=2), validation=share))
    assert len(album.train) == len(album.validation) == 4


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


def test_groups_are_counted_first_and_must_fit_the_classes(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("class,group\na,x\nb,y\nc,x\nz,x\n", encoding="utf-8")
    told = images.info(settings(tmp_path, groups=str(path)))
    assert (told.classes, told.images_per_class, told.groups) == (None, None, {"x": 3, "y": 1})
    assert images.info(settings(tmp_path)).groups == {}
    assert groups.of_classes(path, ["z", "c", "b", "a"]) == ["x", "x", "y", "x"]
    with pytest.raises(ValueError, match=r"lacks 'd'; the dataset has no class 'z'"):
        groups.of_classes(path, ["a", "b", "c", "d"])
