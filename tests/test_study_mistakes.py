"""Mistakes in a study are named before anything runs: the key, the value, what is allowed."""

import pytest
import yaml

from transferability.study import config
from transferability.study.design import StudyError


def message(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        config.complete(yaml.safe_load(text))
    return str(caught.value)


# The text of a study, the key that the message begins with, and words that it must hold: what is
# allowed, or what to do.
MISTAKES = {
    "unknown key at the top": ("stdy: x", "stdy:", ["unknown key", "did you mean study?"]),
    "unknown key of the dataset": (
        "dataset: {clases: 9}",
        "dataset.clases:",
        ["unknown key", "did you mean classes?", "images_per_class"],
    ),
    "key of another source": (
        "dataset: {source: digits, classes: 4}",
        "dataset.classes:",
        ["unknown key", "allowed here: image_size, seed, source, validation"],
    ),
    "unknown key of the splits": (
        "splits: {rnadom: 1}",
        "splits.rnadom:",
        ["unknown key", "did you mean random?", "dissimilar"],
    ),
    "unknown key of the recipe": (
        "recipe: {learning_rte: 0.1}",
        "recipe.learning_rte:",
        ["unknown key", "did you mean learning_rate?", "momentum"],
    ),
    "unknown key of the architecture": (
        "architecture: {chanels: [1]}",
        "architecture.chanels:",
        ["unknown key", "did you mean channels?", "units"],
    ),
    "unknown width of figures": (
        "figures: {width: poster}",
        "figures.width:",
        ["page, column, slide"],
    ),
    "figures narrower than can be read": ("figures: {width: 3}", "figures.width:", ["at least 40"]),
    "unknown format of figures": ("figures: {formats: [jpg]}", "figures.formats[0]:", ["pdf"]),
    "a word that figures do not have": (
        "figures: {labels: {slffer: control}}",
        "figures.labels:",
        ["slffer", "selffer"],
    ),
    "unknown key of where": (
        "overrides: [{where: {layer: 3}, recipe: {epochs: 1}}]",
        "overrides[0].where.layer:",
        ["unknown key", "kind", "fine_tuned"],
    ),
    "unknown key of an override's recipe": (
        "overrides: [{where: {n: 3}, recipe: {epoch: 1}}]",
        "overrides[0].recipe.epoch:",
        ["unknown key", "did you mean epochs?"],
    ),
    "override without recipe": (
        "overrides: [{where: {n: 3}}]",
        "overrides[0]:",
        ["'recipe' is missing"],
    ),
    "override of nothing": (
        "overrides: [{where: {}, recipe: {epochs: 1}}]",
        "overrides[0].where:",
        ["at least 1"],
    ),
    "n of the last layer": (
        "layers: [1, 8]",
        "layers:",
        ["n = 8", "8 layers", "fc8", "0…7", "all"],
    ),
    "n below zero": ("layers: [-1]", "layers[0]:", ["-1", "at least 0"]),
    "no n": ("layers: []", "layers:", ["at least 1"]),
    "n twice": ("layers: [1, 1]", "layers:", ["twice", "once"]),
    "n of an override": (
        "overrides: [{where: {n: [1, 9]}, recipe: {epochs: 1}}]",
        "overrides[0].where.n:",
        ["n = 9", "0…7"],
    ),
    "kind of an override": (
        "overrides: [{where: {kind: [selfer]}, recipe: {epochs: 1}}]",
        "overrides[0].where.kind[0]:",
        ['"selfer"', "base, long_base, selffer, transfer, random"],
    ),
    "value of an override's recipe": (
        "overrides: [{where: {n: 3}, recipe: {learning_rate: -1}}]",
        "overrides[0].recipe.learning_rate:",
        ["-1", "more than 0"],
    ),
    "overrides that are no list": (
        "overrides: {where: {n: 3}, recipe: {epochs: 1}}",
        "overrides:",
        ["a list"],
    ),
    "omitted network that no study has": (
        "omit: [{n: 3}, {network: A3C}]",
        "omit[1]:",
        ["matches no network"],
    ),
    "n of an omitted network": ("omit: [{n: 8}]", "omit[0].n:", ["n = 8", "0…7"]),
    "omitting nothing": ("omit: [{}]", "omit[0]:", ["at least 1"]),
    "omitting a base that others copy": (
        "omit: [{network: baseA}]",
        "omit:",
        ["baseA of random0, seed 0", "A1B", "keep baseA, or leave out"],
    ),
    "omitting everything": ("omit: [{seed: 0}]", "omit:", ["no network", "fewer"]),
    "unknown reference": ("reference: alexnet", "reference:", ["none, yosinski2014"]),
    "name of the published study": (
        "study: yosinski2014",
        "study:",
        ["published results", "another name"],
    ),
    "unknown source": ("dataset: {source: mnist}", "dataset.source:", ["glyphs, digits"]),
    "more classes than there are": (
        "dataset: {classes: 1401}",
        "dataset.classes",
        ["1401", "1400"],
    ),
    "too few classes for halves": (
        "dataset: {classes: 3}",
        "splits.random:",
        ["3 classes", "at least 2", "4 or more"],
    ),
    "image too small for the source": (
        "dataset: {image_size: 4}",
        "dataset.image_size:",
        ["4", "at least 12"],
    ),
    "validation that leaves no class its image": (
        "dataset: {source: digits, validation: 0.999}",
        "dataset.validation",
        ["0.999", "training", "validation"],
    ),
    "no split": (
        "splits: {random: 0}",
        "splits:",
        ["splits.random to 1 or more", "splits.dissimilar"],
    ),
    "half without groups": (
        "splits: {dissimilar: {A: letters}}",
        "splits.dissimilar:",
        ["'B' is missing"],
    ),
    "third half": (
        "splits: {dissimilar: {A: letters, B: symbols, C: digits}}",
        "splits.dissimilar.C:",
        ["allowed here: A, B"],
    ),
    "groups that overlap": (
        "splits: {dissimilar: {A: [letters, symbols], B: symbols}}",
        "splits.dissimilar:",
        ["'symbols'", "A and in B", "not overlap"],
    ),
    "unknown group": (
        "splits: {dissimilar: {A: letters, B: animals}}",
        "splits.dissimilar.B:",
        ["'animals'", "letters, symbols"],
    ),
    "group of another source": (
        "{dataset: {source: digits}, splits: {dissimilar: {A: letters, B: open}}}",
        "splits.dissimilar.A:",
        ["'letters'", "closed, open"],
    ),
    "unknown target": ("targets: [C]", "targets[0]:", ['"C"', "one of A, B"]),
    "targets that are no list": ("targets: B", "targets:", ["a list"]),
    "unknown treatment": (
        "treatments: [selfer]",
        "treatments[0]:",
        ["selffer, selffer+, transfer, transfer+, random"],
    ),
    "seed twice": ("seeds: [0, 0]", "seeds:", ["twice", "once"]),
    "seed that is no list": ("seeds: 0", "seeds:", ["a list"]),
    "seed below zero": ("seeds: [-1]", "seeds[0]:", ["at least 0"]),
    "more images than there are": (
        "target_sizes: [all, 201]",
        "target_sizes:",
        ["201", "at most 200", "'all'"],
    ),
    "negative learning rate": (
        "recipe: {learning_rate: -0.1}",
        "recipe.learning_rate:",
        ["-0.1", "more than 0"],
    ),
    "learning rate that YAML reads as a text": (
        "recipe: {learning_rate: 1e-3}",
        "recipe.learning_rate:",
        ['"1e-3"', "number", "0.001"],
    ),
    "no epoch": ("recipe: {epochs: 0}", "recipe.epochs:", ["0", "at least 1"]),
    "half an epoch": ("recipe: {epochs: 1.5}", "recipe.epochs:", ["1.5", "whole number"]),
    "momentum of one": ("recipe: {momentum: 1}", "recipe.momentum:", ["less than 1"]),
    "warm-up without end": ("recipe: {warmup: 1}", "recipe.warmup:", ["less than 1"]),
    "unknown schedule": ("recipe: {schedule: linear}", "recipe.schedule:", ["cosine, step"]),
    "unknown augmentation": (
        "recipe: {augment: [flip]}",
        "recipe.augment[0]:",
        ["crop, horizontal_flip"],
    ),
    "unknown optimizer": ("recipe: {optimizer: adam}", "recipe.optimizer:", ["sgd"]),
    "unknown precision": ("recipe: {precision: fp16}", "recipe.precision:", ["auto, bf16, fp32"]),
    "unknown device": ("recipe: {device: gpu}", "recipe.device:", ["auto, cuda, mps, cpu"]),
    "unknown architecture": ("architecture: {name: resnet}", "architecture.name:", ["small"]),
    "too few channels": (
        "architecture: {channels: [1, 2, 3]}",
        "architecture.channels:",
        ["exactly 5"],
    ),
    "layer without channels": (
        "architecture: {channels: [1, 2, 3, 4, 0]}",
        "architecture.channels[4]:",
        ["at least 1"],
    ),
    "dropout of all": ("architecture: {dropout: 1}", "architecture.dropout:", ["less than 1"]),
    "unknown score": ("score: best", "score:", ["final, mean_of_10_best"]),
    "too few evaluations for the score": (
        "score: mean_of_10_best",
        "score:",
        ["at least 10", "makes 6", "recipe.epochs", "recipe.evaluate_every", "'final'"],
    ),
    "unknown weights": ("keep_weights: none", "keep_weights:", ["bases, all"]),
    "long base that is a number": ("long_base: 1", "long_base:", ["true or false"]),
    "name with a space": ("study: a b", "study:", ['"a b"']),
    "name that climbs": ("study: ../a", "study:", ['"../a"']),
    "augmentation by its old name": (
        "recipe: {augment: [crop, mirror]}",
        "recipe.augment[1]:",
        ['"mirror"', "now called horizontal_flip"],
    ),
    "augmentation of some networks by its old name": (
        "overrides: [{where: {n: 3}, recipe: {augment: [resized_crop]}}]",
        "overrides[0].recipe.augment[0]:",
        ['"resized_crop"', "now called random_resized_crop"],
    ),
    "architecture by its old name": (
        "architecture: {name: own, build: 'my_module:build'}",
        "architecture.name:",
        ['"own"', "now called custom"],
    ),
    "list for a study": ("[glyphs]", "the study:", ["keys"]),
    "text for a study": ("glyphs", "the study:", ["keys"]),
}


@pytest.mark.parametrize(("text", "key", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_in_one_line_with_what_is_allowed(text, key, words):
    found = message(text)
    assert found.startswith(key)
    assert "\n" not in found
    for word in words:
        assert word in found


# Values of another form than any that is allowed.
OTHER_FORMS = {
    "section that is a text": ("dataset: digits", "dataset:", ["source"]),
    "n that is no list": ("layers: 3", "layers:", ["list"]),
    "n that is a text": ("layers: ['1']", "layers", ["whole number"]),
    "size that is a text": ("target_sizes: [some]", "target_sizes[0]:", ["number"]),
    "dissimilar that is a text": (
        "splits: {dissimilar: letters}",
        "splits.dissimilar:",
        ["keys A and B"],
    ),
}


@pytest.mark.parametrize(("text", "key", "words"), OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_a_value_of_another_form_is_named_with_the_form_that_is_meant(text, key, words):
    test_a_mistake_is_named_in_one_line_with_what_is_allowed(text, key, words)


def test_the_word_on_1e_3_is_for_texts_that_look_like_numbers():
    assert "1e-3" not in message("splits: {random: two}")


@pytest.mark.parametrize("text", ["layers: []", "overrides: [{where: {}, recipe: {}}]"])
def test_one_is_singular(text):
    found = message(text)
    assert "1 values" not in found
    assert "1 keys" not in found


PASSED = {
    "learning rate that is no number": "recipe: {learning_rate: .nan}",
    "infinite learning rate": "recipe: {learning_rate: .inf}",
    "n that is written as a fraction": "layers: [1.0]",
    "batch size that is written as a fraction": "recipe: {batch_size: 64.0}",
    "override of a network that no study has": (
        "overrides: [{where: {network: A3b}, recipe: {epochs: 1}}]"
    ),
    "override of a network that this study lacks": (
        "{targets: [B], overrides: [{where: {network: B3A}, recipe: {epochs: 1}}]}"
    ),
    "override of a split that this study lacks": (
        "overrides: [{where: {split: random3}, recipe: {epochs: 1}}]"
    ),
    "too few evaluations by an override": (
        "{score: mean_of_10_best, recipe: {epochs: 20}, "
        "overrides: [{where: {n: 1}, recipe: {epochs: 2}}]}"
    ),
    "override of an n of another kind": (
        "overrides: [{where: {n: 3, kind: base}, recipe: {epochs: 1}}]"
    ),
    "name that begins with a hyphen": "study: -x",
    "halves of one class": (
        "{dataset: {classes: 2}, splits: {random: 0, dissimilar: {A: letters, B: symbols}}}"
    ),
}


@pytest.mark.parametrize("text", PASSED.values(), ids=PASSED)
def test_an_impossible_value_is_refused(text):
    assert message(text)


def test_all_mistakes_are_named_at_once_a_line_each():
    found = message("{recipe: {epochs: 0, learning_rate: -1}, targets: [C], stdy: x}")
    assert sorted(line.split(":")[0] for line in found.splitlines()) == [
        *("recipe.epochs", "recipe.learning_rate", "stdy", "targets[0]"),
    ]
