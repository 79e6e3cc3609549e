"""All commands in README.md and docs/ run, and all links and paths in them exist.

Commands are run as written, in a copy of the project whose default study is reduced to a few
seconds; `uv run X` is run as X, with the Python and the programs of these tests.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import documents
import made_photos
import pytest
import yaml
from documents import PAGES, Piece
from jsonschema import Draft202012Validator
from project import FOREIGN, ROOT, TIMEOUT, TINY, Project

from transferability.__main__ import parser
from transferability.study import config as study_file

FIRST = "pip install uv && uv run snakemake --cores all"
# The reduced default study: its own file with these sections changed.
LITTLE = {
    **{key: TINY[key] for key in ("dataset", "architecture")},
    "splits": {"random": 1},
    "layers": [5],
    "treatments": ["transfer+"],
    "controls": ["baseB", "B0B"],
    "recipe": {"epochs": 1, "batch_size": 128},
    "figures": {"formats": ["svg"]},
}
# Additions to commands that would take longer: -n (plan only), also the default for commands with
# --configfile; a short trial; or, for a study that is invented by a page, one network, trained for
# an epoch.
SHORTENED = {
    "uv run snakemake --workflow-profile profiles/slurm": "-n",
    "uv run snakemake --cores 4 --omit-from train_base train_treatment train_source": "-n",
    "uv run transferability plan config.yaml": "--seconds 0.1",
    "uv run transferability check first.yaml": (
        "--seconds 0.1 && snakemake -nq all --configfile first.yaml"
    ),
    "uv run snakemake --cores all --configfile photos.yaml --until prepare_images": "",
    "uv run snakemake --cores all --configfile photos.yaml": (
        "--config 'recipe={epochs: 1}' -- results/photos/networks/dissimilar/seed0/A3B/metrics.json"
    ),
    "uv run snakemake --cores all --configfile mine.yaml": (
        "--config 'dataset={source: digits}' 'recipe={epochs: 1}'"
        " -- results/mine/networks/random0/seed0/A2B/metrics.json"
    ),
}
# Commands that are not run here: other tests cover them.
ELSEWHERE = re.compile(
    r"docs/results/\w+\.zip|transferability compare |--cores all published$|--sdm conda$"
    r"|uv run (pytest|ruff|--project |python (tests/|-m transferability\.study\.schema$))"
    r"|pip install -r |-n --configfile studies/paper\.yaml$|sbatch |benchmarks/"
)
# Paths in trees that the commands here do not make.
NOT_MADE = {"results/yosinski2014/"}
# Commands that write nothing, so that two can run at once.
LOOKS = re.compile(r" (-n|--dry-run|--help|layers|plan)\b")

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/study.schema.yaml").read_text("utf-8"))
SECTIONS = [SCHEMA, *SCHEMA["properties"].values(), *SCHEMA["$defs"].values()]
BLOCKS = [block for page in PAGES for block in documents.blocks(page)]
STUDIES = [block for block in BLOCKS if block.language == "yaml"]
TREES = [block for block in BLOCKS if block.language == "text"]
SCRIPTS = [block for block in BLOCKS if block.language == "python" and not block.file]
INLINE = [piece for page in PAGES for piece in documents.inline(page)]
COMMANDS = documents.commands(PAGES)
OF_SLURM = [command for command in COMMANDS if command.text.startswith(("squeue ", "scontrol "))]
RUN_HERE = [
    c for c in COMMANDS if c.text != FIRST and not ELSEWHERE.search(c.text) and c not in OF_SLURM
]


@pytest.mark.parametrize(
    "command",
    [c.text for c in COMMANDS if re.search(r" transferability \w.*\.zip| compare ", c.text)],
)
def test_commands_that_are_not_run_are_parsed(command):
    program, *arguments = shlex.split(command.partition(" transferability ")[2])
    parser().parse_args([program, *arguments])
    for word in arguments:
        assert not word.startswith("docs/") or (ROOT / word).is_file(), word


def run(folder: Path, command: str, environment: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Run a command in a folder; return its output and its exit status."""
    typed = command.removeprefix("pip install uv && ").replace("uv run ", "")
    environment = {name: value for name, value in environment.items() if name not in FOREIGN}
    programs = [str(Path(sys.executable).parent), environment["PATH"]]
    done = subprocess.run(
        ["bash", "-c", typed],
        cwd=folder,
        env={**environment, "PATH": os.pathsep.join(programs)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
    )
    return f"{command}\n{done.stdout}", done.returncode


def write_files(folder: Path) -> None:
    """Write the files that the pages show, as a reader saves them."""
    for block in BLOCKS:
        if block.file:
            (folder / block.file).parent.mkdir(exist_ok=True)
            (folder / block.file).write_text(block.text, encoding="utf-8")


@pytest.fixture
def reader(tmp_path, monkeypatch) -> None:
    """The folder of a reader who has run nothing yet."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """The project, the photos and files of the pages' examples, and the first command's results."""
    folder = Project.copied(tmp_path_factory.mktemp("desk") / "project").folder
    write_files(folder)
    photos = folder / "photos"
    made_photos.tree(photos, [path.rstrip("/") for path in documented_paths("photos/")])
    config = folder / "config.yaml"
    default = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.write_text(yaml.safe_dump({**default, **LITTLE}), encoding="utf-8")
    said, status = run(folder, FIRST)
    assert status == 0, said
    return folder


def documented_paths(folder: str) -> list[str]:
    """The paths below a folder that the trees of the pages name."""
    named = [path for block in TREES for path in documents.paths(block.text)]
    return [path.removeprefix(folder) for path in named if re.match(f"{re.escape(folder)}.", path)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_block_has_a_tested_language(block):
    assert block.language in ("sh", "yaml", "python", "csv", "text"), (
        f"{block}: a block of {block.language or 'no language'}; test it here before it is there"
    )
    assert block.language != "csv" or block.file, f"{block}: no name of a file behind csv"


@pytest.fixture(scope="module")
def ended(desk) -> dict[Piece, tuple[str, int]]:
    """The output and exit status of each command: read-only commands two at a time, then the
    others in the order of the pages, then the scripts."""
    typed = {
        c: f"{c.text} {SHORTENED.get(c.text, '-n' * ('--configfile' in c.text))}" for c in RUN_HERE
    }
    for number, block in enumerate(SCRIPTS):
        (desk / f"example{number}.py").write_text(block.text, encoding="utf-8")
        typed[block] = f"uv run python example{number}.py"
    looks = [piece for piece in typed if LOOKS.search(typed[piece])]
    with ThreadPoolExecutor(2) as threads:
        found = dict(zip(looks, threads.map(lambda p: run(desk, typed[p]), looks), strict=True))
    return found | {piece: run(desk, typed[piece]) for piece in typed if piece not in found}


@pytest.mark.full
@pytest.mark.parametrize("piece", [*RUN_HERE, *SCRIPTS], ids=str)
def test_a_command_succeeds(ended, piece):
    said, status = ended[piece]
    assert status == 0, said


@pytest.mark.parametrize("study", STUDIES, ids=str)
def test_each_setting_gives_a_valid_study(reader, study):
    """Keys that a snippet leaves out have the defaults of config.yaml."""
    complete = study_file.complete(yaml.safe_load(study.text))
    assert any(not name.startswith("base") for name in complete.network_names)


@pytest.mark.full
@pytest.mark.parametrize("command", OF_SLURM, ids=str)
def test_commands_for_a_cluster_are_accepted(cluster, tmp_path, command):
    said, status = run(tmp_path, command.text, cluster.environment)
    assert status == 0, said


def test_config_yaml_contains_the_defaults_of_snippets():
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    changed = {"splits": {"random": 5}, "layers": [0, 1, 5, 7]}
    assert study_file.complete(config) == study_file.complete(changed)


@pytest.mark.parametrize(
    "piece", [piece for piece in INLINE if documents.SETTING.fullmatch(piece.text)], ids=str
)
def test_a_setting_in_a_sentence_exists(piece):
    ((key, value),) = yaml.safe_load(piece.text).items()
    profile = (ROOT / "profiles" / "slurm" / "profile.yaml").read_text(encoding="utf-8")
    in_blocks = any(piece.text in block.text for block in STUDIES)
    assert in_blocks or f" {key}: " in profile or is_allowed(key, value)


def is_allowed(key: str, value: object) -> bool:
    """Whether a study may have this value at a key of that name, in any section."""
    leaves = [s["properties"][key] for s in SECTIONS if key in s.get("properties", {})]
    defined = {"$defs": SCHEMA["$defs"]}
    return any(Draft202012Validator({**defined, **leaf}).is_valid(value) for leaf in leaves)


@pytest.mark.full
@pytest.mark.parametrize("tree", TREES, ids=str)
def test_paths_in_a_tree_exist(desk, tree):
    missing = [
        path
        for path in documents.paths(tree.text)
        if path not in NOT_MADE and not any(desk.glob(path))
    ]
    assert not missing


@pytest.mark.full
def test_the_tree_of_results_names_all_files_of_a_study(desk):
    left = {path.name for path in (desk / "results" / "glyphs").iterdir()}
    named = {path.split("/")[0] for path in documented_paths("results/*/")}
    assert left == named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    wrong = []
    for line, pointer in documents.pointers(page):
        file, _, anchor = pointer.partition("#")
        target = (page.parent / file).resolve() if file else page
        is_there = target.is_file() and target.is_relative_to(ROOT)
        if not pointer.startswith("https://") and not (
            is_there and (not anchor or anchor in documents.anchors(target))
        ):
            wrong.append(f"{page.name}:{line}: {pointer}")
    assert wrong == []


def test_each_page_is_named_in_the_readme():
    named = {(ROOT / pointer).resolve() for _, pointer in documents.pointers(PAGES[0])}
    assert set(PAGES[1:]) <= named
