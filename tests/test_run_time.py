"""The run time that jobs request from a cluster."""

import re
from pathlib import Path

import pytest
from project import Project

from transferability.study.targets import measured_by, minutes, run_folder

# Metrics of a trained base: 60 classes of 10 images, 100 images a second.
BASE = {"train_images": 600, "classes": 60, "images_per_second": 100.0}
RECIPE = {"epochs": 1000, "iterations": None, "batch_size": 50}


def test_results_may_be_a_link_to_another_disk(tmp_path, monkeypatch):
    (tmp_path / "disk" / "study").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results").symlink_to(tmp_path / "disk")
    assert run_folder(tmp_path / "run/results/study/study.yaml") == tmp_path / "run"
    monkeypatch.chdir(tmp_path / "run" / "results" / "study")
    assert run_folder(Path("../study/study.yaml")).samefile(tmp_path)


@pytest.mark.parametrize(
    ("name", "recipe", "base", "expected"),
    [
        pytest.param("baseA", RECIPE, None, 180, id="as long as the study expects"),
        pytest.param("base2A", RECIPE, None, 360, id="twice as long"),
        pytest.param("A3B", RECIPE, None, 180, id="no base yet"),
        # 6,000 s at the base's speed, times 1.5, plus ten minutes.
        pytest.param("A3B", RECIPE, BASE, 160, id="as long as its base"),
        pytest.param("A3B", {**RECIPE, "epochs": 2000}, BASE, 310, id="more epochs"),
        pytest.param("A3B@5", RECIPE, BASE, 85, id="half of the images"),
        pytest.param("A3B@50", RECIPE, BASE, 160, id="no more images than there are"),
        pytest.param("A3B", {**RECIPE, "iterations": 12000}, BASE, 160, id="iterations"),
    ],
)
def test_minutes(name, recipe, base, expected):
    assert minutes(name, recipe, 3, base) == expected


@pytest.mark.parametrize(
    ("name", "base"),
    [("A3B+@100", "baseA"), ("B3B", "baseB"), ("R3B", "baseB"), ("B0B", "baseB"),
     ("base2B", "baseB"), ("baseB@100", "baseB")],
)  # fmt: skip
def test_which_base_gives_the_speed_of_a_network(name, base):
    assert measured_by(name) == base


def asked(project: Project, *arguments: str) -> dict[str, int]:
    """The minutes that a dry run requests, by network."""
    output = project.succeed("--dry-run", "--forceall", *arguments)
    found = re.findall(r"network=(\S+)\n(?:    .*\n)*?    resources: .*runtime=(\d+)", output)
    return {network: int(time) for network, time in found}


@pytest.mark.full
def test_the_study_s_hours_are_requested_until_a_base_is_done(project):
    project.write_study(hours=5)
    (project.network("baseB") / "metrics.json").unlink()
    times = asked(project)
    assert (times["baseB"], times["base2B"], times["B0B"], times["B3B"]) == (300, 600, 300, 300)
    # A very short training, plus ten minutes.
    assert times["A3B"] == times["A3B+"] == 11


@pytest.mark.full
def test_requested_minutes_are_limited_by_the_profile(project):
    project.write_study(hours=50)
    profile = ("--workflow-profile", "profiles/slurm", "--executor", "local", "--cores", "2")
    assert asked(project, *profile)["baseB"] <= 1440
    (project.network("baseB") / "metrics.json").unlink()
    assert asked(project, *profile)["baseB"] == 1440
