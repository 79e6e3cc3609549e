"""The command line: each command run by hand, and its error when it fails."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from laboratory import ARCHITECTURE, RECIPE
from project import ROOT, program

from transferability.__main__ import main
from transferability.study import config


def run(line: str) -> None:
    assert main(shlex.split(line)) == 0, line


def test_published_effects_can_be_drawn_behind_a_study_s(finished, tmp_path):
    published = ROOT / "workflow" / "resources" / "yosinski2014" / "networks.csv"
    run(f"read-published {published} --table {tmp_path}/networks.csv")
    run(
        f"estimate-effects --table {tmp_path}/networks.csv --results {tmp_path} --labels "
        f"--margin 0.01 --page {tmp_path}/findings.html"
    )
    run(
        f"plot effects {finished.results}/tables/effects.csv {tmp_path}/effects.csv "
        f"--figure {tmp_path}/effects"
    )
    of_2014 = "2014: CaffeNet"
    assert of_2014 in (tmp_path / "effects.html").read_text(encoding="utf-8")
    alone = finished.results / "figures" / "effects.html"
    assert of_2014 not in alone.read_text(encoding="utf-8")


def test_a_network_leaves_its_files_and_nothing_else(finished):
    of_all = {"metrics.json", "history.jsonl", "predictions.npy", "writers"}
    for network in finished.network("baseA").parent.iterdir():
        kept = {"weights.safetensors"} if network.name.startswith("base") else set()
        assert {file.name for file in network.iterdir()} == of_all | kept
        found = json.loads((network / "metrics.json").read_text(encoding="utf-8"))
        assert found["identity"]["network"] == network.name


def training(laboratory, folder: Path, name: str, **changes: object) -> list[object]:
    return laboratory.command(name, folder, architecture={"batch_norm": False}, **changes)


@pytest.mark.parametrize(
    ("name", "base", "words"),
    [
        ("A3B", [], "networks/random0/seed0/baseA/weights.safetensors"),
        ("baseB", ["--base", "weights.safetensors"], "copies no weights"),
        ("R3B", ["--base", "weights.safetensors"], "copies no weights"),
        ("B0B", ["--base", "weights.safetensors"], "copies no weights"),
        ("A3C", [], "'A3C'"),
        ("A3B", ["--base", "none.safetensors"], "none.safetensors"),
    ],
)
def test_only_networks_that_copy_a_base_get_one(laboratory, tmp_path, failure, name, base, words):
    assert words in failure(*training(laboratory, tmp_path / name, name), *base)
    assert not (tmp_path / name / "metrics.json").exists()


def test_a_missing_key_is_an_error_without_traceback(laboratory, tmp_path, failure):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({**config.complete({}), "recipe": None}))
    arguments = ["--split", "random0", "--seed", 0, "--network", "baseB", "--to", tmp_path]
    assert f"{study}: is not a complete study" in failure("train", "--study", study, *arguments)


def test_a_missing_input_is_an_error(laboratory, tmp_path, failure):
    missing = tmp_path / "none" / "networks.csv"
    assert str(missing) in failure("plot", "cost", missing, "--figure", tmp_path / "cost")
    study = laboratory.study(ARCHITECTURE, RECIPE)
    assert "baseA" in failure(
        *("collect-networks", "--study", study, "--table", tmp_path / "networks.csv"),
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [[], ["train"], ["paint"], ["plot", "cost", "--colour", "red"]]
)
def test_a_wrong_command_prints_its_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: transferability" in capsys.readouterr().err


def test_the_program_fails_with_one_line_and_code_1(tmp_path):
    words = ("--images", tmp_path / "none", "--split", tmp_path / "s.csv")
    found = program("split-classes", "--study", "study.yaml", *words)
    assert found.returncode == 1
    assert found.stdout == ""
    assert len(found.stderr.splitlines()) == 1
    assert f"{tmp_path / 'none'}" in found.stderr


WITH_A_LAST_WORD = """
import atexit, runpy
atexit.register(print, "Python was taken down")
runpy.run_module("transferability", run_name="__main__", alter_sys=True)
"""


def test_the_program_prints_everything_and_ends_at_once():
    command = ["plan", ROOT / "config.yaml", "--images-per-second=1"]
    found = subprocess.run(
        [sys.executable, "-c", WITH_A_LAST_WORD, *command],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "95 networks" in found.stdout
    assert found.stdout.endswith("\n")
    assert "taken down" not in found.stdout
