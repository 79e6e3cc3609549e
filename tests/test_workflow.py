"""The workflow as users see it: a study, a command, its output and its files."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project import MADE, TINY, Project

NOT_RESULTS = ["seconds", "images_per_second"]
NETWORKS = "results/tiny/tables/networks.csv"
FEW = {"layers": [3], "treatments": ["transfer", "selffer+"]}
TABLES = ("networks", "evaluations", "differences", "effects", "boost")
FIGURES = ("transfer", "effects", "boost", "filters", "learning_curves", "cost", "random_features")
# Figures that have an interactive page.
PAGES = ("transfer", "effects")
FOREIGN = {
    "study": "foreign",
    "seeds": [0, 1, 2],
    "splits": {"random": 2, "dissimilar": {"A": "letters", "B": "symbols"}},
    "overrides": [{"where": {"n": 7}, "recipe": {"learning_rate": 0.001}}],
    "architecture": {"dropout": 0.5},
    "recipe": {"augment": ["horizontal_flip"], "momentum": 0.8},
    "keep_weights": "all",
}


@pytest.fixture
def pristine(tmp_path) -> Project:
    """A copy of the project in which nothing has run."""
    project = Project.copied(tmp_path / "pristine")
    project.write_study()
    return project


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Project:
    """A few networks of the tiny study, trained in another folder, with all weights kept."""
    project = Project.copied(tmp_path_factory.mktemp("elsewhere") / "project")
    project.write_study(**FEW, keep_weights="all")
    project.succeed(NETWORKS)
    return project


def commands(output: str) -> set[str]:
    return set(re.findall(r"python -m transferability .*", output))


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.results / "tables" / f"{name}.csv", keep_default_na=False)


def test_a_run_prints_little_without_a_terminal(finished):
    said = (finished.folder / MADE).read_text(encoding="utf-8").splitlines()
    jobs = int(re.search(r"^ total +(\d+) *$", "\n".join(said), re.MULTILINE)[1])
    assert len(said) < 2 * jobs
    assert max(map(len, said)) <= 200
    # It prints how to see the progress and, at the end, where the results are.
    status = "uv run transferability status results/tiny --watch"
    for hint in (status, "results/tiny/findings.html", "effects.svg"):
        assert any(hint in line for line in said), said


@pytest.mark.full
@pytest.mark.parametrize(
    ("target", "is_told"),
    [("tiny/splits/random0.csv", True), ("yosinski2014/tables/networks.csv", False)],
)
def test_the_status_command_fits_the_working_directory(pristine, target, is_told):
    output = pristine.succeed("--directory", "else where", f"results/{target}")
    assert ("status 'else where/results/tiny' --watch" in output) == is_told
    assert ("--watch" in output) == is_told


@pytest.mark.full
def test_networks_do_not_depend_on_other_networks_or_the_folder(finished, elsewhere):
    again = table(elsewhere, "networks").drop(columns=NOT_RESULTS).set_index("network")
    assert sorted(again.index) == ["A3B", "B3B+", "base2B", "baseA", "baseB"]
    first = table(finished, "networks").drop(columns=NOT_RESULTS).set_index("network")
    pd.testing.assert_frame_equal(again, first.loc[again.index], check_exact=True)


@pytest.mark.full
def test_fewer_weights_to_keep_train_nothing(elsewhere):
    assert (elsewhere.network("A3B") / "weights.safetensors").exists()
    elsewhere.write_study(**FEW, keep_weights="bases")
    assert elsewhere.jobs(NETWORKS) == set()


@pytest.mark.full
def test_jobs_run_the_code_beside_the_snakefile(project):
    project.append("__init__.py", "\nimport sys\n\nprint(__file__, file=sys.stderr)\n")
    project.succeed("--forcerun", "plot_cost", "--until", "plot_cost")
    log = (project.results / "logs" / "figures" / "cost.log").read_text(encoding="utf-8")
    assert log.splitlines()[0] == str(project.folder / "workflow/transferability/__init__.py")


def test_the_line_that_snakemake_prints_trains_the_same_bits(project):
    network = project.network("baseB")
    files = ("predictions.npy", "weights.safetensors")
    before = [(network / name).read_bytes() for name in files]
    shutil.rmtree(network)
    target = "results/tiny/networks/random0/seed0/baseB/metrics.json"
    output = project.succeed("--dry-run", "--printshellcmds", target)
    (line,) = (command for command in commands(output) if " train " in command)
    assert line.startswith(
        "python -m transferability train --study results/tiny/study.yaml"
        " --split random0 --seed 0 --network baseB "
    )
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(project.folder / "workflow"),
    }
    subprocess.run(line, shell=True, cwd=project.folder, env=environment, check=True)
    assert [(network / name).read_bytes() for name in files] == before


@pytest.mark.full
def test_a_given_study_replaces_config_yaml(pristine):
    given = ("--dry-run", "--printshellcmds")
    alone = commands(pristine.succeed(*given, study="studies/digits.yaml"))
    assert len(alone) > 50
    (pristine.folder / "config.yaml").write_text(yaml.safe_dump(FOREIGN), encoding="utf-8")
    assert commands(pristine.succeed(*given, study="studies/digits.yaml")) == alone


@pytest.mark.full
@pytest.mark.parametrize("study", ["study.yaml", None])
def test_a_setting_on_the_command_line_wins(pristine, study):
    (pristine.folder / "config.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    settings = ("study=other", "layers=all", "seeds=[5]", "splits={random: 2}")
    output = pristine.succeed("--dry-run", "--printshellcmds", "--config", *settings, study=study)
    told = "results/other/study.yaml --split random1 --seed 5 --network R6B "
    assert any(told in command for command in commands(output))


def test_a_mistake_in_the_study_is_an_error_before_anything_runs(pristine):
    pristine.write_study(recipe={"learning_rte": 0.1})
    status, output = pristine.run()
    assert status != 0
    for told in ("study.yaml", "recipe.learning_rte", "learning_rate"):
        assert told in output
    assert "Traceback" not in output
    assert not (pristine.folder / "images").exists()
    assert not (pristine.folder / "results").exists()


def test_the_report_shows_all_tables_and_figures(project):
    project.succeed("--report", "report.zip")
    with zipfile.ZipFile(project.folder / "report.zip") as report:
        html = report.read("report/report.html").decode()
        files = {(Path(name).name, report.read(name)) for name in report.namelist()}
    entries = embedded(html, "results")
    categories = embedded(html, "categories")
    expected = {
        "1 What the numbers say": {
            "results/tiny/findings.html": {"page": "what the numbers say"},
        },
        "3 Tables": {
            f"results/tiny/tables/{name}.{suffix}": {"table": name, "sortable": sortable}
            for name in TABLES
            for suffix, sortable in (("csv", "no"), ("html", "yes"))
        },
        "2 Figures": {
            f"results/tiny/figures/{name}.svg": {
                "figure": name.replace("_", " "),
                "interactive": "no",
            }
            for name in FIGURES
        }
        | {
            f"results/tiny/figures/{name}.html": {"figure": name, "interactive": "yes"}
            for name in PAGES
        },
    }
    assert categories.keys() == expected.keys()
    for category, of_file in expected.items():
        listed = [path for paths in categories[category].values() for path in paths]
        assert sorted(listed) == sorted(of_file)
        for path, labels in of_file.items():
            assert entries[path]["labels"] == labels
            caption = re.sub("<[^>]*>", "", entries[path]["caption"])
            assert len(caption.split()) >= 10, path
            assert "system-message" not in entries[path]["caption"], path
            assert (Path(path).name, (project.folder / path).read_bytes()) in files


def embedded(html: str, name: str) -> dict:
    """A variable in the report's page; variables of other scripts have the same form."""
    for start in re.finditer(rf"\bvar {name} = (?={{)", html):
        return json.JSONDecoder().raw_decode(html, start.end())[0]
    raise AssertionError(f"the report has no {name}")
