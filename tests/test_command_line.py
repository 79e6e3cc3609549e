"""The command line: each command by hand, and what it says when it cannot do its work."""

import json
import logging
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from laboratory import ARCHITECTURE, RECIPE

from transferability.__main__ import main
from transferability.study import config

ROOT = Path(__file__).parents[1]
STUDY = config.complete(
    {
        "study": "tiny",
        "dataset": {"source": "digits"},
        "splits": {"random": 1, "dissimilar": {"A": "closed", "B": "open"}},
        "layers": [0, 1],
        "long_base": False,
        "architecture": {"channels": [4] * 5, "units": [8, 8]},
        "recipe": {"epochs": 1, "batch_size": 64, "precision": "fp32", "device": "cpu"},
    }
)
NAMES = STUDY.network_names
SPLITS = STUDY.split_names


def run(line: str, **sections: dict) -> None:
    """Run a command; `{name}` in the line stands for a section of that name as JSON."""
    words = [word.format_map(Sections(sections)) for word in shlex.split(line)]
    assert main(words) == 0, line


class Sections(dict):
    def __getitem__(self, key: str) -> str:
        return json.dumps(super().__getitem__(key))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """A whole study, made with the commands alone."""
    root = tmp_path_factory.mktemp("commands")
    images, folder = root / "images", root / "results"
    run(f"prepare-images --folder {images} --settings {{dataset}}", dataset=STUDY["dataset"])
    run(f"split-classes --images {images} --split {folder}/splits/random0.csv --random 0")
    run(
        f"split-classes --images {images} --split {folder}/splits/dissimilar.csv "
        "--groups {groups}",
        groups={"A": ["closed"], "B": ["open"]},
    )
    config.write(STUDY, folder / "study.yaml")
    for split in SPLITS:
        for name in NAMES:
            run(
                f"train --study {folder}/study.yaml --split {split} --seed 0 --network {name} "
                f"--images {images} --threads 1"
            )
    table = f"--table {folder}/tables/networks.csv"
    evaluations = f"--evaluations {folder}/tables/evaluations.csv"
    effects = f"--effects {folder}/tables/effects.csv"
    boost = f"--boost {folder}/tables/boost.csv"
    run(f"collect-networks --study {folder}/study.yaml {table} {evaluations}")
    run(
        f"estimate-effects {table} --results {folder} --labels {images}/validation.labels.npy "
        f"--differences {folder}/tables/differences.csv {effects} {boost}"
    )
    run(f"write-findings {effects} {boost} --page {folder}/findings.html")
    bases = " ".join(
        f"{folder}/networks/random0/seed0/{base}/weights.safetensors" for base in ("baseA", "baseB")
    )
    for figure, inputs in {
        "transfer": table,
        "effects": effects,
        "boost": boost,
        "dissimilar": f"{table} {effects}",
        "filters": f"--weights {bases}",
        "learning-curves": f"{table} {evaluations}",
        "cost": table,
    }.items():
        run(f"plot-{figure} {inputs} --figure {folder}/figures/{figure}")
    return folder


def test_the_commands_make_a_whole_study(results):
    table = pd.read_csv(results / "tables" / "networks.csv")
    assert sorted(table["network"]) == sorted(NAMES * 2)
    assert table["top1"].between(0, 1).all()
    evaluations = pd.read_csv(results / "tables" / "evaluations.csv")
    assert len(evaluations) == len(table)
    effects = pd.read_csv(results / "tables" / "effects.csv")
    assert {"coadaptation", "boost", "retraining"} <= set(effects["effect"])
    assert len(pd.read_csv(results / "tables" / "boost.csv")) > 0
    differences = pd.read_csv(results / "tables" / "differences.csv")
    assert set(differences["split"]) == set(SPLITS)
    assert "What the numbers say" in (results / "findings.html").read_text(encoding="utf-8")


def test_published_networks_can_stand_behind_a_study_s_effects(results, tmp_path):
    published = ROOT / "workflow" / "resources" / "yosinski2014"
    run(
        f"read-published --study published --published {published}/networks.csv "
        f"--class-splits {published}/class_splits.csv --table {tmp_path}/networks.csv"
    )
    run(
        f"estimate-effects --table {tmp_path}/networks.csv --results {tmp_path} --labels "
        f"--differences {tmp_path}/differences.csv --effects {tmp_path}/effects.csv "
        f"--boost {tmp_path}/boost.csv"
    )
    run(
        f"plot-effects --effects {results}/tables/effects.csv "
        f"--reference {tmp_path}/effects.csv --figure {tmp_path}/effects"
    )
    assert (tmp_path / "effects.svg").read_text() != (results / "figures/effects.svg").read_text()
    of_2014 = "thin, pale: 2014"
    assert of_2014 in (tmp_path / "effects.html").read_text(encoding="utf-8")
    assert of_2014 not in (results / "figures/effects.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "figure", ["transfer", "effects", "boost", "dissimilar", "filters", "learning-curves", "cost"]
)
def test_each_figure_has_three_formats(results, figure):
    for suffix, begins in {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}.items():
        assert (results / "figures" / f"{figure}{suffix}").read_bytes().startswith(begins)


def test_a_network_leaves_its_files_and_no_more(results):
    networks = results / "networks" / "random0" / "seed0"
    of_all = {"metrics.json", "history.jsonl", "predictions.npy", "finished", "writers"}
    for name in NAMES:
        left = {file.name for file in (networks / name).iterdir()}
        assert left == of_all | ({"weights.safetensors"} if name.startswith("base") else set())
        found = json.loads((networks / name / "metrics.json").read_text(encoding="utf-8"))
        assert found["identity"]["network"] == name


@pytest.fixture
def failure(caplog):
    """The one line that a command leaves which cannot do its work."""

    def of(*arguments: object) -> str:
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            assert main([str(argument) for argument in arguments]) == 1
        assert len(caplog.records) == 1
        assert caplog.records[0].exc_info is None
        message = caplog.records[0].getMessage()
        assert "\n" not in message
        return message

    return of


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
def test_a_base_is_given_to_those_who_copy_one(laboratory, tmp_path, failure, name, base, words):
    assert words in failure(*training(laboratory, tmp_path / name, name), *base)
    assert not (tmp_path / name / "metrics.json").exists()


def test_the_weights_of_another_network_are_refused(laboratory, tmp_path, failure):
    assert main([str(word) for word in training(laboratory, tmp_path / "baseB", "baseB")]) == 0
    weights = tmp_path / "baseB" / "weights.safetensors"
    arguments = training(laboratory, tmp_path / "A3B", "A3B")
    assert "baseA" in failure(*arguments, "--base", weights)


def test_a_training_that_diverges_leaves_no_metrics(laboratory, tmp_path, failure):
    found = failure(*training(laboratory, tmp_path, "baseB", learning_rate=1e12))
    for words in ("TrainingError", "baseB", "epoch 1", "recipe.learning_rate"):
        assert words in found
    assert not (tmp_path / "metrics.json").exists()


def test_a_study_that_lacks_a_key_is_named_without_traceback(laboratory, tmp_path, failure):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({**STUDY, "layers": [0, 1]} | {"recipe": None}))
    arguments = ["--split", "random0", "--seed", 0, "--network", "baseB", "--to", tmp_path]
    assert f"{study}: is no complete study" in failure("train", "--study", study, *arguments)


def test_a_missing_input_is_named(laboratory, tmp_path, failure):
    missing = tmp_path / "none" / "networks.csv"
    assert str(missing) in failure("plot-cost", "--table", missing, "--figure", tmp_path / "cost")
    study = laboratory.study(ARCHITECTURE, RECIPE)
    assert "baseA" in failure(
        *("collect-networks", "--study", study, "--table", tmp_path / "networks.csv"),
        *("--evaluations", tmp_path / "evaluations.csv"),
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["train"], ["paint"], ["plot-cost", "--colour", "red"]])
def test_a_command_that_is_none_ends_with_its_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m transferability" in capsys.readouterr().err


def test_the_program_fails_with_one_line_and_code_1(tmp_path):
    command = ["split-classes", "--images", tmp_path / "none", "--split", tmp_path / "s.csv"]
    found = subprocess.run(
        [sys.executable, "-m", "transferability", *command],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stdout == ""
    assert len(found.stderr.splitlines()) == 1
    assert f"{tmp_path / 'none'}" in found.stderr


WITH_A_LAST_WORD = """
import atexit, runpy
atexit.register(print, "Python was taken down")
runpy.run_module("transferability", run_name="__main__", alter_sys=True)
"""


def test_the_program_ends_with_all_that_it_said_and_at_once():
    command = ["plan", ROOT / "config.yaml", "--images-per-second=1"]
    found = subprocess.run(
        [sys.executable, "-c", WITH_A_LAST_WORD, *command],
        cwd=ROOT / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "96 networks" in found.stdout
    assert found.stdout.endswith("\n")
    assert "taken down" not in found.stdout
