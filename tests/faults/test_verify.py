"""`python -m transferability verify`: intact results pass, and every change is named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from project import ROOT, program
from verdicts import flipped, verified

from transferability.__main__ import main
from transferability.storage import checkpoint

NETWORKS = {"baseA", "baseB", "base2B", "B0B"} | {
    f"{source}{n}B{plus}" for n in (3, 7) for source in "AB" for plus in ("", "+")
}
NETWORKS |= {"R3B", "R7B"}


def test_a_finished_study_is_good_without_snakemake(finished):
    elsewhere = {"cwd": finished.folder, "env": {"PYTHONPATH": str(ROOT / "workflow")}}
    run = program("verify", "results/tiny", **elsewhere)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    rows = {line.split()[0]: line for line in run.stdout.splitlines()[1:]}
    store = next((finished.folder / "images").glob("digits-*")).name
    assert rows.keys() == {f"images/{store}", *(f"random0/seed0/{name}" for name in NETWORKS)}
    assert all(row.endswith(" good") for row in rows.values())
    assert "recipe, inputs, history, predictions, weights " in rows["random0/seed0/baseA"]
    assert "history, predictions " in rows["random0/seed0/A3B+"]


def edited(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        change(metrics)
        path.write_text(json.dumps(metrics), encoding="utf-8")

    return edit


def identity(**changes: object) -> Callable[[Path], None]:
    """An identity with other values; a dict changes single values of a section."""

    def change(metrics: dict) -> None:
        for key, value in changes.items():
            old = metrics["identity"][key]
            metrics["identity"][key] = {**old, **value} if isinstance(value, dict) else value

    return edited(change)


def without_a_line(path: Path) -> None:
    path.write_text(path.read_text().split("\n", 1)[1])


def other_weights(path: Path) -> None:
    """Write intact weights for the same network, but not those that were trained."""
    tensors, header, _ = checkpoint.load(path)
    checkpoint.save(path, {name: tensor + 1 for name, tensor in tensors.items()}, header)


def other_predictions(path: Path) -> None:
    np.save(path, np.roll(np.load(path), 1))


CHANGES = [
    ("A3B/predictions.npy", flipped, "predictions.npy: its checksum does not match"),
    ("A3B/predictions.npy", other_predictions, "predictions.npy: not the predictions"),
    ("A3B/predictions.npy", Path.unlink, "predictions.npy"),
    ("A3B/history.jsonl", flipped, "history.jsonl: "),
    ("A3B/history.jsonl", without_a_line, "history.jsonl: 9 evaluations, but the recipe has 10"),
    ("baseA/weights.safetensors", flipped, "weights.safetensors: checksum"),
    ("baseA/weights.safetensors", Path.unlink, "weights.safetensors: cannot be read"),
    ("baseA/weights.safetensors", other_weights, "weights.safetensors: not the weights"),
    ("A3B/metrics.json", lambda path: path.write_text("{"), "metrics.json: cannot be read"),
    ("A3B/metrics.json", edited(lambda m: m.pop("identity")), "'identity'"),
    ("A3B/metrics.json", edited(lambda m: m["identity"].pop("recipe")), "'recipe'"),
    ("A3B/metrics.json", edited(lambda m: m.update(top1=0.99)), "metrics.json: top1"),
    ("A3B/metrics.json", edited(lambda m: m.update(identity=[])), "metrics.json: its content is"),
    ("A3B/metrics.json", identity(copied=2), "metrics.json: has another copied than its"),
    ("A3B/metrics.json", identity(network="A7B", copied=7), "has another network, copied than its"),
    ("A3B/metrics.json", identity(base_sha256="0"), "baseA/weights.safetensors: not the weights"),
    ("A3B/metrics.json", identity(recipe={"learning_rate": 9.0}), "has another recipe than "),
    ("A3B/metrics.json", identity(architecture={"units": [7]}), "has another architecture than "),
    ("A3B/../../../../splits/random0.csv", flipped, "random0.csv: not the split that the network"),
]


@pytest.mark.parametrize(("file", "change", "named"), CHANGES)
def test_a_changed_file_is_named(project, capsys, caplog, file, change, named):
    network = f"random0/seed0/{file.split('/')[0]}"
    change(project.results / "networks/random0/seed0" / file)
    status, verdicts, log = verified(project.results, capsys, caplog)
    assert status == 1
    assert named in verdicts[network]
    assert "delete the folders of the networks" in log
    if "splits" not in file:
        assert {verdicts[other] for other in verdicts.keys() - {network}} == {"good"}


def test_a_changed_store_is_named(project, capsys, caplog):
    (images,) = (project.folder / "images").glob("digits-*")
    flipped(images / "validation.images.npy")
    status, verdicts, _ = verified(project.results, capsys, caplog)
    assert status == 1
    assert f"{images / 'validation.images.npy'} " in verdicts[f"images/{images.name}"]


def test_results_without_images_are_compared_with_other_files(project, capsys, caplog):
    (project.folder / "images").rename(project.folder / "elsewhere")
    status, verdicts, _ = verified(project.results, capsys, caplog)
    assert status == 0
    assert set(verdicts.values()) == {"good", "not found, so not compared"}


def test_an_unfinished_network_is_not_an_error(project, capsys, caplog):
    (project.network("R3B") / "metrics.json").unlink()
    status, verdicts, _ = verified(project.results, capsys, caplog)
    assert status == 0
    assert verdicts["random0/seed0/R3B"] == "not finished"


def test_a_folder_without_a_study_is_refused(tmp_path, caplog):
    assert main(["verify", str(tmp_path)]) == 1
    assert f"{tmp_path}: contains no networks; expected a folder results/<study>" in caplog.text
