"""The command `plan`: the time and space of a study, before it runs."""

import pytest
from made_photos import tree
from project import ROOT
from torch import nn

from transferability import images
from transferability.__main__ import main
from transferability.images import Size, sample
from transferability.models import summary
from transferability.records import plan
from transferability.study import config, design

STUDY = {
    "dataset": {"source": "digits", "image_size": 16},
    "architecture": {"name": "small", "channels": [4, 8, 8, 8, 8], "units": [16, 12]},
    "recipe": {"epochs": 3, "evaluate_every": 2, "batch_size": 64},
    "layers": [0, 2],
}
# Three layers with 384, 240 and 60 multiplications.
LAYERS = summary.summarise(
    [
        ("flat", nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 8))),
        ("hidden", nn.Linear(8, 30)),
        ("last", nn.Sequential(nn.ReLU(), nn.Linear(30, 2))),
    ],
    4,
)
SIZE = Size(classes=10, train=1000, validation=200)
# The size of each half.
SIZES = dict.fromkeys("AB", Size(classes=5, train=500, validation=100))
SPEED = 100.0


def study(**changed: object) -> dict:
    return config.complete({**STUDY, **changed})


def test_operations_to_train_on_an_image():
    forward = 2 * (384 + 240 + 60)
    assert plan.forward(LAYERS) == forward
    # No gradient of the images or of the outputs of frozen layers is needed.
    assert plan.to_learn(LAYERS, 0) == 3 * forward - 2 * 384
    assert plan.to_learn(LAYERS, 1) == forward + 2 * (240 + 2 * 60)
    assert plan.to_learn(LAYERS, 1, from_features=True) == 2 * (2 * 240 + 3 * 60)


def test_networks_images_and_time_of_each_kind():
    checked = study(recipe={**STUDY["recipe"], "augment": ["horizontal_flip"]}, layers=[0, 2])
    kinds = plan.of_kinds(checked, SIZES, LAYERS, SPEED)
    assert kinds["networks"].to_dict() == {
        **{"base": 2, "long_base": 1, "selffer": 2, "selffer+": 1},
        **{"transfer": 1, "transfer+": 1, "random": 1},
    }
    # 7 whole batches in 500 images, 3 times; evaluated after epochs 2 and 3.
    learned, evaluated = 3 * 7 * 64, 2 * 100
    assert kinds.loc["transfer"].learned == learned
    assert kinds.loc["transfer"].evaluated == evaluated
    assert kinds.loc["long_base"].learned == 2 * learned
    # Time is by operations: evaluation counts too, and frozen layers need fewer.
    evaluation = evaluated * plan.forward(LAYERS) / plan.to_learn(LAYERS, 0)
    assert kinds.loc["transfer+"].seconds == pytest.approx((learned + evaluation) / SPEED)
    saved = learned * (plan.to_learn(LAYERS, 0) - plan.to_learn(LAYERS, 2))
    assert kinds.loc["transfer"].operations == kinds.loc["transfer+"].operations - saved
    assert kinds.loc["base"].operations == 2 * (
        learned * plan.to_learn(LAYERS, 0) + evaluated * plan.forward(LAYERS)
    )


def test_features_are_computed_once():
    checked = study(layers=[2])
    kinds = plan.of_kinds(checked, SIZES, LAYERS, SPEED)
    assert kinds.loc["random"].operations == (
        600 * plan.forward(LAYERS[:2])
        + 200 * plan.forward(LAYERS[2:])
        + 3 * 7 * 64 * plan.to_learn(LAYERS, 2, from_features=True)
    )


def test_plan_counts_fewer_images_and_skips_omitted_networks():
    recipe = {**STUDY["recipe"], "augment": ["horizontal_flip"]}
    checked = study(target_sizes=["all", 20], recipe=recipe, omit=[{"kind": "random"}])
    kinds = plan.of_kinds(checked, SIZES, LAYERS, SPEED)
    # baseA, baseB and baseB@20, of 5 classes: one batch an epoch.
    assert kinds.loc["base"].learned == 2 * 3 * 7 * 64 + 3 * 64
    assert "random" not in kinds.index


def test_few_steps_give_a_warning_with_their_number():
    # 7 whole batches of 64 in 500 images, and one of the 100 of baseB@20, 43 times.
    longer = {**STUDY["recipe"], "epochs": 43}
    assert design.few_steps(study(recipe=longer), SIZE) is None
    warning = design.few_steps(study(recipe=longer, target_sizes=["all", 20]), SIZE)
    assert "@20 is trained for 43 steps; with fewer than 300" in warning
    assert "raise recipe.epochs" in warning
    few = study(recipe={**STUDY["recipe"], "iterations": 299, "evaluate_every": 299})
    warning = design.few_steps(few, SIZE)
    assert "299 steps" in warning
    assert warning.endswith("raise recipe.iterations")
    sources = {"T": {"dataset": {"source": "glyphs", "image_size": 16}}}
    alone = study(sources=sources, treatments=["transfer"], controls=[], omit=[{"target": "B"}])
    assert design.few_steps(alone, SIZE) is None


@pytest.mark.parametrize("flags", [["--seconds", "0.05"], ["--images-per-second", "1000"]])
def test_the_command_prints_the_whole_plan(tmp_path, capsys, flags):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "dataset: {source: digits, image_size: 16}\n"
        "architecture: {name: small, channels: [4, 8, 8, 8, 8], units: [16, 12]}\n"
        "recipe: {epochs: 3, device: cpu}\nlayers: [0, 2]\n"
    )
    assert main(["plan", str(file), *flags]) == 0
    said = capsys.readouterr().out
    assert "study mine: 9 networks" in said
    assert "1,797 images" in said
    assert "is trained for 30 steps" in said
    assert all(len(line) <= 100 for line in said.splitlines())
    assert [line.split()[0] for line in said.splitlines()[3:11]] == [
        *("base", "long_base", "selffer", "selffer+", "transfer", "transfer+", "random", "all")
    ]


def test_the_paper_s_study_is_planned_without_its_images(capsys):
    paper = ROOT / "studies" / "paper.yaml"
    assert main(["plan", str(paper), "--images-per-second", "20000"]) == 0
    said = capsys.readouterr().out
    assert "1,460 networks" in said
    assert "warning" not in said
    assert "261.7 GB for the store of 1,331,167 images" in said


def test_unread_images_are_counted_from_their_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = config.complete({"dataset": {"source": "folder", "path": "photos"}})["dataset"]
    with pytest.raises(ValueError, match="no folder photos"):
        sample.size(settings)
    tree(tmp_path / "photos", "abcd", count=10)
    assert sample.size(settings) == Size(4, 32, 8)
    # The workflow does not list them when it starts.
    with pytest.raises(ValueError, match="--until prepare_images"):
        images.size(settings)
    store = images.STORES / images.store_name(settings)
    store.mkdir(parents=True)
    (store / "manifest.json").write_text('{"classes": 4, "train": 30, "validation": 8}')
    assert sample.size(settings) == Size(4, 30, 8)


def test_images_to_download_need_preparation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = {"source": "torchvision", "name": "MNIST", "root": "data"}
    for download, words in {True: "--until prepare_images", False: "dataset.download"}.items():
        settings = config.complete({"dataset": {**dataset, "download": download}})["dataset"]
        with pytest.raises(ValueError, match=words):
            sample.size(settings)


def test_the_stores_of_sources_are_counted(tmp_path, capsys):
    glyphs = "{source: glyphs, classes: 4, images_per_class: 12, validation_images_per_class: 4, "
    file = tmp_path / "study.yaml"
    file.write_text(
        "dataset: {source: digits, image_size: 16}\nlayers: [3]\ncontrols: [baseB]\n"
        f"sources: {{T: {{dataset: {glyphs} image_size: 16}}}}}}\n"
    )
    assert main(["plan", str(file), "--images-per-second", "1000"]) == 0
    # 3 × 16² bytes an image, 1,797 of digits and 4 × 16 of glyphs.
    assert "1.4 MB for the stores of 1,861 images" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "inf"])
def test_a_speed_must_be_a_number_above_zero(text, capsys):
    with pytest.raises(SystemExit):
        main(["plan", "config.yaml", "--images-per-second", text])
    assert "--images-per-second: " in capsys.readouterr().err
