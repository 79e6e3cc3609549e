"""Errors for mistakes in a study, before anything runs: key, value, and allowed values."""

import pytest
import yaml

from transferability.study import config
from transferability.study.design import StudyError


def message(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        config.complete(yaml.safe_load(text))
    return str(caught.value)


# The text of a study | the key at the start of the message | words in the message, separated by &:
# the allowed values, or what to do. An indented line belongs to the line above.
TABLE = r"""
study: yosinski2014 | study | published results & another name
study: a b | study | "a b"
study: ../a | study | "../a"
study: "a\n" | study | "a\n"
dataset: {clases: 9} | dataset.clases | unknown key & did you mean classes? & images_per_class
dataset: {source: digits, classes: 4}
    | dataset.classes | unknown key & allowed here: image_size, seed, source, validation
dataset: {source: mnist} | dataset.source | glyphs, digits
dataset: {classes: 1401} | dataset.classes | 1401 & 1400
dataset: {source: digits, validation: 0.999} | dataset.validation | 0.999 & training & validation
dataset: {source: digits, validation: 0.001} | dataset.validation | 0.001
dataset: {classes: 6, symbols: 7} | dataset.symbols | 7 of 6 & choose 0 to 6
dataset: {classes: 1000, symbols: 607} | dataset.symbols | 153 to 606
dataset: {source: folder} | dataset | 'path' is missing
dataset: {source: folder, path: x, groups: none.csv} | dataset.groups | none.csv cannot be read
dataset: digits | dataset | source
dataset: {source: torchvision, name: MNIST, root: /tmp/x} | dataset.root | /tmp/x
dataset: {source: torchvision, name: cifar100} | dataset.name | 'cifar100' & did you mean CIFAR100
dataset: {source: torchvision, name: Animals} | dataset.name | 'Animals'
dataset: {source: torchvision, name: ImageFolder} | dataset.name | source: folder
dataset: {source: torchvision, name: ImageNet} | dataset.name | source: imagenet
architecture: {name: resnet} | architecture.name | small
architecture: {channels: [1, 2, 3]} | architecture.channels | at least 5 & five convolutions
architecture: {channels: [1, 2, 3, 4, 0]} | architecture.channels[4] | at least 1
architecture: {name: own, build: 'my_module:build'} | architecture.name | "own" & now called custom
architecture: ../module:build | architecture.build | ../module
architecture: {name: torchvision, model: resnet19}
    | architecture.model | 'resnet19' & did you mean resnet18 & alexnet
architecture: {name: torchvision, model: fasterrcnn_resnet50_fpn}
    | architecture.model | no classification model
{architecture: {name: torchvision, model: vit_b_16}, dataset: {image_size: 100}}
    | dataset.image_size | 100 pixels & of 16 & 96 or 112
{architecture: {name: torchvision, model: maxvit_t}, dataset: {image_size: 64}}
    | dataset.image_size | of 224 & choose 224, & recipe.crop
layers: [1, 8] | layers | n = 8 & 8 layers & fc8 & 0 to 7 & all
layers: [-1] | layers[0] | -1 & at least 0
layers: [] | layers | at least 1
layers: [1, 1] | layers | twice & once
layers: 3 | layers | list
layers: [1.0] | layers[0] | 1.0 & whole number
treatments: [selfer] | treatments[0] | selffer, selffer+, transfer, transfer+, random
{dataset: {images_per_class: 200}, target_sizes: [all, 201]}
    | target_sizes | 201 & at most 200 & 'all'
target_sizes: [some] | target_sizes[0] | number
dataset: {classes: 3} | splits.random | 3 classes & at least 2 & 4 or more
splits: {random: 0} | splits | splits.random to 1 or more & splits.dissimilar
splits: {dissimilar: {A: letters}} | splits.dissimilar | 'B' is missing
splits: {dissimilar: {A: letters, B: symbols, C: digits}} | splits.dissimilar.C | allowed here: A, B
splits: {dissimilar: {A: [letters, symbols], B: symbols}}
    | splits.dissimilar | 'symbols' & both A and B & not overlap
splits: {dissimilar: {A: letters, B: animals}} | splits.dissimilar.B | 'animals' & letters, symbols
{dataset: {source: digits}, splits: {dissimilar: {A: letters, B: open}}}
    | splits.dissimilar.A | 'letters' & closed, open
splits: {dissimilar: letters} | splits.dissimilar | {A: letters, B: symbols}
{dataset: {source: imagenet, path: x}, splits: {published: [random0]}}
    | splits | splits.random: 1 draws random0 & splits.random to 0
{dataset: {source: imagenet, path: x}, splits: {published: [natmen]}}
    | splits.published[0] | natman
{dataset: {source: folder, path: x}, splits: {published: [natman]}}
    | splits.published | source is folder
{dataset: {source: folder, path: x}, splits: {dissimilar: {A: a, B: b}}}
    | splits.dissimilar | no groups & dataset.groups & published: [natman]
seeds: 0 | seeds | a list & write [0]
seeds: 0-5 | seeds | e.g. [1, 2, 3]
recipe: {learning_rte: 0.1}
    | recipe.learning_rte | unknown key & did you mean learning_rate? & momentum
recipe: {learning_rate: -0.1} | recipe.learning_rate | -0.1 & more than 0
recipe: {learning_rate: 1e-3} | recipe.learning_rate | "1e-3" & number & 0.001
recipe: {augment: [crop, mirror]} | recipe.augment[1] | "mirror" & now called horizontal_flip
recipe: {micro_batch: 1.5} | recipe.micro_batch | 1.5 & a whole number & null for
recipe: {step_at: [0.5, 1]} | recipe.step_at[1] | 1 & less than 1
{dataset: {image_size: 24}, recipe: {crop: 25}}
    | recipe.crop | 25 & at most 24 & dataset.image_size
recipe: {crop: 7} | recipe.crop | 7 & too few & at least 8
recipe: {augment: [crop, random_resized_crop]}
    | recipe.augment | crop and random_resized_crop & one of them
recipe: {learning_rate: .nan} | recipe.learning_rate | a finite number
score: best | score | final, mean_of_10_best
{score: mean_of_10_best, recipe: {epochs: 12, evaluate_every: 2}}
    | score | at least 40 & has 6 & recipe.epochs & recipe.evaluate_every & 'final'
{score: mean_of_10_best, recipe: {iterations: 900, evaluate_every: 25}}
    | score | at least 40 & has 36 & recipe.iterations & recipe.evaluate_every
{score: mean_of_10_best, recipe: {epochs: 80}, overrides: [{where: {n: 1}, recipe: {epochs: 2}}]}
    | score | B1B has 1
recipe: {iterations: 100, probe_epochs: 5} | recipe.probe_epochs | of the 100 iterations & B1B+
recipe: {probe_epochs: 10} | recipe.probe_epochs | 10 of the 10 epochs & B1B+ & recipe.epochs
search: {learning_rate: [0.1, 0.3]} | search.learning_rate | lacks 0.03 & recipe.learning_rate
{search: {learning_rate: [0.03, 0.1]}, score: mean_of_10_best, recipe: {epochs: 80}}
    | score | search & 'final'
{search: {learning_rate: [0.03, 0.1]}, overrides: [{where: {n: 1}, recipe: {learning_rate: 0.1}}]}
    | overrides[0].recipe.learning_rate | search
overrides: [{where: {layer: 3}, recipe: {epochs: 1}}]
    | overrides[0].where.layer | unknown key & kind & fine_tuned
overrides: [{where: {n: 3}, recipe: {epoch: 1}}]
    | overrides[0].recipe.epoch | unknown key & did you mean epochs?
overrides: [{where: {n: 3}}] | overrides[0] | 'recipe' is missing
overrides: [{where: {}, recipe: {epochs: 1}}] | overrides[0].where | at least 1
overrides: [{where: {n: [1, 9]}, recipe: {epochs: 1}}] | overrides[0].where.n | n = 9 & 0 to 7
overrides: [{where: {kind: [selfer]}, recipe: {epochs: 1}}]
    | overrides[0].where.kind[0] | "selfer" & base, long_base, selffer, transfer, random
overrides: [{where: {n: 3}, recipe: {learning_rate: -1}}]
    | overrides[0].recipe.learning_rate | -1 & more than 0
overrides: {where: {n: 3}, recipe: {epochs: 1}} | overrides | a list
overrides: [{where: {n: 3}, recipe: {augment: [resized_crop]}}]
    | overrides[0].recipe.augment[0] | "resized_crop" & now called random_resized_crop
overrides: [{where: {n: 3}, recipe: {crop: 20}}]
    | overrides[0].recipe.crop | 20 & one size & recipe.crop
overrides: [{where: {network: A3b}, recipe: {epochs: 1}}] | overrides[0].where | matches no network
overrides: [{where: {n: 3, kind: base}, recipe: {epochs: 1}}]
    | overrides[0].where | matches no network
omit: [{n: 3}, {network: A3C}] | omit[1] | matches no network
omit: [{n: 8}] | omit[0].n | n = 8 & 0 to 7
omit: [{}] | omit[0] | at least 1
omit: [{network: baseA}] | omit | baseA of random0, seed 0 & A1B & keep baseA, or also omit
omit: [{seed: 0}] | omit | no network & fewer
long_base: 1 | long_base | unknown key & controls
sources: {B: {weights: a.pt}} | sources | "B" & a letter from C to Z
sources: {P: {}} | sources.P | either weights or dataset
sources: {P: {dataset: {source: digits}, mean: [0, 0, 0]}} | sources.P | mean applies only
sources: {P: {weights: a.pt}} | sources.P | mean and std & there is no such file
sources: {P: {dataset: {source: digits}}} | sources.P.dataset.image_size | 8 pixels & 20
{sources: {P: {weights: a.pt}}, splits: {random: 1}} | the study | exclude each other
{sources: {P: {weights: a.pt}}, targets: [A]} | the study | targets
sources: {P: {weights: a, image_size: 20, mean: [0,0,0], std: [1,1,1], group: photos}}
    | sources.P.group | photos has one source
sources: {P: IMAGENET1K_V1} | sources.P | a section
sources: {P: {wieghts: a.pt}} | sources.P.wieghts | unknown key & did you mean weights?
sources: {P: &p {weights: a, image_size: 20,mean: [0,0,0],std: [1,1,1]},Q: {<<: *p, image_size: 24}}
    | sources | image_size 20 and 24 & the same images
sources: {P: &p {weights: a, image_size: 20,mean: [0,0,0],std: [1,1,1]},Q: {<<: *p, std: [1,1,2]}}
    | sources | different ways
sources: {T: {dataset: {source: digits, image_size: 20}, recipe: {crop: 16}}}
    | sources.T.recipe.crop | 16 & recipe.crop
{sources: {T: {dataset: {source: digits, image_size: 20}, recipe: {normalise: none}}}}
    | sources.T.recipe.normalise | none & recipe.normalise
figures: {width: poster} | figures.width | page, column, slide
figures: {width: 3} | figures.width | at least 40
figures: {labels: {slffer: control}} | figures.labels | slffer & selffer
[glyphs] | the study | keys
glyphs | the study | keys
stdy: x | stdy | unknown key & did you mean study?
"""
MISTAKES = [
    (text, key, words.split(" & "))
    for text, key, words in (
        line.split(" | ") for line in TABLE.strip().replace("\n    |", " |").splitlines()
    )
]


@pytest.mark.parametrize(("text", "key", "words"), MISTAKES, ids=[text for text, *_ in MISTAKES])
def test_a_mistake_is_one_line_with_the_allowed_values(text, key, words):
    found = message(text)
    assert found.startswith(key)
    assert "\n" not in found
    assert [word for word in words if word not in found] == []
    # The number 1 needs the singular.
    assert "1 values" not in found
    assert "1 keys" not in found


def test_the_hint_about_1e_3_is_only_for_number_like_texts():
    assert "1e-3" not in message("splits: {random: two}")


def test_all_mistakes_are_listed_one_line_each():
    found = message("{recipe: {epochs: 0, learning_rate: -1}, targets: [C], stdy: x}")
    assert sorted(line.split(":")[0] for line in found.splitlines()) == [
        *("recipe.epochs", "recipe.learning_rate", "stdy", "targets[0]"),
    ]


MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def test_weights_with_different_image_sizes_are_refused():
    given = {"weights": "a.pt", "image_size": 224, "mean": MEAN, "std": STD}
    study = {
        "architecture": {"name": "torchvision"},
        "sources": {"P": {"weights": "IMAGENET1K_V1"}, "Q": given},
    }
    with pytest.raises(StudyError, match=r"P and Q need .* 256 and 224 .* recipe\.crop: 224"):
        config.complete(study)
    chosen = config.complete({**study, "dataset": {"image_size": 256}, "recipe": {"crop": 224}})
    assert chosen.input_size == 224
