"""From the folders of networks to tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_reports import METRICS

from transferability.analysis import collect as results
from transferability.cli.tables import TEXTS, read_table, write_table
from transferability.storage.network_folder import NetworkFolder
from transferability.study import config
from transferability.study.design import Study

STUDY = config.complete(
    {
        **{"study": "made", "dataset": {"source": "digits"}, "seeds": [0, 3]},
        "splits": {"random": 1, "dissimilar": {"A": "closed", "B": "open"}},
        **{"layers": [0, 3], "target_sizes": [20], "controls": ["baseB", "B0B"]},
        "treatments": ["transfer+", "random"],
    }
)
NAMES = ("baseA", "baseB@20", "B0B@20", "A3B+@20", "R3B@20")
SPLITS, SEEDS = ("random0", "dissimilar"), (0, 3)


def metrics(top1: float) -> dict:
    layers = ["conv1", "conv2", "conv3", "fc4", "fc5", "fc6"]
    return {**METRICS, "top1": top1, "layer_names": layers}


def history(top1: float, count: int = 12) -> list[dict]:
    """A history that improves until the last evaluation, which is the network's result."""
    values = [0.01 * (i + 1) for i in range(count - 1)] + [top1]
    return [{"epoch": i + 1, "top1": value, "loss": 1.0} for i, value in enumerate(values)]


def write(networks: Path, split: str, seed: int, name: str, top1: float) -> NetworkFolder:
    folder = NetworkFolder(networks / split / f"seed{seed}" / name)
    folder.write_metrics(metrics(top1))
    folder.write_history(history(top1))
    return folder


@pytest.fixture
def networks(tmp_path) -> Path:
    """The networks of a study, and some that the study no longer contains."""
    folder = tmp_path / "networks"
    named = [(split, seed, name) for split in SPLITS for seed in SEEDS for name in NAMES]
    others = [("random1", 0, "baseB"), ("random0", 7, "baseB"), ("random0", 0, "A1B")]
    for i, (split, seed, name) in enumerate(named + others):
        write(folder, split, seed, name, 0.001 * i)
    return folder


def collect(networks: Path, **changes: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    return results.collect(Study({**STUDY, **changes}), networks.parent)


def test_the_table_contains_exactly_the_named_networks(networks):
    table, evaluations = collect(networks)
    expected = [(split, seed, name) for split in SPLITS for seed in SEEDS for name in NAMES]
    key = ["split", "seed", "network"]
    assert list(table[key].itertuples(index=False, name=None)) == expected
    assert list(table.columns) == results.COLUMNS
    assert not table.isna().any().any()
    assert set(table["study"]) == set(evaluations["study"]) == {"made"}
    assert list(evaluations[key].drop_duplicates().itertuples(index=False, name=None)) == expected
    assert len(evaluations) == 12 * len(expected)
    layers = dict(zip(table["network"], table["layer"], strict=True))
    assert layers == {**dict.fromkeys(NAMES[:3], ""), "A3B+@20": "conv3", "R3B@20": "conv3"}


def test_a_row_agrees_with_the_name_and_the_metrics(networks):
    table, _ = collect(networks)
    row = table.set_index(["split", "seed", "network"]).loc["dissimilar", 3, "A3B+@20"]
    facts = ["kind", "source", "target", "target_size", "n", "layer", "fine_tuned"]
    assert row[facts].tolist() == ["transfer", "A", "B", "20", 3, "conv3", True]
    assert row["top1"] == pytest.approx(0.018)
    for key, value in metrics(row["top1"]).items():
        if key in results.COLUMNS:
            assert row[key] == value


def test_the_paper_s_score_is_the_mean_of_the_ten_best_evaluations(networks):
    final, _ = collect(networks)
    best, evaluations = collect(networks, score="mean_of_10_best")
    of_one = evaluations.query("split == 'random0' and seed == 0 and network == 'baseB@20'")["top1"]
    assert len(of_one) == 12
    expected = of_one.nlargest(10).mean()
    assert best.loc[1, "network"] == "baseB@20"
    assert best.loc[1, "top1"] == pytest.approx(expected)
    # The last evaluation is not one of the ten best.
    assert expected == pytest.approx(np.mean([0.01 * i for i in range(2, 12)]))
    others = [column for column in results.COLUMNS if column != "top1"]
    pd.testing.assert_frame_equal(final[others], best[others])


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *(("metrics", None), ("metrics", ""), ("metrics", "{"), ("metrics", '{"top5": 0.9}')),
        *(("history", None), ("history", ""), ("history", "{")),
    ],
)
def test_a_missing_or_broken_file_is_an_error(networks, file, content):
    folder = NetworkFolder(networks / "random0" / "seed3" / "R3B@20")
    path = getattr(folder, file)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    words = rf"{folder.path}.*(delete the folder and run again|train the network first)"
    with pytest.raises(ValueError, match=words):
        collect(networks)


LABELS = np.array([0, 0, 3, 3, 5, 5, 6, 6], dtype=np.int32)
ROW = pd.Series({"split": "random0", "seed": 3, "network": "A3B+@20"})


def test_correctness_is_in_store_order_of_the_target_half(networks):
    folder = NetworkFolder(networks / "random0" / "seed3" / "A3B+@20")
    # Classes 3 and 6 are in the half; class 0 is a class too, so only -1 means "not predicted".
    folder.write_predictions(np.array([-1, -1, 3, 6, -1, -1, 3, 6]))
    correct = results.correctness(networks, LABELS)(ROW)
    assert correct.tolist() == [1, 0, 0, 1]
    folder.write_predictions(np.array([0, 3, 3, 0, -1, -1, -1, -1]))
    assert results.correctness(networks, LABELS)(ROW).tolist() == [1, 0, 1, 0]


def test_predictions_of_another_store_are_refused(networks):
    folder = NetworkFolder(networks / "random0" / "seed3" / "A3B+@20")
    folder.write_predictions(np.array([-1, -1, 3]))
    with pytest.raises(
        ValueError, match=r"3 predictions for 8 validation images; delete"
    ) as caught:
        results.correctness(networks, LABELS)(ROW)
    assert str(folder.path) in str(caught.value)


def test_an_omitted_network_has_a_row_without_numbers(networks):
    complete, all_evaluations = collect(networks)
    for file in (networks / "random0" / "seed3" / "A3B+@20").iterdir():
        file.unlink()
    table, evaluations = collect(
        networks, omit=[{"split": "random0", "seed": 3, "network": "A3B+@20"}]
    )
    key = ["split", "seed", "network"]
    row = table.set_index(key).loc["random0", 3, "A3B+@20"]
    assert row[results.MEASURED].isna().all()
    facts = ["study", "kind", "source", "target", "target_size", "n", "layer", "fine_tuned"]
    assert row[facts].tolist() == ["made", "transfer", "A", "B", "20", 3, "conv3", True]
    others = table["top1"].notna()
    assert others.sum() == len(complete) - 1
    pd.testing.assert_frame_equal(table[others], complete[others], check_dtype=False)
    left = all_evaluations.set_index(key).drop(index=("random0", 3, "A3B+@20"))
    pd.testing.assert_frame_equal(evaluations.set_index(key), left)
    # Counts stay whole numbers even if a cell is empty.
    assert ",222," in table.to_csv(index=False)
    assert ",222.0," not in table.to_csv(index=False)


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None", "1e5", "007", "True", "2024-05-01"])
def test_a_name_stays_the_same_when_written_and_read(tmp_path, name):
    table = pd.DataFrame({column: [name, ""] for column in TEXTS}).assign(top1=[0.5, None])
    write_table(table, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv"), table)
