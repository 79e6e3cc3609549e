"""An archive from a stranger: nothing is written outside of a folder of its own, nothing that is
larger than it says is unpacked, and what is wrong is named."""

import json
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest

from transferability.__main__ import main
from transferability.records.archive import opened as open_archive

METADATA = "ro-crate-metadata.json"


@pytest.fixture(autouse=True)
def unpacked_to(tmp_path, monkeypatch) -> Path:
    """Where archives are unpacked."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def manifest(*listed: tuple[str, int | str, str]) -> str:
    graph = [
        {"@id": name, "@type": "File", "contentSize": size, "sha256": digest}
        for name, size, digest in listed
    ]
    return json.dumps({"@graph": graph})


def archive(folder: Path, *entries: tuple[str | zipfile.ZipInfo, str | bytes]) -> Path:
    """An archive with these entries, all but the manifest deflated."""
    file = folder / "strange.zip"
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in entries:
            is_manifest = isinstance(name, str) and name.endswith(METADATA)
            kind = zipfile.ZIP_STORED if is_manifest else zipfile.ZIP_DEFLATED
            opened.writestr(name, content, kind)
    return file


def refused(file: Path, caplog, unpacked_to: Path) -> str:
    """What each command that opens archives says of one that it must refuse."""
    before = {path for path in file.parent.rglob("*") if unpacked_to not in path.parents}
    for command in (["verify"], ["figures", "--to", str(file.parent / "drawn")]):
        caplog.clear()
        assert main([*command, str(file)]) == 1
        assert f"{file}: " in caplog.text
    after = {path for path in file.parent.rglob("*") if unpacked_to not in path.parents}
    assert after == before
    assert not list(unpacked_to.iterdir())
    return caplog.text


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "tiny/../../evil", "/etc/evil", "tiny//evil", "tiny/./evil", "tiny/.."),
        *("C:/evil", "C:evil", "tiny\\..\\evil", "\\\\host\\evil", "tiny/evil\n", "tiny/a:b"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path, caplog, unpacked_to, name):
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    file = archive(tmp_path, (f"tiny/{METADATA}", manifest()), (entry, "evil"))
    said = refused(file, caplog, unpacked_to)
    assert f"{name!r} would lie outside of the archive's folder" in said


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_a_device_is_refused(tmp_path, caplog, unpacked_to, kind):
    entry = zipfile.ZipInfo("tiny/study.yaml")
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    file = archive(tmp_path, (f"tiny/{METADATA}", manifest()), (entry, "/etc/passwd"))
    assert "tiny/study.yaml is a link or a device" in refused(file, caplog, unpacked_to)


def test_a_bomb_is_refused_with_its_size(tmp_path, caplog, unpacked_to):
    size = 10**8
    listed = manifest(("bomb.csv", str(size), "0" * 64))
    file = archive(tmp_path, (f"tiny/{METADATA}", listed), ("tiny/bomb.csv", bytes(size)))
    held = file.stat().st_size
    assert held < size / 500
    said = refused(file, caplog, unpacked_to)
    assert f"its {held:,} bytes would unpack to {size + len(listed):,}, more than 200" in said


def test_a_file_larger_than_it_says_is_not_unpacked(tmp_path, caplog, unpacked_to):
    listed = manifest(("a.csv", "3", "0" * 64))
    file = archive(tmp_path, (f"tiny/{METADATA}", listed), ("tiny/a.csv", "more"))
    said = refused(file, caplog, unpacked_to)
    assert "it is not what its manifest says: tiny/a.csv has 4 bytes, not 3" in said


def test_more_than_there_is_room_for_is_refused(tmp_path, caplog, unpacked_to, monkeypatch):
    file = archive(tmp_path, (f"tiny/{METADATA}", manifest()), ("tiny/a.csv", "1"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=9))
    assert "and 9 are free" in refused(file, caplog, unpacked_to)


def test_two_files_of_one_name_are_refused(tmp_path, caplog, unpacked_to):
    file = archive(
        tmp_path, (f"tiny/{METADATA}", manifest()), ("tiny/a.csv", "1"), ("tiny/A.csv", "2")
    )
    assert "it holds two files of one name" in refused(file, caplog, unpacked_to)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "{}", '{"@graph": 5}', '{"@graph": [{"@type": "File"}]}', "[" * 100_000),
        manifest(("a.csv", "many", "")),
        manifest((["a.csv"], "1", "")),
    ],
)
def test_a_manifest_that_is_none_is_named(tmp_path, caplog, unpacked_to, text):
    file = archive(tmp_path, (f"tiny/{METADATA}", text))
    assert f"{METADATA}: is no manifest of a study's archive" in refused(file, caplog, unpacked_to)


def test_a_manifest_that_lists_files_elsewhere_is_refused(tmp_path, caplog, unpacked_to):
    listed = manifest(("..%2F..%2Fevil", "1", "0" * 64))
    file = archive(tmp_path, (f"tiny/{METADATA}", listed))
    assert "'../../evil' would lie outside" in refused(file, caplog, unpacked_to)


@pytest.mark.parametrize(
    "entries",
    [[], [("tiny/study.yaml", "")], [(METADATA, manifest())], [(f"a/{METADATA}", ""), ("b/c", "")]],
)
def test_another_zip_is_no_archive(tmp_path, caplog, unpacked_to, entries):
    said = refused(archive(tmp_path, *entries), caplog, unpacked_to)
    assert f"expected one folder with {METADATA}" in said


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", b"study: tiny\n"])
def test_a_file_that_is_no_zip_is_named(tmp_path, caplog, unpacked_to, content):
    file = tmp_path / "strange.zip"
    file.write_bytes(content)
    assert "cannot be read as the archive of a study (" in refused(file, caplog, unpacked_to)


@pytest.mark.parametrize("suffix", ["safetensors", "npy", "json", "svg"])
def test_a_changed_byte_of_the_file_is_named(finished, tmp_path, caplog, unpacked_to, suffix):
    """The archive itself, not unpacked: stored or deflated."""
    file = tmp_path / "tiny.zip"
    assert main(["archive", str(finished.results), "--to", str(file)]) == 0
    with zipfile.ZipFile(file) as opened:
        info = next(one for one in opened.infolist() if one.filename.endswith(suffix))
    content = bytearray(file.read_bytes())
    # 30 bytes and the name stand before what is packed.
    content[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 1
    file.write_bytes(content)
    said = refused(file, caplog, unpacked_to)
    assert f"cannot be unpacked: {info.filename} (" in said


def test_whatever_byte_changes_no_file_is_another_one(tmp_path, unpacked_to):
    content = "study: tiny\n" * 5
    listed = manifest(("study.yaml", str(len(content)), "0" * 64))
    file = archive(tmp_path, (f"tiny/{METADATA}", listed), ("tiny/study.yaml", content))
    packed, refusals = file.read_bytes(), 0
    whole = {METADATA: listed, "study.yaml": content}
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 1 << at % 8
        file.write_bytes(changed)
        try:
            with open_archive(file) as folder:
                found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
        except ValueError:
            refusals += 1
        else:
            # What is missing, the manifest tells.
            assert found.items() <= whole.items()
    assert refusals > len(packed) / 2
    assert not list(unpacked_to.iterdir())


def test_a_study_from_a_stranger_is_checked_before_it_is_drawn(finished, tmp_path, caplog):
    folder = tmp_path / "tiny"
    folder.mkdir()
    text = (finished.results / "study.yaml").read_text(encoding="utf-8")
    for old, new in (("study: tiny", "study: ../../tiny"), ("seeds:\n- 0", "seeds: {0: 1}")):
        assert old in text
        (folder / "study.yaml").write_text(text.replace(old, new), encoding="utf-8")
        caplog.clear()
        assert main(["figures", str(folder), "--to", str(tmp_path / "drawn")]) == 1
        assert f"{folder / 'study.yaml'}: " in caplog.text
        assert not (tmp_path / "drawn").exists()
