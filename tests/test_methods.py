"""METHODS.md agrees with the files and is correct English."""

import json
from math import prod

import pandas as pd
import pytest
import safetensors
import yaml
from made_reports import GOLDEN, methods_changes, methods_of, tables
from project import ROOT

from transferability.reports import methods
from transferability.study import config

VERSION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]


def test_the_sentences_of_a_change_agree_with_the_golden_file():
    expected = (GOLDEN / "methods_changes.md").read_text(encoding="utf-8")
    assert methods_changes() == expected


def test_methods_does_not_mention_what_was_not_done():
    """One effect has two estimates; no bootstrap ran; Table 1 has one n."""
    effects, boost = tables("four_splits")[1:]
    retrained = effects[effects["effect"] == "retraining"]
    learned = retrained.assign(estimator="paired_learned", mean=0.2)
    effects = pd.concat([effects, learned]).assign(interval="unpaired image interval")
    text = methods_of({"splits": {"random": 4}}, (effects, boost.assign(n="3")))
    assert "changed its score by −0.01 percentage points" in text
    assert "bootstrap" not in text
    assert "With one replicate, no effect was tested for significance." in text
    assert "was averaged over layer 3 by" in text


def test_the_methods_of_a_run_agree_with_its_files(finished):
    text = (finished.results / "METHODS.md").read_text(encoding="utf-8")
    base = finished.network("baseA")
    metrics = json.loads((base / "metrics.json").read_text(encoding="utf-8"))
    with safetensors.safe_open(base / "weights.safetensors", framework="numpy") as opened:
        names = opened.keys()
        parameters = sum(prod(opened.get_slice(key).get_shape()) for key in names)
    seconds = pd.read_csv(finished.results / "tables" / "networks.csv")["seconds"].sum()
    for words in (
        f"{metrics['classes']} classes",
        f"{metrics['train_images']} ",
        f"{parameters:,} parameters",
        "In all, 14 networks were trained",
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


def test_missing_metrics_are_an_error(tmp_path):
    study = config.complete({"study": "made", "dataset": {"source": "digits"}})
    with pytest.raises(ValueError, match=r"baseA/metrics\.json: cannot be read"):
        methods.text(study, tmp_path, pd.DataFrame(), pd.DataFrame(), {})
