"""Real images in the workflow: the plan without them, and the reruns when a key changes."""

import os

import pytest
from made_photos import tree
from project import Project

SPLITS = ("results/tiny/splits/random0.csv", "results/tiny/splits/dissimilar.csv")
FOLDER = {"source": "folder", "path": "photos", "image_size": 16, "groups": "groups.csv"}
HALVES = {"random": 1, "dissimilar": {"A": "x", "B": "y"}}
pytestmark = pytest.mark.full


def write_groups(project: Project, groups: str) -> None:
    rows = [f"{name},{group}\n" for name, group in zip("abcdefgh", groups, strict=True)]
    (project.folder / "groups.csv").write_text("class,group\n" + "".join(rows))


def test_other_groups_split_the_classes_and_read_no_image(tmp_path):
    project = Project.copied(tmp_path / "project")
    tree(project.folder / "photos", "abcdefgh")
    write_groups(project, "xxxxyyyy")
    project.write_study(dataset=FOLDER, splits=HALVES)
    project.succeed(*SPLITS)
    dissimilar = project.folder / SPLITS[1]
    assert "d,A\n" in dissimilar.read_text()
    write_groups(project, "xxxyyyyy")
    # Like the time stamp of a moved file.
    os.utime(project.folder / "groups.csv", (0, 0))
    assert project.jobs(*SPLITS) == {"split_classes dissimilar"}
    project.succeed(*SPLITS)
    assert "d,B\n" in dissimilar.read_text()
    # The path of the groups is not in the store either.
    (project.folder / "groups.csv").rename(project.folder / "other.csv")
    project.write_study(dataset={**FOLDER, "groups": "other.csv"}, splits=HALVES)
    assert project.jobs(*SPLITS) == {"split_classes dissimilar"}


def test_whether_a_dataset_may_be_downloaded_reruns_nothing(tmp_path):
    project = Project.copied(tmp_path / "project")
    tree(project.folder / "data" / "eurosat" / "2750")
    dataset = {"source": "torchvision", "name": "EuroSAT", "image_size": 16}
    project.write_study(dataset={**dataset, "download": True})
    project.succeed(SPLITS[0])
    project.write_study(dataset={**dataset, "download": False})
    assert project.jobs(SPLITS[0]) == set()
