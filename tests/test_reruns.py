"""What reruns when: the exact jobs after one change to a finished study."""

import random
import shutil
import subprocess
import time

import pytest
import yaml
from project import TINY, Project

from transferability.__main__ import main

TABLES = {"collect_networks", "estimate_effects"}
TEXTS = {"write_methods"}
FIGURES_OF_EFFECTS = {"plot_effects", "plot_boost"}
OF_EFFECTS = {"estimate_effects", *FIGURES_OF_EFFECTS}
FIGURES_OF_NETWORKS = {"plot_transfer", "plot_random_features", "plot_learning_curves", "plot_cost"}
FIGURES_OF_TABLES = FIGURES_OF_NETWORKS | FIGURES_OF_EFFECTS
FIGURES = {*FIGURES_OF_TABLES, "plot_filters"}
DOWNSTREAM = TABLES | TEXTS | FIGURES_OF_TABLES
# The command of docs/what-can-go-wrong.md.
DATE_BACK = "find images results workflow -newermt now -exec touch {} +"
BASES = ("baseA", "baseB", "base2B")


def layer(n: int) -> tuple[str, ...]:
    """The treatments of one n with target B."""
    return (f"B{n}B", f"B{n}B+", f"A{n}B", f"A{n}B+", f"R{n}B")


TREATMENTS = ("B0B", *layer(3), *layer(7))


def trainings(*networks: str, replicate: str = "random0/0") -> set[str]:
    return {
        f"train_{'base' if name.startswith('base') else 'treatment'} {replicate}/{name}"
        for name in networks
    }


EVERY_TRAINING = trainings(*BASES, *TREATMENTS)


FEWER = trainings("baseA", "baseB", *layer(3), *layer(7)) - trainings("R3B", "R7B")
NUMBERS = EVERY_TRAINING | TABLES | TEXTS | FIGURES
RECIPE = TINY["recipe"]
OTHER_RATE = {"recipe": {"learning_rate": 0.01}}
SECOND_SEED = trainings(*BASES, *TREATMENTS, replicate="random0/1")
SECOND_SPLIT = {"split_classes random1"} | trainings(*BASES, *TREATMENTS, replicate="random1/0")
LOOKS = {"theme": "dark", "width": "slide", "labels": {"AnB": "transferred"}}
FINE_TUNED = trainings("A3B+", "B3B+", "A7B+", "B7B+")
OF_REFERENCE = {"read_published", "estimate_effects", "plot_effects"}
OF_IMAGES = {"prepare_images", "split_classes random0"}
FINDINGS = "reports/templates/findings.html.j2"
ADDED = "\nSCALE = 2 * 3\n"


def full(*rows: tuple) -> list:
    """Rows that only the full set of tests runs."""
    return [pytest.param(*row, marks=pytest.mark.full) for row in rows]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"layers": [0, 2, 3, 7]}, trainings(*layer(2)) | DOWNSTREAM),
        ({"overrides": [{"where": {"kind": "base"}, **OTHER_RATE}]}, FEWER | DOWNSTREAM | FIGURES),
        ({"figures": LOOKS}, FIGURES),
        *full(
            ({"layers": [0, 3]}, DOWNSTREAM),
            ({"overrides": [{"where": {"n": 3}, **OTHER_RATE}]}, trainings(*layer(3)) | DOWNSTREAM),
            ({"recipe": {**RECIPE, "learning_rate": 0.01}}, NUMBERS),
            ({"recipe": {**RECIPE, "copied_learning_rate": 0.1}}, FINE_TUNED | DOWNSTREAM),
            ({"seeds": [0, 1]}, SECOND_SEED | DOWNSTREAM),
            ({"splits": {"random": 2}}, SECOND_SPLIT | DOWNSTREAM),
            ({"omit": [{"network": "A3B"}]}, DOWNSTREAM),
            ({"reference": "yosinski2014"}, OF_REFERENCE),
            ({"figures": {"formats": ["png"]}}, FIGURES),
            ({"margin": 0.02}, OF_EFFECTS),
            ({"keep_weights": "all"}, trainings(*TREATMENTS) | DOWNSTREAM),
            ({"hours": 5}, set()),
            ({"recipe": {**RECIPE, "gpus": 2}}, set()),
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, dict) else "",
)
def test_a_changed_study_reruns_only_what_depends_on_it(project, changes, expected):
    project.write_study(**changes)
    # Files about the study change with it.
    assert project.jobs() == expected | {"write_methods"}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("training/loop.py", "run.total_loss += ", "run.total_loss += 2 * ", NUMBERS),
        *full(
            ("figures/style.py", "#0072B2", "#0072B3", FIGURES),
            ("models/small.py", "def build(", f"{ADDED}def build(", NUMBERS),
            (
                "analysis/effects.py",
                "def estimate(",
                f"{ADDED}def estimate(",
                {"estimate_effects", *TEXTS, *FIGURES},
            ),
            ("reports/templates/page.html.j2", "<h1>", "<h1>Table ", DOWNSTREAM),
            (FINDINGS, "</main>", "<hr></main>", OF_EFFECTS | TEXTS),
            ("images/digits.py", "def read(", f"{ADDED}def read(", NUMBERS | OF_IMAGES),
        ),
    ],
)
def test_edited_code_reruns_only_what_it_decides(project, file, old, new, expected):
    project.edit(file, old, new)
    assert project.jobs() == expected


def test_edits_that_change_no_number_rerun_nothing(project, tmp_path):
    """Format, comments, time stamps, code for other images and another folder, all at once."""
    project.edit("training/loop.py", "        run.step += 1\n", "        run.step  +=  1\n")
    project.edit("training/loop.py", "# With a seed", "# With a new seed")
    project.edit("training/loop.py", '"""Train the network', '"""Train one network')
    project.edit("images/glyphs.py", "def read(", f"{ADDED}def read(")
    project.append("images/other.py", "def info(settings): ...\n\n\ndef read(settings): ...\n")
    project.append("models/other.py", "def info(settings): ...\n")
    sections = dict(reversed(TINY.items()))
    sections |= {"seeds": [0], "recipe": {**dict(reversed(RECIPE.items())), "momentum": 0.9}}
    text = "# Another day.\n" + yaml.safe_dump(sections, sort_keys=False)
    (project.folder / "study.yaml").write_text(text, encoding="utf-8")
    moved = Project(project.folder.rename(tmp_path / "elsewhere, and with spaces"))
    draw = random.Random(0)
    moved.date(lambda: time.time() - 3600 * draw.random())
    assert moved.jobs() == set()


@pytest.mark.full
@pytest.mark.parametrize("years", [-20, 20])
def test_time_stamps_wrong_by_years_rerun_nothing(project, years):
    moment = time.time() + years * 365 * 86400
    project.date(lambda: moment)
    assert project.jobs() == set()


@pytest.mark.full
def test_networks_are_kept_if_the_clock_was_set_back(project):
    """Inputs are then in the future; Snakemake refuses them until their time stamps are reset."""
    target = "results/tiny/networks/random0/seed0/B2B/metrics.json"
    project.date(lambda: time.time() + 86400)
    project.write_study(layers=[0, 2, 3, 7])
    status, output = project.run(target)
    assert status != 0
    assert "clock skew" in output
    subprocess.run(DATE_BACK, shell=True, cwd=project.folder, check=True)
    project.succeed(target)
    assert project.jobs(target) == set()


@pytest.mark.full
def test_only_new_networks_need_deleted_images(project):
    shutil.rmtree(project.folder / "images")
    assert project.jobs() == set()
    # Snakemake cannot know that the new images will be identical.
    project.write_study(layers=[0, 2, 3, 7])
    assert {"prepare_images"} | EVERY_TRAINING | trainings(*layer(2)) <= project.jobs()


@pytest.mark.full
def test_removing_and_restoring_an_n_trains_nothing(project):
    project.write_study(layers=[0, 3])
    output = project.succeed()
    # The last lines of the output say where the results are.
    assert "results/tiny/findings.html" in output
    assert "results/tiny/figures/effects.svg" in output
    assert f"--configfile {project.folder / 'study.yaml'} --report report.zip" in output
    table = (project.results / "tables" / "networks.csv").read_text(encoding="utf-8")
    assert ",B3B," in table
    assert ",B7B," not in table
    assert project.jobs() == set()
    project.write_study()
    assert project.jobs() == DOWNSTREAM


@pytest.mark.full
def test_probes_train_nothing_and_follow_their_bases(project, tmp_path):
    probe, tables = "probe_layers random0/0", ("probes", "mechanism", "predictors")
    of_probes = {probe, "plot_predictors", "plot_mechanism"}
    project.write_study(probes={"images": 200})
    assert project.jobs() == of_probes | DOWNSTREAM
    project.succeed()
    assert project.jobs() == set()
    project.write_study(probes={"images": 300})
    assert project.jobs() == of_probes | DOWNSTREAM
    override = {"where": {"network": "base2B"}, **OTHER_RATE}
    project.write_study(probes={"images": 200}, overrides=[override])
    assert project.jobs() > trainings("base2B") | of_probes
    project.write_study(probes={"images": 200}, margin=0.02)
    assert probe not in project.jobs()
    # An archive contains all of it, and it can be drawn again from there.
    file, to = tmp_path / "tiny.zip", tmp_path / "drawn"
    assert main(["archive", str(project.results), "--to", str(file)]) == 0
    assert main(["figures", str(file), "--to", str(to)]) == 0
    for name in (*(f"tables/{table}.csv" for table in tables), "figures/mechanism.svg"):
        assert (to / name).read_bytes() == (project.results / name).read_bytes()
    project.edit("training/scores.py", "NEIGHBOURS = 20", "NEIGHBOURS = 10")
    project.write_study(probes={"images": 200})
    assert project.jobs() == of_probes | DOWNSTREAM
