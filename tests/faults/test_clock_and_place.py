"""A clock set back, results on another machine, a repository that moved: nothing trains again."""

import os
import random
import subprocess
import time

import pytest
from project import Project

TARGET = "results/tiny/networks/random0/seed0/B2B/metrics.json"
# As docs/what-can-go-wrong.md has it.
DATE_BACK = "find images results workflow -newermt now -exec touch {} +"


def times(project: Project, of) -> None:
    """Give each file of the project and of its results the time that `of` says."""
    for path in sorted(path for path in project.folder.rglob("*") if path.is_file()):
        if ".snakemake" not in path.relative_to(project.folder).parts:
            os.utime(path, (of(),) * 2)


def test_a_repository_that_moved_and_changed_its_name(project, tmp_path):
    moved = Project(project.folder.rename(tmp_path / "elsewhere, and with spaces"))
    assert moved.jobs() == set()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_copy_on_another_machine_whose_files_came_in_any_order(project, seed):
    moment = random.Random(seed)
    times(project, lambda: time.time() - 3600 * moment.random())
    assert project.jobs() == set()


@pytest.mark.parametrize("years", [-20, 20])
def test_a_clock_that_went_wrong_by_years(project, years):
    moment = time.time() + years * 365 * 86400
    times(project, lambda: moment)
    assert project.jobs() == set()


def test_what_is_trained_after_the_clock_was_set_back_is_kept(project):
    """Its inputs are then of the future, which Snakemake refuses until they are dated back."""
    times(project, lambda: time.time() + 86400)
    project.write_study(layers=[0, 2, 3, 7])
    status, output = project.run(TARGET)
    assert status != 0
    assert "clock skew" in output
    subprocess.run(DATE_BACK, shell=True, cwd=project.folder, check=True)
    project.succeed(TARGET)
    assert project.jobs(TARGET) == set()
