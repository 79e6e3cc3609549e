"""A study's results as one file: its content, its verification elsewhere, and its description of
itself."""

import hashlib
import json
import shutil
import zipfile
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from rocrate.rocrate import ROCrate
from verdicts import flipped, packed, verified

from transferability.__main__ import main

METADATA = "ro-crate-metadata.json"
NOT_RESULTS = ("writers/", "finished/")


ABOUT = ("--author", "Jane Doe", "--author", "Ann Other", "--license", "CC-BY-4.0")


@pytest.fixture(scope="module")
def archive(finished, tmp_path_factory) -> Path:
    """The archive of the tiny study. For reading only."""
    return packed(finished.results, tmp_path_factory.mktemp("archive"), *ABOUT)


@pytest.fixture
def unpacked(archive, tmp_path) -> Path:
    """The folder of the study, unpacked by a recipient of the archive."""
    shutil.unpack_archive(archive, tmp_path / "elsewhere")
    return tmp_path / "elsewhere" / "tiny"


def names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_an_archive_contains_results_and_no_images(archive, finished):
    held = {name.removeprefix("tiny/") for name in names(archive)}
    there = [file for file in finished.results.rglob("*") if file.is_file()]
    of_study = {file.relative_to(finished.results).as_posix() for file in there}
    of_study = {name for name in of_study if not any(word in name for word in NOT_RESULTS)}
    (store,) = (finished.folder / "images").glob("digits-*")
    of_store = {
        f"images/{store.name}/{name}"
        for name in ("manifest.json", "classes.csv", "validation.labels.npy")
    }
    assert held == of_study | of_store | {METADATA}
    assert all(name.startswith("tiny/") for name in names(archive))


def test_the_same_results_give_the_same_bytes(archive, finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "copy")
    again = packed(tmp_path / "copy" / "results" / "tiny", tmp_path / "again", *ABOUT)
    assert again.read_bytes() == archive.read_bytes()


def test_all_files_except_weights_are_compressed(archive):
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            is_stored = info.compress_type == zipfile.ZIP_STORED
            assert is_stored == info.filename.endswith(".safetensors"), info.filename


def test_an_archive_describes_itself(archive, unpacked):
    crate = ROCrate(unpacked)
    assert (crate.version, crate.name) == ("1.2", "Results of the study tiny")
    assert crate.license.id == "https://spdx.org/licenses/CC-BY-4.0"
    assert [author["name"] for author in crate.root_dataset["author"]] == ["Jane Doe", "Ann Other"]
    assert "14 networks" in crate.description
    metrics = unpacked.glob("networks/*/*/*/metrics.json")
    ended = max(json.loads(file.read_text(encoding="utf-8"))["job"]["ended"] for file in metrics)
    assert datetime.fromisoformat(ended) == crate.datePublished
    files = {file.id: file for file in crate.data_entities}
    assert {quote(name.removeprefix("tiny/")) for name in names(archive)} == {*files, METADATA}
    for name in ("findings.html", "networks/random0/seed0/A3B%2B/predictions.npy"):
        content = (unpacked / name.replace("%2B", "+")).read_bytes()
        assert files[name]["contentSize"] == str(len(content))
        assert files[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert len(files[name]["description"].split()) >= 4


def test_no_licence_or_author_is_invented(finished, tmp_path):
    with zipfile.ZipFile(packed(finished.results, tmp_path)) as opened:
        graph = json.loads(opened.read(f"tiny/{METADATA}"))["@graph"]
    (root,) = [entity for entity in graph if entity["@id"] == "./"]
    assert root["license"].startswith("No licence was given")
    assert root["author"] == []


def test_an_archive_and_its_folder_verify_elsewhere(archive, unpacked, capsys, caplog):
    for path in (archive, unpacked):
        status, verdicts, _ = verified(path, capsys, caplog)
        assert status == 0
        assert len(verdicts) == 16
        assert set(verdicts.values()) == {"good"}


def test_an_archive_without_weights_verifies_too(finished, tmp_path, capsys, caplog):
    file = packed(finished.results, tmp_path, "--without-weights")
    assert not any(name.endswith(".safetensors") for name in names(file))
    assert set(verified(file, capsys, caplog)[1].values()) == {"good"}


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


NETWORK = "networks/random0/seed0/baseA"
KINDS = (
    *("study.yaml", "METHODS.md", "findings.html", "splits/random0.csv", "tables/effects.csv"),
    *("tables/effects.html", "figures/effects.svg", "figures/effects.pdf", "figures/effects.png"),
    *("figures/effects.html", "costs/networks/random0/seed0/A3B.tsv", "logs/collect_networks.log"),
    *(f"{NETWORK}/metrics.json", f"{NETWORK}/history.jsonl", f"{NETWORK}/predictions.npy"),
    f"{NETWORK}/weights.safetensors",
)


@pytest.mark.parametrize(
    ("change", "told"),
    [(flipped, "its bytes changed"), (longer, "its bytes changed"), (Path.unlink, "is missing")],
)
def test_each_kind_of_change_is_named(unpacked, capsys, caplog, change, told):
    changed = [name for name in KINDS if (unpacked / name).stat().st_size]
    assert len(changed) >= len(KINDS) - 1
    for name in changed:
        change(unpacked / name)
    status, verdicts, said = verified(unpacked, capsys, caplog)
    assert status == 1
    faults = verdicts["archive"].split("; ")
    for name in changed:
        assert any(f"{unpacked / name}: " in fault and told in fault for fault in faults), name
    assert "get the archive again" in said


def test_changed_labels_are_also_found_by_the_store(unpacked, capsys, caplog):
    (labels,) = unpacked.glob("images/*/validation.labels.npy")
    flipped(labels)
    _, verdicts, _ = verified(unpacked, capsys, caplog)
    assert str(labels) in verdicts["archive"]
    assert f"{labels}: its checksum does not match" in verdicts[f"images/{labels.parent.name}"]


def test_a_file_that_is_not_in_the_manifest_is_named(unpacked, capsys, caplog):
    (unpacked / "tables" / "more.csv").write_text("")
    status, verdicts, _ = verified(unpacked, capsys, caplog)
    assert status == 1
    assert verdicts["archive"] == f"{unpacked / 'tables' / 'more.csv'}: is not in the manifest"


@pytest.mark.parametrize(
    ("network", "told"), [("A3B", "metrics.json"), ("baseA", "weights.safetensors")]
)
def test_an_unfinished_study_is_not_archived(project, tmp_path, caplog, network, told):
    lacking = project.network(network) / told
    lacking.unlink()
    packed(project.results, tmp_path, status=1)
    assert f"1 files of the study are missing, e.g. {lacking}" in caplog.text
    assert "run it to its end with snakemake" in caplog.text
    assert not list(tmp_path.glob("*.zip"))


def test_damaged_results_are_not_archived(project, tmp_path, caplog):
    flipped(project.network("A3B") / "predictions.npy")
    packed(project.results, tmp_path, status=1)
    assert "predictions.npy: its checksum does not match" in caplog.text
    assert not list(tmp_path.glob("*.zip"))


def test_networks_outside_the_study_are_not_archived(project, tmp_path):
    study = project.results / "study.yaml"
    reduced = yaml.safe_load(study.read_text(encoding="utf-8"))
    reduced["treatments"].remove("random")
    study.write_text(yaml.safe_dump(reduced), encoding="utf-8")
    assert not [name for name in names(packed(project.results, tmp_path)) if "R3B" in name]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tiny.zip", "tiny.zip already exists; name another file, or delete it"),
        ("tiny.tar", "expected one that ends in .zip"),
    ],
)
def test_a_mistake_is_an_error_and_nothing_is_written(finished, tmp_path, caplog, name, told):
    (tmp_path / "tiny.zip").write_text("mine")
    assert main(["archive", str(finished.results), "--to", str(tmp_path / name)]) == 1
    assert told in caplog.text
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]
