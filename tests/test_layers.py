"""The command `layers`: the layers at a study's n."""

import pytest
from torch import nn

from transferability.__main__ import main
from transferability.models import summary

STUDY = """
dataset: {source: digits, image_size: 16}
architecture: {name: small, channels: [4, 8, 8, 8, 8], units: [16, 12]}
layers: [0, 2]
"""


def test_the_layers_are_listed_with_the_study_s_n(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text(STUDY)
    assert main(["layers", str(tmp_path / "study.yaml")]) == 0
    heading, *lines, total, size, note = capsys.readouterr().out.splitlines()
    assert heading.split() == ["n", "layer", "parameters", "output", "operations", "made", "of"]
    assert [line.split()[0] for line in lines] == [str(n) for n in range(1, 9)]
    marked = [line.split()[0] for line in lines if " * " in line]
    assert marked == ["2"]
    conv1, fc8 = lines[0].split(), lines[-1].split()
    # 5 × 5 × 3 × 4 and 4 biases; 12 × 5 and 5, since a half has five digits.
    assert conv1[1:4] == ["conv1", "304", "4×8×8"]
    assert fc8[1:4] == ["fc8", "65", "5"]
    assert lines[0].endswith("Conv2d, MaxPool2d, ReLU")
    assert "16×16 pixels, 5 classes" in size
    assert "always new" in note
    assert int(total.split()[0].replace(",", "")) == sum(
        int(line.replace(" * ", "   ").split()[2].replace(",", "")) for line in lines
    )


def test_operations_are_shares_of_the_multiplications():
    layers = [("a", nn.Linear(8, 30)), ("b", nn.Sequential(nn.ReLU(), nn.Linear(30, 2)))]
    flat = [("flat", nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 8)))]
    lines = summary.table([*flat, *layers], 4, []).splitlines()
    # 48 × 8, 8 × 30 and 30 × 2 of 684.
    assert [line.split()[4] for line in lines[1:4]] == ["56.1%", "35.1%", "8.8%"]


def test_long_lines_are_shortened_and_parts_counted():
    layer = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(40)), nn.ReLU(), nn.SELU())
    line = summary.table([("a", layer)], 4, []).splitlines()[1]
    assert line.endswith("40 Conv2d, ReLU, SELU")
    named = summary.table([("a" * 120, nn.Conv2d(3, 3, 1))], 4, []).splitlines()
    assert max(map(len, named)) <= summary.WIDTH
    assert sum(line.count("a") for line in named[1:-1]) == 120


def test_layers_that_do_not_fit_are_an_error():
    layers = [("first", nn.Conv2d(3, 4, 3)), ("second", nn.Linear(5, 2))]
    with pytest.raises(ValueError, match=r"layer second: it cannot take 4×6×6"):
        summary.table(layers, 8, [])


def test_in_a_study_with_sources_all_classes_are_learned(tmp_path, capsys):
    source = "{T: {dataset: {source: digits, image_size: 16}}}"
    (tmp_path / "study.yaml").write_text(f"{STUDY}sources: {source}\n")
    assert main(["layers", str(tmp_path / "study.yaml")]) == 0
    assert "16×16 pixels, 10 classes" in capsys.readouterr().out
