"""Paths of real users: with spaces, quotes, dollar signs and non-ASCII letters."""

import pandas as pd
import pytest
from made_photos import prepare, settings, tree
from project import Project
from real_formats import truncated_jpeg

from transferability.images import groups, store

ODD = ("it's mine", 'the "best"', "$5 & more", "Küche #1", "x; y", "a ~ b", "50 %", "(1) [2] *")


@pytest.mark.parametrize("name", ODD)
def test_images_and_groups_can_have_any_path(tmp_path, name):
    photos = tree(tmp_path / name, "ab")
    assert prepare(tmp_path / f"store of {name}", settings(photos)) == 0
    assert store.open_store(tmp_path / f"store of {name}").classes == ["a", "b"]
    table = tmp_path / f"{name}.csv"
    table.write_text("class,group\na,x\nb,y\n")
    assert groups.of_classes(table, ["a", "b"]) == ["x", "y"]


@pytest.mark.full
def test_a_study_with_unusual_paths_runs_to_its_report(tmp_path):
    """One photo is bad; the network is resnet18; no shell runs a part of a path or study."""
    project = Project.copied(tmp_path / "OneDrive - Ümlaut" / "my 'own' $1 copy")
    photos = 'the "best" $5 photos\' é; touch was_run; $(touch was_run) `touch was_run`'
    truncated_jpeg(tree(project.folder / photos, "abcd") / "a" / "cut.jpg")
    (project.folder / "it's groups.csv").write_text("class,group\na,x\nb,x\nc,y\nd,y\n")
    dataset = {
        **{"source": "folder", "path": photos, "image_size": 16, "groups": "it's groups.csv"},
        "on_bad_image": "skip",
    }
    study = {
        "dataset": dataset,
        "splits": {"random": 0, "dissimilar": {"A": "x", "B": "y"}},
        "architecture": {"name": "torchvision", "model": "resnet18"},
        "layers": [3],
        "treatments": ["transfer"],
        "controls": ["baseB"],
        "recipe": {"epochs": 1, "batch_size": 8},
        "figures": {"formats": ["svg"]},
    }
    project.write_study(**{**study, "dataset": {**dataset, "on_bad_image": "error"}})
    status, output = project.run()
    assert status != 0
    assert "Traceback" not in output
    (listed,) = project.folder.glob("images/*/bad_images.csv")
    assert listed.name in output
    (bad,) = listed.read_text(encoding="utf-8").splitlines()[1:]
    assert bad.startswith("a/cut.jpg,")
    assert "truncated" in bad
    assert not any(project.results.rglob("metrics.json"))

    project.write_study(**study)
    output = project.succeed()
    networks = pd.read_csv(project.results / "tables" / "networks.csv")
    assert sorted(networks["network"]) == ["A3B", "baseA", "baseB"]
    for figure in ("transfer", "effects", "filters", "learning_curves", "cost"):
        assert (project.results / "figures" / f"{figure}.svg").stat().st_size > 1000, figure
    assert (project.results / "findings.html").stat().st_size > 1000
    note = "Bad images left out: 1, the first is a/cut.jpg"
    assert note in output
    assert note in (project.results / "METHODS.md").read_text(encoding="utf-8")
    project.succeed("--report", "re port é.zip")
    assert (project.folder / "re port é.zip").stat().st_size > 10_000
    # Another study uses the same images.
    project.write_study(**{**study, "study": "other"})
    assert "prepare_images" not in {job.split()[0] for job in project.jobs()}
    assert not list(tmp_path.rglob("was_run"))
