"""The command `figures`: draws the workflow's figures again elsewhere, from the networks alone."""

import shutil
import zipfile
from pathlib import Path

import pytest
import yaml
from project import ROOT, TINY, Project, program
from verdicts import packed

from transferability.__main__ import main
from transferability.study import config, targets


def drawn(folder: Path) -> dict[str, bytes]:
    """The tables, figures and findings in a folder."""
    files = [*folder.glob("tables/*"), *folder.glob("figures/*"), *folder.glob("findings.html")]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_an_archive_is_drawn_again_byte_for_byte(finished, tmp_path):
    """In another folder, without Snakemake, the study's images or any drawn file."""
    with zipfile.ZipFile(packed(finished.results, tmp_path)) as archive:
        for name in archive.namelist():
            if not name.startswith(("tiny/tables", "tiny/figures", "tiny/findings")):
                archive.extract(name, tmp_path)
    elsewhere = {"cwd": tmp_path, "env": {"PYTHONPATH": str(ROOT / "workflow")}}
    run = program("figures", "tiny", "--to", "again/drawn", **elsewhere)
    assert run.returncode == 0, run.stderr
    again, before = drawn(tmp_path / "again" / "drawn"), drawn(finished.results)
    assert again.keys() == before.keys()
    assert [name for name in before if again[name] != before[name]] == []
    assert [file.name for file in (tmp_path / "again").iterdir()] == ["drawn"]


def test_the_command_draws_what_the_workflow_makes(finished):
    """One list decides both."""
    checked = config.resolved(finished.results / "study.yaml")
    assert {*targets.files(checked)} - {targets.METHODS} == drawn(finished.results).keys()


@pytest.mark.full
def test_an_archive_file_without_weights_is_drawn_without_filters(finished, tmp_path, caplog):
    to = tmp_path / "drawn"
    file = packed(finished.results, tmp_path, "--without-weights", "--without-figures")
    assert main(["figures", str(file), "--to", str(to)]) == 0
    assert "the figure of filters is left out" in caplog.text
    left_out = {f"figures/filters.{suffix}" for suffix in ("svg", "pdf", "png")}
    assert drawn(to).keys() == drawn(finished.results).keys() - left_out


@pytest.mark.full
def test_figures_follow_the_options_of_the_study(project, tmp_path):
    study_yaml = project.results / "study.yaml"
    changed = yaml.safe_load(study_yaml.read_text(encoding="utf-8"))
    changed["figures"] = {**changed["figures"], "theme": "dark", "formats": ["svg"]}
    changed["treatments"] = ["selffer", "transfer"]
    study_yaml.write_text(yaml.safe_dump(changed), encoding="utf-8")
    assert main(["figures", str(project.results), "--to", str(tmp_path / "drawn")]) == 0
    figures = {path.name for path in (tmp_path / "drawn" / "figures").iterdir()}
    assert figures == {
        *(f"{name}.svg" for name in ("transfer", "effects", "filters", "learning_curves", "cost")),
        *(f"{name}.html" for name in ("transfer", "effects")),
    }
    # The background of the dark theme.
    assert "#16181d" in (tmp_path / "drawn" / "figures" / "cost.svg").read_text(encoding="utf-8")


@pytest.mark.full
def test_a_reference_is_drawn_again(project, tmp_path):
    study_yaml = project.results / "study.yaml"
    text = study_yaml.read_text(encoding="utf-8")
    study_yaml.write_text(text.replace("reference: none", "reference: yosinski2014"), "utf-8")
    to = tmp_path / "drawn"
    packed(project.results, tmp_path, status=1)
    published = project.folder / "results" / "yosinski2014" / "tables" / "effects.csv"
    published.parent.mkdir(parents=True)
    effects = (project.results / "tables" / "effects.csv").read_text(encoding="utf-8")
    published.write_text(effects.replace("tiny", "yosinski2014"), encoding="utf-8")
    file = packed(project.results, tmp_path)
    assert main(["figures", str(file), "--to", str(to)]) == 0
    before, again = drawn(project.results), drawn(to)
    differing = {name for name in before if again[name] != before[name]}
    assert differing == {f"figures/effects.{suffix}" for suffix in ("svg", "pdf", "png", "html")}


def without(name: str):
    def remove(project: Project) -> None:
        (path,) = project.folder.glob(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without("images"), "/images/digits-"),
        (without("results/tiny/study.yaml"), "study.yaml: does not exist"),
        (without("results/tiny/networks/*/*/A3B+/history.jsonl"), "A3B+/history.jsonl: cannot be"),
        (without("results/tiny/networks/*/*/A3B+/metrics.json"), "A3B+/metrics.json: is missing"),
    ],
)
def test_a_missing_file_is_an_error_and_nothing_is_written(project, tmp_path, caplog, change, told):
    change(project)
    assert main(["figures", str(project.results), "--to", str(tmp_path / "to" / "drawn")]) == 1
    assert told in caplog.text
    assert not list(tmp_path.glob("to/*")) + list(tmp_path.glob("to/.*"))


def test_an_existing_folder_is_not_changed(finished, tmp_path, caplog):
    assert main(["figures", str(finished.results), "--to", str(tmp_path)]) == 1
    assert f"{tmp_path} already exists; name another folder, or delete it" in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "labels", "reference"),
    [
        ({}, True, False),
        ({"seeds": [0, 1]}, False, False),
        ({"splits": {"random": 2}}, False, False),
        ({"splits": {"random": 2, "dissimilar": {"A": "closed", "B": "open"}}}, True, False),
        ({"seeds": [0, 1], "omit": [{"network": "A3B"}]}, True, False),
        ({"seeds": [0, 1], "omit": [{"n": 5}]}, False, False),
        ({"reference": "yosinski2014", "seeds": [0, 1]}, False, True),
    ],
)
def test_labels_and_reference_outside_the_results(changes, labels, reference):
    checked = config.complete({**TINY, **changes})
    assert (targets.labels(checked) is not None) == labels
    assert (targets.reference(checked) == "results/yosinski2014/tables/effects.csv") == reference
