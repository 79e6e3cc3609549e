"""The published networks of 2014, analysed by this project."""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
from made_networks import of
from project import ROOT, Project

from transferability.analysis import collect, effects
from transferability.analysis.boost import boost
from transferability.cli.tables import read_table
from transferability.models import caffenet
from transferability.study.learned import why_not
from transferability.study.networks import HALVES

DATA = ROOT / "workflow" / "resources" / "yosinski2014"
# Table 1 of the paper, in percentage points: over base, over selffer.
TABLE_1 = {"1-7": (1.6, 1.4), "3-7": (1.8, 1.4), "5-7": (2.1, 1.7)}
DIGESTS = {"networks.csv": "96364aa5d4d6b267", "class_splits.csv": "532edabf7dc24764"}
PUBLISHED_FILES = {
    *(
        f"tables/{table}.{suffix}"
        for table in ("networks", "differences", "effects", "boost")
        for suffix in ("csv", "html")
    ),
    *(
        f"figures/{figure}.{suffix}"
        for figure in ("transfer", "effects", "boost", "dissimilar", "random_features")
        for suffix in ("svg", "pdf", "png")
    ),
    "findings.html",
}
PUBLISHED_FILES |= {f"figures/{figure}.html" for figure in ("transfer", "effects")}


@pytest.fixture(scope="module")
def networks() -> pd.DataFrame:
    return read_table(DATA / "networks.csv")


def test_each_network_is_traceable_to_its_published_directory(networks):
    assert list(networks.columns) == [*collect.COLUMNS, "directory", "iterations", "evaluations"]
    assert len(networks) == 170
    assert not networks.duplicated(["split", "network"]).any()
    # The name of a directory describes its network.
    copied = networks[networks["kind"].isin(["selffer", "transfer"])]
    assert len(copied) == 140
    for row in copied.itertuples():
        plus, split = "-ft" * row.fine_tuned, row.split.removeprefix("random")
        name = rf"transfer{plus}{split}{row.source}\d?{row.target}_1_{row.n}"
        assert re.fullmatch(name, row.directory)
        assert (row.kind == "transfer") == (row.source != row.target)
    reduced = networks[networks["target_size"] != "all"]
    assert set(reduced["kind"]) == {"base"}
    assert set(reduced["target_size"]) == {
        *("1", "2", "5", "10", "25", "50", "100", "250", "500", "750", "1000", "1300")
    }
    # Networks whose log was not published.
    lost = networks["top1"].isna()
    assert lost.sum() == 22
    assert networks.loc[lost, "fine_tuned"].all()


def test_derived_columns_follow_from_published_ones(networks):
    """As described in the README next to the data."""
    halves = pd.read_csv(DATA / "class_splits.csv")
    layers = ("", *caffenet.STARTS)
    for row in networks.to_dict("records"):
        is_half = row["target"] in HALVES
        classes = (halves[row["split"]] == row["target"]).sum() if is_half else len(halves)
        assert (row["study"], row["seed"]) == ("yosinski2014", 0)
        assert (row["layer"], row["copied"]) == (layers[row["n"]], row["n"])
        assert row["frozen"] == (0 if row["fine_tuned"] else row["n"])
        kind = "random" if row["kind"] == "random" else "half"
        assert row["source_kind"] == kind if row["n"] else pd.isna(row["source_kind"])
        assert row["validation_images"] == 50 * classes
        assert row["chance"] == pytest.approx(1 / classes, rel=1e-15)
        if pd.notna(row["top1"]):
            assert row["learned"] != bool(why_not(row["top1"], 50 * classes, 1 / classes, classes))


def test_validation_images_are_fifty_a_class(networks):
    images = networks.set_index(["split", "target"])["validation_images"]
    assert set(images["natman", "A"]) == {22_450}
    assert set(images["natman", "B"]) == {27_550}
    assert set(images["random2", "A"]) == set(images["random2", "B"]) == {25_000}
    assert set(images["all1000", "all"]) == {50_000}


def test_a_network_at_chance_did_not_learn(networks):
    whole = networks[(networks["target_size"] == "all") & networks["top1"].notna()]
    assert list(whole[~whole["learned"].astype(bool)]["network"]) == ["R3"]
    assert networks.loc[networks["top1"].isna(), "learned"].isna().all()
    layers = networks.drop_duplicates("n").set_index("n")["layer"]
    assert (layers[0], layers[1], layers[7]) == ("", "conv1", "fc7")
    assert of(networks, split="natman", target="A")["chance"].unique() == pytest.approx([1 / 449])


@pytest.mark.parametrize("layers", TABLE_1)
def test_pooled_boost_rounds_to_table_1(networks, layers):
    pooled = of(boost(networks), estimator="pooled", layers=layers).set_index("comparison")
    points = tuple(round(100 * pooled.loc[over, "mean"], 1) for over in ("base", "selffer"))
    assert points == TABLE_1[layers]


def test_paired_by_target_most_of_the_boost_disappears(networks):
    table = of(boost(networks), layers="1-7")
    over_selffer = of(table, comparison="selffer").set_index("estimator")
    assert set(over_selffer.index) == {"through_base", "linear_model", "pooled"}
    for estimator in ("through_base", "linear_model"):
        row = over_selffer.loc[estimator]
        assert row["mean"] == pytest.approx(0, abs=0.0005)
        assert row["low"] < 0 < row["high"]
        assert row["target"] == "B vs A"
    assert set(table["missing"]) == {18, 22}
    paired = of(table, comparison="base", estimator="paired").iloc[0]
    assert (paired["mean"], paired["target"]) == (pytest.approx(0.0095, abs=0.00005), "B")


def test_effects_count_missing_differences(networks):
    differences = effects.paired_differences(networks)
    row = of(differences, split="random2", effect="specificity", n=5, target="A").iloc[0]
    directory = networks.set_index(["split", "network"])["directory"]
    assert directory["random2", row["network"]] == "transfer2B2A_1_5"
    assert directory["random2", row["control"]] == "transfer2A2A_1_5"
    assert row["difference"] == pytest.approx(0.5812763 - 0.596712)
    assert "boost_over_selffer" not in set(differences["effect"])
    table = effects.estimate(networks)
    row = of(table, split_kind="random", effect="boost", n=3).iloc[0]
    # Two splits have one AnB+ each; the other six halves have none with a log.
    assert (row["differences"], row["missing"], row["replicates"]) == (2, 6, 2)
    natman = of(table, split_kind="natman", effect="transfer", n=7)
    assert set(natman["interval"]) == {"unpaired image interval"}
    np.testing.assert_allclose(natman["mean"], [-0.2543731, -0.245872], atol=1e-6)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A copy of the project in which the published results were made, and nothing trained."""
    project = Project.copied(tmp_path_factory.mktemp("published") / "project")
    project.write_study()
    project.succeed("published")
    return project


@pytest.mark.full
def test_published_makes_every_file_and_trains_nothing(project):
    folder = project.folder / "results" / "yosinski2014"
    made = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "logs" not in path.parts
    }
    assert made == PUBLISHED_FILES
    assert [path.name for path in project.results.iterdir()] == ["study.yaml"]
    assert project.jobs("published") == set()
    log = (folder / "logs" / "estimate_effects.log").read_text(encoding="utf-8")
    assert "effect boost: 46 of 56 differences left out" in log


@pytest.mark.full
def test_published_results_are_drawn_behind_a_study_s_own(project):
    project.write_study(reference="yosinski2014")
    jobs = project.jobs()
    assert "plot_effects" in jobs
    # The published effects exist already.
    assert not any("published" in job for job in jobs)
    output = project.succeed("--dry-run", "--printshellcmds", "--until", "plot_effects")
    assert "effects.csv results/yosinski2014/tables/effects.csv" in output


def test_the_data_are_unchanged():
    """No line was lost or edited by hand: sha256 of both files."""
    digests = {
        name: hashlib.sha256((DATA / name).read_bytes()).hexdigest()[:16]
        for name in ("networks.csv", "class_splits.csv")
    }
    assert digests == DIGESTS
