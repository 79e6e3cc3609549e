"""Findings, METHODS and figures of made-up studies, as in tests/golden. After an intended change,
this command writes them again and shows the differences:

uv run python tests/made_reports.py && git diff tests/golden
"""

import json
import platform
import re
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from unittest import mock

import made_networks
import pandas as pd
from drawn_figures import CASES, drawn

from transferability import images
from transferability.analysis import boost, decision, effects
from transferability.cli.tables import read_table, write_table
from transferability.reports import findings, methods
from transferability.storage.network_folder import MEASURED, NetworkFolder
from transferability.study import config

MARGIN = 0.01
GOLDEN = Path(__file__).parent / "golden"
CITATION = {
    "title": "transferability",
    "version": "1.0",
    "authors": [{"name": "Authors"}],
}
LAYERS = ["", "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
METRICS = {
    **{key: k for k, key in enumerate(MEASURED, 1)},
    "layer_names": [],
    **{"classes": 5, "train_images": 667, "validation_images": 222, "seconds": 36.0},
    **{"chance": 0.2, "learned": True, "threads": 1},
    **{"device": "cpu", "precision": "bf16", "identity": {"torch": "2.11.0"}},
    "job": {
        **{"host": "vm", "restarts": 0},
        **{"started": "2026-11-23T10:00:00+00:00", "ended": "2026-11-23T10:01:00+00:00"},
    },
    "provenance": {
        **{"versions": {"python": "3.12.1"}, "processor": "Intel(R) Xeon(R) Processor"},
        **{"commit": "0123456789" * 4, "changed_files": []},
    },
}
FAILED = ("baseA", "A5B", "A6B", "A7B")


def _networks(*failed: str, **made: object) -> pd.DataFrame:
    make = made_networks.of_sources if "letters" in made else made_networks.networks
    table = make(noise=0.004, **made)
    lost = table["network"].isin(failed) & (table["split"] == "random1")
    table["top1"] = table["top1"].mask(lost, 0.02)
    layer = table["n"].map(dict(enumerate(LAYERS)))
    return table.assign(layer=layer, chance=0.02, learned=~lost)


DECLARED = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "image_size": 16}
TRANSFERS = [("transfer", False), ("transfer", True)]
# For each study: changes of the default, its networks, and the correctness of predictions.
STUDIES = {
    "four_splits": ({"splits": {"random": 4}}, {"splits": made_networks.FOUR_SPLITS}, None),
    "one_replicate": ({"targets": ["A", "B"]}, {"targets": "AB"}, made_networks.correctness),
    "not_learned": ({"splits": {"random": 4}}, {"splits": made_networks.FOUR_SPLITS}, None),
    "source": (
        {
            "sources": {"P": {**DECLARED, "weights": "checkpoints/p.safetensors"}},
            "seeds": [0, 1, 2, 3, 4, 5],
            "treatments": ["transfer", "transfer+", "shuffled+", "partial"],
        },
        {
            "letters": "P",
            "seeds": range(6),
            "treatments": [*TRANSFERS, ("shuffled", True), ("partial", False)],
        },
        None,
    ),
}
# Studies whose METHODS differ from that of the default study in some sentences, and the metrics of
# their networks. "images of baseA alone" has no network of B that saw all images.
CHANGES = {
    "few": {"treatments": ["transfer"], "layers": [3], "controls": ["baseB", "B0B"]},
    "many": {
        "splits": {"random": 2, "dissimilar": {"A": "closed", "B": "open"}},
        **{"seeds": [0, 1], "targets": ["A", "B"]},
    },
    "overrides": {
        "overrides": [
            {
                "where": {"n": [3, 4], "kind": "transfer", "fine_tuned": True},
                "recipe": {"learning_rate": 0.01, "augment": [], "nesterov": False},
            }
        ]
    },
    "search": {"search": {"copied_learning_rate": [0.1, 1]}, "layers": [1], "controls": ["B0B"]},
    "probes": {"probes": {"images": 2000}},
    "sizes": {"omit": [{"network": "A3B+"}], "target_sizes": ["all", 25, 1]},
    "without all images": {"target_sizes": [25], "treatments": ["selffer"]},
    "images of baseA alone": {"target_sizes": [25], "treatments": ["transfer"]},
    "fine-tuned alone": {"treatments": ["selffer+"], "layers": [3]},
    "retraining alone": {"layers": [0], "treatments": ["selffer"], "controls": ["baseB", "B0B"]},
    "random alone": {"treatments": ["random"], "layers": [1], "controls": ["baseB", "B0B"]},
    "recipe": {
        "recipe": {
            **{"iterations": 2000, "evaluate_every": 2000, "optimizer": "adamw", "batch_size": 1},
            **{"schedule": "step", "warmup": 0, "weight_decay": 0, "bias_learning_rate": 2},
            **{"augment": ["crop", "horizontal_flip"], "crop": 8, "normalise": "mean_image"},
            **{"copied_learning_rate": 0.1, "layer_decay": 0.8, "probe_epochs": 2},
            **{"label_smoothing": 0.1},
        }
    },
    "torchvision": {"architecture": {"name": "torchvision", "model": "resnet18"}, "layers": [1]},
    "caffenet": {
        "dataset": {"source": "digits", "image_size": 32},
        "architecture": {
            **{"name": "caffenet", "width": 0.125, "stem": "small", "initialisation": "he"}
        },
    },
    "dropout": {"architecture": {"batch_norm": True, "dropout": 0.5}},
    "folder": {"dataset": {"source": "folder", "path": "photos", "image_size": 16}},
}
LEFT = {
    "few": {"shuffled_validation": True},
    "probes": {"provenance": METRICS["provenance"] | {"commit": None, "changed_files": None}},
    "fine-tuned alone": {
        "provenance": METRICS["provenance"] | {"changed_files": ["config.yaml", "Snakefile"]}
    },
    "retraining alone": {"provenance": METRICS["provenance"] | {"changed_files": list("abcd")}},
    "random alone": {
        **{"device": "cuda NVIDIA H200", "seconds": 36000.0},
        "job": {**METRICS["job"], "restarts": 1, "ended": "2026-11-24T10:00:00+00:00"},
    },
    "folder": {
        "manifest": {
            "left_out": {"files": [["a/1.heic", ".heic is not read"]]},
            "duplicates": {"validation_in_train": [["val/a/1.png", "train/a/1.png"]]},
        }
    },
}
SENTENCE_ENDS = re.compile(r"(?<=[a-z)%\d]\.) (?=[A-Z])|\n+")


def tables(study: str) -> list[pd.DataFrame]:
    """The networks, effects and boost of a study as read from CSV and, if it has partial networks,
    the decision."""
    return [table.copy() for table in _estimated(study)]


@cache
def _estimated(study: str) -> list[pd.DataFrame]:
    _, made, correct = STUDIES[study]
    networks = _networks(*(FAILED if study == "not_learned" else ()), **made)
    written = [networks, effects.estimate(networks, correct), boost.boost(networks, correct)]
    if "partial" in set(networks["kind"]):
        written.append(decision.decision(networks, MARGIN))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "table.csv")
        return [write_table(table, file) or read_table(file) for table in written]


def page(study: str) -> str:
    """The findings page of a study, from its first heading."""
    networks, estimated, boosts, *decided = tables(study)
    html = findings.page(networks, estimated, boosts, MARGIN, *decided)
    return html[html.index("<main>") :]


def methods_of(
    changes: dict,
    estimated: tuple[pd.DataFrame, pd.DataFrame],
    failed: tuple[str, ...] = (),
    manifest: dict | None = None,
    **metrics: object,
) -> str:
    """METHODS of a study of digits with these changes, these metrics of its networks and this
    manifest of its image store."""
    digits = {"study": "made", "dataset": {"source": "digits", "image_size": 16}}
    study = config.complete({**digits, **changes})
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(platform, "python_version", return_value="3.12.1"),
        mock.patch.object(metadata, "version", return_value="1.0"),
    ):
        results = Path(folder, "results", "made")
        if manifest:
            store = Path(folder, "images", images.store_name(study["dataset"]))
            store.mkdir(parents=True)
            manifest = {"settings": study["dataset"], **manifest}
            (store / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        for letter in study["sources"]:
            source = NetworkFolder(results / "sources" / letter)
            sha256 = "0123456789abcdef" * 4
            source.write_metrics(
                {"origin": {}, "source_id": sha256, "weights_sha256": "", "layer_names": []}
            )
        for split, seed, name in study.trained:
            network = NetworkFolder(Path(results, "networks", split, f"seed{seed}", name))
            learned = (split, name) not in {("random1", name) for name in failed}
            network.write_metrics({**METRICS, "learned": learned, **metrics})
        return methods.text(study, results, *estimated, CITATION)


def written(study: str) -> dict[str, str]:
    """The reports of a study, by the name of their golden file."""
    failed = FAILED if study == "not_learned" else ()
    return {
        f"{study}.html": page(study),
        f"{study}.md": methods_of(STUDIES[study][0], tables(study)[1:3], failed),
    }


def check_form(text: str) -> None:
    """Assert that a METHODS.md has no mistakes of form."""
    assert not re.search(r"[{}]|\bNone\b|  |\bnan\b|_(?!\d|holm|duplicate)", text), text
    assert not re.search(r"\b(one|1) (\w+ )?\w+(networks|bases|images|epochs|seeds)\b", text), text
    assert not re.search(r"epoches|classs|batchs|\b1 (network|base|epoch|image)\b", text), text
    for paragraph in text.split("\n\n"):
        assert paragraph.startswith("#") or paragraph.rstrip().endswith("."), paragraph


def methods_changes() -> str:
    """For each study of CHANGES, the sentences of METHODS that the default study does not have."""
    sentences = {}
    for name, changes in {"default": {}, **CHANGES}.items():
        text = methods_of(changes, tables("one_replicate")[1:], **LEFT.get(name, {}))
        check_form(text)
        sentences[name] = SENTENCE_ENDS.split(text)
    default = {*sentences.pop("default")}
    paragraphs = [
        "\n".join([f"## {name}", *(sentence for sentence in found if sentence not in default)])
        for name, found in sentences.items()
    ]
    return "\n\n".join(paragraphs) + "\n"


if __name__ == "__main__":
    texts = {f"figures/{name}.txt": drawn(name) for name in CASES}
    texts["methods_changes.md"] = methods_changes()
    for study in STUDIES:
        texts |= written(study)
    for name, text in texts.items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
