"""What reruns when: the exact jobs that follow from one change to a finished study."""

import os
import shutil

import pytest
import yaml
from project import TINY

from transferability.study import targets

TABLES = {"collect_networks", "estimate_effects"}
PAGES = {f"show_{table}" for table in targets.TABLES}
TEXTS = {"write_findings", "write_methods", *PAGES}
FIGURES_OF_EFFECTS = {"plot_effects", "plot_boost", "plot_dissimilar"}
FIGURES_OF_TABLES = {"plot_transfer", "plot_learning_curves", "plot_cost", *FIGURES_OF_EFFECTS}
FIGURES = {*FIGURES_OF_TABLES, "plot_filters"}
DOWNSTREAM = TABLES | TEXTS | FIGURES_OF_TABLES
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


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"layers": [0, 3]}, DOWNSTREAM, id="n = 7 out"),
        pytest.param({"layers": [0, 2, 3, 7]}, trainings(*layer(2)) | DOWNSTREAM, id="n = 2 in"),
        pytest.param(
            {"overrides": [{"where": {"n": 3}, "recipe": {"learning_rate": 0.01}}]},
            trainings(*layer(3)) | DOWNSTREAM,
            id="another recipe for n = 3",
        ),
        pytest.param(
            {"overrides": [{"where": {"kind": "base"}, "recipe": {"learning_rate": 0.01}}]},
            trainings("baseA", "baseB", *layer(3), *layer(7)) - trainings("R3B", "R7B")
            | TABLES
            | TEXTS
            | FIGURES,
            id="another recipe for the bases",
        ),
        pytest.param(
            {"recipe": {**TINY["recipe"], "learning_rate": 0.01}},
            EVERY_TRAINING | TABLES | TEXTS | FIGURES,
            id="another recipe for all",
        ),
        pytest.param(
            {"seeds": [0, 1]},
            trainings(*BASES, *TREATMENTS, replicate="random0/1") | DOWNSTREAM,
            id="a seed in",
        ),
        pytest.param(
            {"splits": {"random": 2}},
            {"split_classes random1"}
            | trainings(*BASES, *TREATMENTS, replicate="random1/0")
            | DOWNSTREAM,
            id="a split in",
        ),
        pytest.param({"omit": [{"network": "A3B"}]}, DOWNSTREAM, id="a network left out"),
        pytest.param(
            {"reference": "yosinski2014"},
            {"read_published", "estimate_effects", "plot_effects"},
            id="published curves",
        ),
        pytest.param(
            {"figures": {"theme": "dark", "width": "slide", "labels": {"AnB": "transferred"}}},
            FIGURES,
            id="other figures",
        ),
        pytest.param({"figures": {"formats": ["png"]}}, FIGURES, id="one format"),
        pytest.param({"score": "mean_of_10_best"}, DOWNSTREAM, id="another score"),
        pytest.param(
            {"keep_weights": "all"}, trainings(*TREATMENTS) | DOWNSTREAM, id="keep all weights"
        ),
        pytest.param({}, set(), id="no change"),
    ],
)
def test_a_changed_study_reruns_only_what_depends_on_it(project, changes, expected):
    project.write_study(**changes)
    # What tells of the study changes with it.
    assert project.jobs() == expected | ({"write_methods"} if changes else set())


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        pytest.param("figures/style.py", "#0072B2", "#0072B3", FIGURES, id="a colour"),
        pytest.param(
            "training/loop.py",
            "run.total_loss += loss.detach()",
            "run.total_loss += 2 * loss.detach()",
            EVERY_TRAINING | TABLES | TEXTS | FIGURES,
            id="the loop's arithmetic",
        ),
        pytest.param(
            "models/small.py",
            "def build(",
            "WIDTH = 2 * 3\n\n\ndef build(",
            EVERY_TRAINING | TABLES | TEXTS | FIGURES,
            id="the architecture in use",
        ),
        pytest.param(
            "analysis/effects.py",
            "def estimate(",
            "SCALE = 2 * 3\n\n\ndef estimate(",
            {"estimate_effects"} | TEXTS - {"show_networks", "show_evaluations"} | FIGURES,
            id="the estimation of effects",
        ),
        pytest.param(
            "training/loop.py",
            "        run.step += 1\n",
            "        run.step  +=  1\n",
            set(),
            id="form",
        ),
        pytest.param("training/loop.py", "# Seeded again", "# Seeded anew", set(), id="a comment"),
        pytest.param(
            "training/loop.py", '"""Train one', '"""Train a single', set(), id="a docstring"
        ),
        pytest.param(
            "images/glyphs.py",
            "def read(",
            "SCALE = 2 * 3\n\n\ndef read(",
            set(),
            id="other images",
        ),
    ],
)
def test_edited_code_reruns_only_what_it_decides(project, file, old, new, expected):
    project.edit(file, old, new)
    assert project.jobs() == expected


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("images/other.py", "def info(settings): ...\n\n\ndef read(settings, workers): ...\n"),
        ("models/other.py", "def info(settings): ...\n"),
    ],
)
def test_a_new_source_or_architecture_reruns_nothing(project, file, text):
    project.append(file, text)
    assert project.jobs() == set()


def test_time_stamps_rerun_nothing(project):
    """As after a checkout, a copy or a restored backup, in an order of no meaning."""
    files = sorted(path for path in project.folder.rglob("*") if path.is_file())
    library = [path for path in files if ".snakemake" not in path.parts]
    assert project.network("baseA") / "weights.safetensors" in library
    for age, path in enumerate(reversed(library)):
        os.utime(path, (2e9 - 60 * age, 2e9 - 60 * age))
    assert project.jobs() == set()


@pytest.mark.parametrize(
    "pattern", ["images/*/*.npy", "results/**/weights.safetensors", "workflow/**/*.py"]
)
def test_newer_files_of_one_kind_rerun_nothing(project, pattern):
    files = list(project.folder.glob(pattern))
    assert files
    for path in files:
        path.touch()
    assert project.jobs() == set()


def test_order_and_comments_of_the_study_file_rerun_nothing(project):
    sections = reversed(TINY.items())
    study = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in sections
    }
    text = "# Another day.\n" + yaml.safe_dump(study, sort_keys=False)
    (project.folder / "study.yaml").write_text(text, encoding="utf-8")
    assert project.jobs() == set()


def test_a_default_that_is_spelled_out_reruns_nothing(project):
    project.write_study(seeds=[0], recipe={**TINY["recipe"], "momentum": 0.9})
    assert project.jobs() == set()


def test_deleted_images_are_missed_by_new_networks_alone(project):
    shutil.rmtree(project.folder / "images")
    assert project.jobs() == set()
    # Snakemake cannot know that they will be the same again.
    project.write_study(layers=[0, 2, 3, 7])
    assert {"prepare_images"} | EVERY_TRAINING | trainings(*layer(2)) <= project.jobs()


def test_edited_code_of_the_images_reruns_all_that_they_decide(project):
    project.append("images/digits.py", "SCALE = 2 * 3\n")
    assert project.jobs() == (
        {"prepare_images", "split_classes random0"} | EVERY_TRAINING | DOWNSTREAM | FIGURES
    )


def test_n_taken_out_and_put_back_trains_nothing(project):
    project.write_study(layers=[0, 3])
    project.succeed()
    table = (project.results / "tables" / "networks.csv").read_text(encoding="utf-8")
    assert ",B3B," in table
    assert ",B7B," not in table
    assert project.jobs() == set()
    project.write_study()
    assert project.jobs() == DOWNSTREAM
