"""The workflow as a module of another one, in another folder, as in docs/questions.md."""

import re
import subprocess
import sys
from pathlib import Path

import documents
import pytest
import yaml
from project import ROOT, TIMEOUT, TINY

(SNAKEFILE,) = (
    block.text
    for block in documents.blocks(ROOT / "docs" / "questions.md")
    if block.file == "my_workflow/Snakefile"
)
PLAIN = """
configfile: "config.yaml"

module transferability:
    snakefile: "../transferability/Snakefile"
    config: config

use rule * from transferability
"""


@pytest.fixture
def mine(tmp_path) -> Path:
    """The folder of another workflow, next to that of this project."""
    (tmp_path / "transferability").symlink_to(ROOT, target_is_directory=True)
    (tmp_path / "my_workflow").mkdir()
    return tmp_path / "my_workflow"


def run(folder: Path, snakefile: str, config: dict, *arguments: str) -> str:
    (folder / "Snakefile").write_text(snakefile)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


@pytest.mark.parametrize(
    ("snakefile", "config", "prefix"),
    [(SNAKEFILE, {"transferability": TINY, "mine": 1}, "t_"), (PLAIN, TINY, "")],
    ids=["prefix", "plain"],
)
def test_another_workflow_runs_the_study_of_its_config(mine, snakefile, config, prefix):
    said = run(mine, snakefile, config, "--dry-run")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    assert counts[f"{prefix}train_treatment"] == "11"
    assert counts[f"{prefix}plot_effects"] == "1"
    assert counts["all"] == "1"
    # Its own default target is unchanged.
    assert ("summary" in counts) == bool(prefix)


@pytest.mark.full
def test_another_workflow_makes_the_figures_and_a_report(mine):
    config = {"transferability": {**TINY, "layers": [3], "treatments": ["transfer", "transfer+"]}}
    said = run(mine, SNAKEFILE, config)
    assert "What the numbers say: results/tiny/findings.html" in said
    assert "study: tiny (a module)" in said
    for name in ("figures/effects.svg", "findings.html", "METHODS.md", "study.yaml"):
        assert (mine / "results" / "tiny" / name).stat().st_size > 500
    assert (mine / "summary.txt").read_text().split()[1] == "results/tiny/tables/effects.csv"
    assert "Nothing to be done" in run(mine, SNAKEFILE, config, "--dry-run")
    assert "WARNING" not in run(mine, SNAKEFILE, config, "--report", "report.zip")
    assert sorted(path.name for path in mine.iterdir() if path.name[0] != ".") == [
        *("Snakefile", "config.yaml", "images", "report.zip", "results", "summary.txt")
    ]
