"""Paths as people have them: with blanks, quotes, dollar signs and letters beyond ASCII."""

import pandas as pd
import pytest
from made_photos import prepare, settings, tree
from project import Project

from transferability.images import groups, store

ODD = ("it's mine", 'the "best"', "$5 & more", "Küche #1", "x; y", "a ~ b", "50 %", "(1) [2] *")


@pytest.mark.parametrize("name", ODD)
def test_images_and_their_groups_lie_anywhere(tmp_path, name):
    photos = tree(tmp_path / name, "ab")
    assert prepare(tmp_path / f"store of {name}", settings(photos)) == 0
    assert store.open_store(tmp_path / f"store of {name}").classes == ["a", "b"]
    table = tmp_path / f"{name}.csv"
    table.write_text("class,group\na,x\nb,y\n")
    assert groups.of_classes(table, ["a", "b"]) == ["x", "y"]


@pytest.mark.full
def test_a_study_ends_with_its_report_where_each_path_is_odd(tmp_path):
    project = Project.copied(tmp_path / "OneDrive - Ümlaut" / "my 'own' $1 copy")
    tree(project.folder / 'the "best" $5 photos é', "abcd")
    (project.folder / "it's groups.csv").write_text("class,group\na,x\nb,x\nc,y\nd,y\n")
    project.write_study(
        dataset={
            **{"source": "folder", "path": 'the "best" $5 photos é', "image_size": 16},
            "groups": "it's groups.csv",
        },
        splits={"random": 0, "dissimilar": {"A": "x", "B": "y"}},
        layers=[3],
        treatments=["transfer"],
        controls=["baseB"],
        recipe={"epochs": 1, "batch_size": 8},
        figures={"formats": ["svg"]},
    )
    project.succeed()
    networks = pd.read_csv(project.results / "tables" / "networks.csv")
    assert sorted(networks["network"]) == ["A3B", "baseA", "baseB"]
    for file in ("findings.html", "METHODS.md", "figures/effects.svg"):
        assert (project.results / file).stat().st_size > 1000, file
    project.succeed("--report", "re port é.zip")
    assert (project.folder / "re port é.zip").stat().st_size > 10_000
