"""The effects of several studies in one table and one figure."""

import numpy as np
import pandas as pd
from drawn_figures import bars, line, titles
from made_networks import networks

from transferability import figures
from transferability.__main__ import main
from transferability.analysis.effects import estimate
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


def test_depth_is_a_share_where_networks_have_other_numbers_of_layers():
    alike = pd.concat([effects("small", 8, layers=(1, 7)), effects("large", 8, layers=(1, 7))])
    for layers, expected in ((8, [1, 7]), (16, [1 / 8, 7 / 8])):
        table = alike.assign(layers=np.where(alike["study"] == "large", layers, 8))
        axes = figures.compare(table).axes[0]
        # Lines stand a little beside each other.
        assert np.allclose(places(axes, "small"), expected, atol=0.2 * expected[0])


def test_the_command_gathers_finished_studies(tmp_path):
    folders = []
    for name, layers in (("one", [0, 3]), ("two", [0, 5])):
        folder = tmp_path / "results" / name
        config.write(config.complete({"study": name, "layers": layers}), folder / "study.yaml")
        (folder / "tables").mkdir()
        made = effects(name, 8, layers=tuple(layers)).drop(columns="layers")
        made.to_csv(folder / "tables" / "effects.csv", index=False)
        folders.append(str(folder))
    to = tmp_path / "results" / "compare"
    assert main(["compare", *folders, "--to", str(to)]) == 0
    table = pd.read_csv(to / "effects.csv")
    assert set(table["study"]) == {"one", "two"}
    assert set(table["layers"]) == {8}
    assert (to / "effects.svg").is_file()


def test_a_study_that_is_not_finished_is_named(tmp_path, caplog):
    config.write(config.complete({"study": "begun"}), tmp_path / "begun" / "study.yaml")
    for given, told in {
        ("none",): f"none is no study that was started; studies in {tmp_path}: begun",
        ("begun",): "begun/tables/effects.csv: is not there; run the study begun to its end first",
        (): "no study is named; name folders of finished studies",
    }.items():
        folders = [str(tmp_path / name) for name in given]
        assert main(["compare", *folders, "--to", str(tmp_path / "to")]) == 1
        assert told in caplog.text
