"""The origin of a network's numbers, as recorded in its metrics."""

import json
import logging
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
import torch
import yaml
from project import ROOT

import transferability
from transferability.__main__ import parser
from transferability.records import provenance


@pytest.fixture(autouse=True)
def plain_git(monkeypatch, caplog):
    """A git without a user's settings."""
    caplog.set_level(logging.INFO, logger="transferability")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=made", "-c", "user.email=made@example.org"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def tree(tmp_path) -> Path:
    """A working tree with two files and a commit."""
    folder = tmp_path / "tree"
    folder.mkdir()
    git(folder, "init")
    for name in ("config.yaml", "füllung.py"):
        (folder / name).write_text("1\n", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "--message", "made")
    return folder


def test_a_clean_tree_has_a_commit_and_no_changes(tree):
    (tree / "results.csv").write_text("not tracked")
    os.utime(tree / "config.yaml", (0, 0))
    assert provenance.commit(tree) == (git(tree, "rev-parse", "HEAD"), [])


def test_changed_files_are_named(tree):
    (tree / "füllung.py").write_text("2\n", encoding="utf-8")
    git(tree, "rm", "--quiet", "config.yaml")
    assert provenance.commit(tree)[1] == ["config.yaml", "füllung.py"]


@pytest.mark.parametrize(
    ("folder", "variable", "reason"),
    [
        ("tree/copy", "", "is part of another repository"),
        (".", "", "no commit is recorded: fatal: not a git repository"),
        # With this variable, git tests its own behaviour in a repository of another user.
        ("tree", "GIT_TEST_ASSUME_DIFFERENT_OWNER", "dubious ownership"),
        # That folder contains no git.
        ("tree", "PATH", "no commit is recorded"),
    ],
)
def test_without_a_commit_the_reason_is_given(
    tree, tmp_path, monkeypatch, caplog, folder, variable, reason
):
    (tree / "copy").mkdir()
    if variable:
        monkeypatch.setenv(variable, str(tree) if variable == "PATH" else "1")
    assert provenance.commit(tmp_path / folder) == (None, None)
    assert reason in caplog.text


def test_metrics_contain_the_provenance(finished):
    metrics = json.loads((finished.network("A3B+") / "metrics.json").read_text(encoding="utf-8"))
    said = metrics["provenance"]
    assert said["command"][:4] == ["python", "-m", "transferability", "train"]
    flags = parser().parse_args(said["command"][3:])
    assert (flags.network, flags.seed) == ("A3B+", 0)
    assert (flags.study, flags.split) == (Path("results/tiny/study.yaml"), "random0")
    assert said["versions"] == {
        "python": platform.python_version(),
        "transferability": transferability.__version__,
        **{name: metadata.version(name) for name in provenance.LIBRARIES},
    }
    assert metrics["identity"]["torch"] == torch.__version__
    assert said["processor"]
    # It ran in a copy of the project outside any repository.
    assert (said["commit"], said["changed_files"]) == (None, None)


def test_the_version_is_the_same_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert transferability.__version__ == cited
    assert f'\nversion = "{cited}"\n' in project
