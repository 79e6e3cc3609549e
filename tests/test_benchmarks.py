"""The benchmark scripts can be run, and the page of results names each of them."""

import re
import subprocess
import sys

import pytest
from project import ROOT

FOLDER = ROOT / "benchmarks"
SCRIPTS = [file.name for file in sorted(FOLDER.glob("*.py")) if "__main__" in file.read_text()]


def said(script: str, *arguments: str) -> str:
    command = [sys.executable, str(FOLDER / script), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_can_be_imported(script):
    assert said(script, "--help").startswith(f"usage: {script}")


def test_the_page_names_each_script_and_no_other():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"benchmarks/(\w+\.py)", page))) == SCRIPTS


@pytest.mark.full
def test_planning_is_compared_with_a_bare_workflow_of_the_same_jobs():
    # It ends with an error if the numbers of jobs differ.
    assert "jobs, dry run" in said("dag.py", "--networks", "1", "--repeats", "1")
