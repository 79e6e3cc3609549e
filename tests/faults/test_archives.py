"""Archives from others: nothing is written outside of a new folder, and each error is
named."""

import json
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest

from transferability.__main__ import main
from transferability.records.archive import faults
from transferability.records.archive import opened as open_archive

METADATA = "ro-crate-metadata.json"


@pytest.fixture(autouse=True)
def unpacked_to(tmp_path, monkeypatch) -> Path:
    """The folder in which archives are unpacked."""
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
    """An archive with these entries, all except the manifest compressed."""
    file = folder / "strange.zip"
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in entries:
            is_manifest = isinstance(name, str) and name.endswith(METADATA)
            kind = zipfile.ZIP_STORED if is_manifest else zipfile.ZIP_DEFLATED
            opened.writestr(name, content, kind)
    return file


def refused(file: Path, caplog, unpacked_to: Path) -> str:
    """The error of each command that opens archives, for one that it must refuse."""
    before = {path for path in file.parent.rglob("*") if unpacked_to not in path.parents}
    for command in (["verify"], ["figures", "--to", str(file.parent / "drawn")]):
        caplog.clear()
        assert main([*command, str(file)]) == 1
        assert f"{file}: " in caplog.text
    after = {path for path in file.parent.rglob("*") if unpacked_to not in path.parents}
    assert after == before
    assert not list(unpacked_to.iterdir())
    return caplog.text


def packed(name: str) -> zipfile.ZipInfo:
    """An entry whose name zipfile has not made safe."""
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    return entry


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, 0) for name in ("../evil", "tiny/../../evil", "/etc/evil", "C:/evil")),
        *((name, 0) for name in ("tiny\\..\\evil", "\\\\host\\evil")),
        *(("tiny/evil", kind) for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR)),
    ],
)
def test_paths_outside_links_and_devices_become_files_inside(tmp_path, unpacked_to, name, kind):
    entry = packed(name)
    if kind:
        entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    file = archive(tmp_path, (f"tiny/{METADATA}", manifest()), (entry, "/etc/passwd"))
    with open_archive(file):
        (evil,) = [path for path in tmp_path.rglob("*evil") if path.is_file()]
        assert not evil.is_symlink()
        assert evil.read_text(encoding="utf-8") == "/etc/passwd"
        assert unpacked_to in evil.parents
    assert not list(unpacked_to.iterdir())
    assert not Path("/etc/evil").exists()


def test_an_archive_larger_than_the_disk_is_refused(tmp_path, caplog, unpacked_to, monkeypatch):
    file = archive(tmp_path, (f"tiny/{METADATA}", manifest()), ("tiny/a.csv", "1"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=9))
    assert "but 9 are free" in refused(file, caplog, unpacked_to)


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "{}", '{"@graph": 5}', '{"@graph": [{"@type": "File"}]}', "[" * 100_000),
        manifest((["a.csv"], "1", "")),
    ],
)
def test_an_invalid_manifest_is_an_error(tmp_path, text):
    with (
        open_archive(archive(tmp_path, (f"tiny/{METADATA}", text))) as folder,
        pytest.raises(ValueError, match=f"{METADATA}: is not a manifest of a study's archive"),
    ):
        faults(folder)


def test_files_outside_the_folder_are_not_read(tmp_path):
    (tmp_path / "secret").write_text("1")
    listed = manifest((str(Path("..", "..", "..", "secret")), "1", "0" * 64))
    with open_archive(archive(tmp_path, (f"tiny/{METADATA}", listed))) as folder:
        assert [fault.rpartition(": ")[2] for fault in faults(folder)] == ["is missing"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], f"expected one folder with {METADATA}"),
        ([("tiny/study.yaml", "")], f"expected one folder with {METADATA}"),
        ([(METADATA, manifest())], f"expected one folder with {METADATA}"),
        (b"", "cannot be read as the archive of a study ("),
        (b"PK\x03\x04 and so on", "cannot be read as the archive of a study ("),
    ],
)
def test_other_files_are_not_archives(tmp_path, caplog, unpacked_to, content, words):
    file = tmp_path / "strange.zip"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        archive(tmp_path, *content)
    assert words in refused(file, caplog, unpacked_to)


def test_a_changed_byte_never_changes_an_unpacked_file(tmp_path, unpacked_to):
    content = "study: tiny\n" * 5
    listed = manifest(("study.yaml", str(len(content)), "0" * 64))
    file = archive(tmp_path, (f"tiny/{METADATA}", listed), ("tiny/study.yaml", content))
    packed, refusals = file.read_bytes(), []
    whole = {METADATA: listed, "study.yaml": content}
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 1 << at % 8
        file.write_bytes(changed)
        try:
            with open_archive(file) as folder:
                found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
        except ValueError as error:
            refusals.append(str(error))
        else:
            # Missing files are found by the manifest.
            assert found.items() <= whole.items()
    assert len(refusals) > len(packed) / 2
    for name in whole:
        words = f"cannot be read as the archive of a study (Bad CRC-32 for file 'tiny/{name}'"
        assert any(words in said for said in refusals)
    assert not list(unpacked_to.iterdir())


def test_an_unpacked_study_is_checked_before_it_is_drawn(finished, tmp_path, caplog):
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
