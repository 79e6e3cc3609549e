"""METHODS.md: what it says is what the files say, and English."""

import json
import re
from math import prod

import pandas as pd
import pytest
import safetensors
import yaml
from made_reports import METRICS, check_form, methods_of, tables
from project import ROOT

from transferability.reports import methods
from transferability.study import config

VERSION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
COMMIT = METRICS["provenance"]["commit"]


def written(changes: dict, **metrics: object) -> str:
    """METHODS of a study with these changes, in good form."""
    text = methods_of(changes, tables("one_replicate")[1:], **metrics)
    check_form(text)
    return text


def test_what_the_images_lack_or_hold_twice_is_told():
    manifest = {
        "left_out": {"files": [["a/1.heic", ".heic is not read"]]},
        "duplicates": {"validation_in_train": [["val/a/1.png", "train/a/1.png"]]},
    }
    dataset = {"source": "folder", "path": "photos", "image_size": 16}
    text = written({"dataset": dataset}, manifest=manifest)
    assert "Left out, since .heic is not read: 1, the first a/1.heic. Validation images" in text
    assert "as a training image: 1, kept, the first val/a/1.png as train/a/1.png." in text


def test_networks_that_look_at_the_batch_are_told():
    assert "in its batch" not in written({"layers": [3]})
    text = written({"layers": [3]}, shuffled_validation=True)
    assert re.search(
        r"What \w+ networks made of an image depended on the others in its batch", text
    )


def test_what_was_not_done_is_not_told():
    """One effect has two estimates; no bootstrap ran; Table 1 is of one n."""
    effects, boost = tables("four_splits")[1:]
    retrained = effects[effects["effect"] == "retraining"]
    learned = retrained.assign(estimator="paired_learned", mean=0.2)
    effects = pd.concat([effects, learned]).assign(interval="unpaired image interval")
    text = methods_of({"splits": {"random": 4}}, (effects, boost.assign(n="3")))
    assert "changed its score by −0.01 percentage points" in text
    assert "bootstrap" not in text
    assert "With one replicate, no effect was judged." in text
    assert "was averaged over layer 3 by" in text


def test_a_run_writes_what_its_files_say(finished):
    text = (finished.results / "METHODS.md").read_text(encoding="utf-8")
    base = finished.network("baseA")
    metrics = json.loads((base / "metrics.json").read_text(encoding="utf-8"))
    with safetensors.safe_open(base / "weights.safetensors", framework="numpy") as opened:
        names = opened.keys()
        parameters = sum(prod(opened.get_slice(key).get_shape()) for key in names)
    seconds = pd.read_csv(finished.results / "tables" / "networks.csv")["seconds"].sum()
    for words in (
        "# Methods of the study tiny",
        f"{metrics['classes']} classes",
        f"{metrics['train_images']} ",
        f"{parameters:,} parameters",
        "In all, 14 networks were trained: 2 bases, one long base, one retrained base (B0B)"
        ", 2 selffer networks",
        "trained for 10 epochs",
        "in batches of 128 images",
        "Long bases were trained for 20 epochs",
        f"{seconds / 60:.1f} minutes",
        f"PyTorch {metrics['identity']['torch']}",
        "Percentile bootstraps had 2,000 resamples",
        "J. Yosinski, J. Clune, Y. Bengio and H. Lipson. How transferable are features in deep "
        "neural networks? Advances in Neural Information Processing Systems 27, 2014, pages "
        "3320–3328.",
        f"Version {VERSION}",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param(
            {"treatments": ["transfer"], "layers": [3], "controls": ["baseB", "B0B"]},
            [
                "In all, 3 networks were trained: 2 bases and one transfer network (AnB).",
                "The number n of layers was 3.",
                "at random: from the base of the other half in transfer networks (AnB).",
            ],
            id="few",
        ),
        pytest.param(
            {
                "splits": {"random": 2, "dissimilar": {"A": "closed", "B": "open"}},
                "seeds": [0, 1],
                "targets": ["A", "B"],
            },
            [
                "in 3 ways: at random (random0 and random1) and into dissimilar classes",
                "A held the classes called closed, and B those called open",
                "on both halves, A and B, with each of the seeds 0 and 1 on each split",
                "6 replicates",
            ],
            id="many",
        ),
        pytest.param(
            {
                "overrides": [
                    {
                        "where": {"n": [3, 4], "kind": "transfer", "fine_tuned": True},
                        "recipe": {"learning_rate": 0.01, "augment": [], "nesterov": False},
                    }
                ]
            },
            [
                "For networks with n 3 and 4, kind transfer and fine tuned true, the recipe "
                "differed: learning rate 0.01, augment none and nesterov false."
            ],
            id="overrides",
        ),
        pytest.param(
            {"search": {"copied_learning_rate": [0.1, 1]}, "layers": [1], "controls": ["B0B"]},
            [
                "trained with each of the copied learning rate 0.1 and 1; in each split and seed "
                "the one with the highest top-1 on one half"
            ],
            id="search",
        ),
        pytest.param(
            {"probes": {"images": 2000}},
            ["were scored on at most 2,000 training and as many validation images of the target"],
            id="probes",
        ),
        pytest.param(
            {"omit": [{"network": "A3B+"}], "target_sizes": ["all", 25, 1]},
            [
                "One network of this design was left out.",
                "They were also trained on 25 and 1 training images of each class",
            ],
            id="sizes",
        ),
        pytest.param(
            {"target_sizes": [25], "treatments": ["selffer"]},
            [
                "The half on which networks were trained held 5 classes and 222 validation images.",
                "They were trained on 25 training images of each class",
            ],
            id="without all images",
        ),
        pytest.param(
            {"treatments": ["selffer+"], "layers": [3]},
            ["In these fine-tuned networks, which have a + in their names, the copied layers were"],
            id="fine-tuned alone",
        ),
        pytest.param(
            {"target_sizes": [25], "treatments": ["transfer"]},
            # baseA alone was trained on all images.
            ["A half held 5 classes and 222 validation images."],
            id="all images of the source alone",
        ),
        pytest.param(
            {"layers": [0], "treatments": ["selffer"], "controls": ["baseB", "B0B"]},
            ["In all, 2 networks were trained: one base and one retrained base (B0B)."],
            id="retraining alone",
        ),
        pytest.param(
            {
                "recipe": {
                    **{"iterations": 2000, "evaluate_every": 2000, "optimizer": "adamw"},
                    **{"schedule": "step", "warmup": 0, "batch_size": 1, "weight_decay": 0},
                    **{
                        "augment": ["crop", "horizontal_flip"],
                        "crop": 8,
                        "normalise": "mean_image",
                    },
                    **{"bias_learning_rate": 2, "label_smoothing": 0.1},
                    **{"copied_learning_rate": 0.1, "layer_decay": 0.8, "probe_epochs": 2},
                }
            },
            [
                "trained for 2,000 iterations by AdamW with a first beta of 0.9, in batches of one "
                "image, with no weight decay.",
                "The learning rate started at 0.03, and then was multiplied by 0.1 after 50 % and "
                "75 % of the steps. The learning rate of biases was twice as high.",
                "The learning rate of copied layers that were trained was 0.1 times that of new "
                "layers. That of each copied layer was multiplied by 0.8 for each layer from it to "
                "the last one. In the first 2 epochs new layers were trained alone.",
                "a label smoothing of 0.1",
                "evaluated once",
                "Its input was 8 × 8 pixels, cropped from the stored images. The mean image",
                "augmented by random crops and random horizontal flips",
            ],
            id="recipe",
        ),
        pytest.param(
            {"architecture": {"name": "torchvision", "model": "resnet18"}, "layers": [1]},
            ["torchvision's resnet18", "10 layers", "11,179,077 parameters"],
            id="torchvision",
        ),
        pytest.param(
            {
                "dataset": {"source": "digits", "image_size": 32},
                "architecture": {
                    **{"name": "caffenet", "width": 0.125},
                    **{"stem": "small", "initialisation": "he"},
                },
            },
            [
                "CaffeNet, the network of the 2014 paper, at 0.125 times its width, with a first "
                "convolution for small images, initialised as in He et al. (2015)."
            ],
            id="caffenet",
        ),
        pytest.param(
            {"architecture": {"batch_norm": True, "dropout": 0.5}},
            [
                "with batch normalisation, with dropout of 50 % of the units, initialised as in He "
                "et al. (2015), but for weights of standard deviation 0.01 in the last layer.",
                "Gradients of a norm above 5 were scaled down to it.",
            ],
            id="dropout",
        ),
    ],
)
def test_it_tells_of_the_study_as_it_was(changes, told):
    text = written(changes)
    for words in told:
        assert words in text, text


def test_machines_and_interruptions():
    job = {**METRICS["job"], "restarts": 1, "ended": "2026-11-24T10:00:00+00:00"}
    changes = {"treatments": ["random"], "layers": [1], "controls": ["baseB", "B0B"]}
    text = written(changes, device="cuda NVIDIA H200", seconds=36000.0, job=job)
    assert "2 networks on a GPU of type NVIDIA H200 in bf16" in text
    assert "from 2026-11-23 to 2026-11-24, on one machine, in 20.0 hours of training" in text
    assert "2 trainings were interrupted and went on" in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, f"Its code was of commit {COMMIT}."),
        (
            {"commit": None, "changed_files": None},
            "Its code was of a commit that was not recorded.",
        ),
        (
            {"changed_files": ["config.yaml", "Snakefile"]},
            f"Its code was of commit {COMMIT}, with changes to config.yaml and Snakefile that had "
            "not been committed.",
        ),
        ({"changed_files": list("abcd")}, ", with changes to 4 files that had not been committed."),
    ],
)
def test_the_code_and_the_processor_are_told(changes, told):
    text = written({}, provenance={**METRICS["provenance"], **changes})
    assert told in text
    assert "on a CPU of type Intel Xeon Processor with one thread in bf16" in text
    assert "The networks were trained with Python 3.12.1 and PyTorch 2.11.0." in text


def test_metrics_that_are_missing_are_named(tmp_path):
    study = config.complete({"study": "made", "dataset": {"source": "digits"}})
    with pytest.raises(ValueError, match=r"baseA/metrics\.json: cannot be read"):
        methods.text(study, tmp_path, pd.DataFrame(), pd.DataFrame(), {})
