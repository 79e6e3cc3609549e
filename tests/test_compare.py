"""The effects of several studies in one table and one figure."""

import numpy as np
import pandas as pd
import pytest
from drawn_figures import bars, line, titles
from made_networks import FROZEN, SCORES, networks, of, probed

from transferability import figures
from transferability.__main__ import main
from transferability.analysis import predictors
from transferability.analysis.effects import estimate
from transferability.cli.tables import read_table
from transferability.study import config

SPLITS = ("random0", "random1", "random2")


def effects(name: str, count: int, **made: object) -> pd.DataFrame:
    table = estimate(networks(splits=SPLITS, noise=0.004, **made))
    return table.assign(study=name, layers=count)


def places(axes, label: str) -> np.ndarray:
    (drawn,) = [drawn for drawn in axes.containers if drawn.get_label() == label]
    return np.asarray(drawn.lines[0].get_xdata(), dtype=float)


def test_each_study_is_a_line_and_each_effect_a_panel():
    small, large = effects("small", 8, layers=(0, 1, 7)), effects("large", 8, layers=(0, 1, 5))
    figure = figures.compare(pd.concat([small, large]))
    names = titles(figure)
    assert {"A$n$B − baseB", "A$n$B − B$n$B", "B$n$B − baseB"} <= set(names)
    axes = figure.axes[names.index("A$n$B − B$n$B")]
    for table in (small, large):
        rows = table[table["effect"] == "specificity"]
        drawn = line(axes, rows["study"].iloc[0])
        assert np.allclose(drawn, 100 * rows["mean"])
    assert len(bars(axes)) == 4


def test_depth_is_a_share_if_numbers_of_layers_differ():
    alike = pd.concat([effects("small", 8, layers=(1, 7)), effects("large", 8, layers=(1, 7))])
    for layers, expected in ((8, [1, 7]), (16, [1 / 8, 7 / 8])):
        table = alike.assign(layers=np.where(alike["study"] == "large", layers, 8))
        axes = figures.compare(table).axes[0]
        # Lines are slightly shifted so that they do not overlap.
        assert np.allclose(places(axes, "small"), expected, atol=0.2 * expected[0])


def test_the_command_gathers_finished_studies_and_their_predictors(tmp_path, caplog):
    """Three studies have the same images, one has others."""
    folders, made = [], {}
    for k, name in enumerate(("one", "two", "three", "elsewhere")):
        folder = tmp_path / name
        dataset = {"source": "glyphs", "classes": 40 if name == "elsewhere" else 60}
        settings = {"study": name, "dataset": dataset, "probes": {"images": 500}}
        config.write(config.complete(settings), folder / "study.yaml")
        table = networks(splits=SPLITS, noise=0.004, treatments=FROZEN)
        table["top1"] -= 0.02 * k * (table["kind"] == "transfer")
        scores = probed(table, **{score: SCORES[score] for score in ("knn", "logme")})
        made[name] = scores.assign(study=name), table.assign(study=name)
        tables = {
            "networks": made[name][1],
            "probes": made[name][0],
            "effects": estimate(made[name][1]),
            "predictors": predictors.predictors(*made[name]),
        }
        (folder / "tables").mkdir()
        for file, of_study in tables.items():
            of_study.to_csv(folder / "tables" / f"{file}.csv", index=False)
        folders.append(str(folder))
    to = tmp_path / "compare"
    assert main(["compare", *folders, folders[0], "--to", str(to)]) == 1
    assert "two studies are called one" in caplog.text
    assert main(["compare", *folders, "--to", str(to)]) == 0
    table = read_table(to / "effects.csv")
    assert set(table["study"]) == {*made}
    assert set(table["layers"]) == {"8"}
    assert (to / "effects.svg").is_file()
    found = read_table(to / "predictors.csv")
    assert set(found["study"]) == {*made, "one and two and three"}
    over = of(found, study="one and two and three", effect="transfer").set_index("predictor")
    assert set(over["over"]) == {"sources"}
    assert over["correlation"].to_dict() == pytest.approx({"knn": 1, "logme": -1})
    assert set(over["compared"]) == {3}
    assert set(over["replicates"]) == {3}
    figure = figures.predictors(found)
    assert [part.get_suptitle() for part in figure.subfigs] == list(made)


def test_an_unfinished_study_is_an_error(tmp_path, caplog):
    config.write(config.complete({"study": "begun"}), tmp_path / "begun" / "study.yaml")
    for given, told in {
        ("none",): f"none is not a study that was started; studies in {tmp_path}: begun",
        ("begun",): "begun/tables/effects.csv: does not exist; run the study begun to its end",
        (): "no study is given; give folders of finished studies",
    }.items():
        folders = [str(tmp_path / name) for name in given]
        assert main(["compare", *folders, "--to", str(tmp_path / "to")]) == 1
        assert told in caplog.text
