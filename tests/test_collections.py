"""Whole studies on images such as people have, from their files to the figures."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from project import Project
from real_formats import BAD, COLOURED, GREY, truncated_jpeg

pytestmark = pytest.mark.full

FLOWERS = ("aster", "daisy", "iris", "lily", "rose", "tulip")
SIDE = 96
FEW = {
    "splits": {"random": 1},
    "treatments": ["selffer", "transfer"],
    "controls": ["baseB", "B0B"],
    "recipe": {"epochs": 1, "batch_size": 32},
}
SMALL = {"name": "small", "channels": [4, 8, 8, 8, 8], "units": [16, 16]}
FIGURES = ("transfer", "effects", "filters", "learning_curves", "cost")


def photo(kind: int, number: int) -> Image.Image:
    """A flower of its kind, petals on a ground, never twice the same."""
    random = np.random.default_rng([kind, number])
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5 + random.uniform(-0.1, 0.1, (2, 1, 1))
    angle, radius = np.arctan2(y, x) + random.uniform(0, 6), np.hypot(x, y)
    petals = radius < 0.2 + 0.12 * np.cos((3 + kind) * angle)
    picture = np.where(petals[..., None], random.integers(120, 256, 3), random.integers(0, 120, 3))
    picture = picture + random.normal(0, 12, (SIDE, SIDE, 3))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def flowers(tmp_path_factory) -> Project:
    """A project beside 240 pictures in all the odd formats, two truncated ones, and a text."""
    project = Project.copied(tmp_path_factory.mktemp("flowers") / "project")
    writers = itertools.cycle({**COLOURED, **GREY}.items())
    for kind, flower in enumerate(FLOWERS):
        folder = project.folder / "photos" / flower
        folder.mkdir(parents=True)
        for number in range(40):
            name, write = next(writers)
            write(photo(kind, number), folder / f"{number:02}_{name}")
    truncated_jpeg(project.folder / "photos" / "iris" / "cut.jpg")
    truncated_jpeg(project.folder / "photos" / "rose" / "torn.jpg")
    BAD["text.jpg"][0](project.folder / "photos" / "lily" / "note.jpg")
    return project


def dataset(**changes: object) -> dict:
    return {"source": "folder", "path": "photos", "image_size": 32, **changes}


def logs(project: Project) -> str:
    texts = (file.read_text(encoding="utf-8") for file in project.results.rglob("logs/**/*.log"))
    return "\n".join(texts)


def check_whole(project: Project, networks: int) -> None:
    table = pd.read_csv(project.results / "tables" / "networks.csv")
    assert len(table) == networks
    assert table["top1"].between(0, 1).all()
    for figure in FIGURES:
        assert (project.results / "figures" / f"{figure}.svg").stat().st_size > 1000
    assert (project.results / "findings.html").exists()


def test_bad_images_stop_the_study_and_are_named(flowers):
    flowers.write_study(**FEW, dataset=dataset(), layers=[3], architecture=SMALL)
    status, output = flowers.run()
    assert status != 0
    assert "Traceback" not in output
    (listed,) = (flowers.folder / "images").rglob("*bad*.csv")
    assert listed.name in output
    rows = list(csv.DictReader(listed.read_text(encoding="utf-8").splitlines()))
    assert sorted(Path(row["image"]).name for row in rows) == ["cut.jpg", "note.jpg", "torn.jpg"]
    assert all(len(row["why"]) > 10 for row in rows)
    assert not any(flowers.results.rglob("metrics.json"))


def test_photos_in_odd_formats_go_through_a_whole_study(flowers):
    flowers.write_study(**FEW, dataset=dataset(on_bad_image="skip"), layers=[3], architecture=SMALL)
    output = flowers.succeed()
    check_whole(flowers, networks=4)
    assert "Bad images left out: 3, the first " in output
    methods = (flowers.results / "METHODS.md").read_text(encoding="utf-8")
    assert "Bad images left out: 3, the first " in methods
    assert "Bad images left out: 3, the first " in logs(flowers)
    (store,) = (manifest.parent for manifest in flowers.folder.rglob("images/*/manifest.json"))
    kept = sum(len(np.load(store / f"{part}.labels.npy")) for part in ("train", "validation"))
    assert kept == 240


def test_resnet18_of_torchvision_on_one_s_own_photos(flowers):
    flowers.write_study(
        **{**FEW, "treatments": ["transfer"]},
        study="resnet",
        dataset=dataset(on_bad_image="skip"),
        layers=[4],
        architecture={"name": "torchvision", "model": "resnet18"},
    )
    # The images of the study before are this one's.
    assert not any("prepare_images" in job for job in flowers.jobs())
    flowers.succeed()
    table = pd.read_csv(flowers.folder / "results" / "resnet" / "tables" / "networks.csv")
    assert set(table["network"]) == {"baseA", "baseB", "A4B"}
    for figure in FIGURES:
        assert (flowers.folder / f"results/resnet/figures/{figure}.svg").stat().st_size > 1000
