"""The pages of results: their archives verify and reproduce the numbers of the pages."""

import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from project import ROOT

from transferability.__main__ import main
from transferability.analysis.vocabulary import bracket, points

PAGES = ROOT / "docs" / "results"
# Each network with its target half.
EFFECTS = {
    "AnB+ − baseB": ("boost", "B"),
    "AnB+ − BnB+": ("boost_over_selffer", "B"),
    "AnB+ − base2B": ("gain_over_long", "B"),
    "BnB − baseB": ("coadaptation", "B"),
    "BnB+ − BnB": ("recovery", "B"),
    "AnB − BnB": ("specificity", "B"),
    "BnA − AnA": ("specificity", "A"),
    "FnB − baseB": ("transfer", "B"),
    "TnB − baseB": ("transfer", "B"),
    "RnB − baseB": ("random", "B"),
    "A7fnB − A7f0B": ("freeze_cost", "B"),
    "A7B+ − sA7B+": ("reuse", "B"),
    "A7B+ − baseB": ("boost", "B"),
}
TABLE = r"^\| `{}`.*\| n = (.*) \|\n.*\n((?:\|.*\n)+)"
ROW = r"^\| (.*?) \| (.*) \|$"


def tables(name: str) -> list[tuple[str, str]]:
    """The n and the rows of an archive's tables, from all pages."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES.glob("*.md")]
    return re.findall(TABLE.format(name), "\n".join(texts), re.MULTILINE)


@pytest.mark.full
@pytest.mark.parametrize("archive", sorted(PAGES.glob("*.zip")), ids=lambda path: path.stem)
def test_an_archive_verifies_and_gives_the_numbers_of_its_page(archive, tmp_path):
    assert archive.stat().st_size < 1e6
    assert main(["verify", str(archive)]) == 0
    drawn = tmp_path / "drawn"
    assert main(["figures", str(archive), "--to", str(drawn)]) == 0
    assert (drawn / "figures" / "transfer.png").is_file()
    found = pd.read_csv(drawn / "tables" / "effects.csv", dtype={"target_size": str})
    found = found.set_index(["effect", "target", "target_size", "n"])
    ((numbers, rows),) = tables(archive.stem)
    for title, cells in re.findall(ROW, rows, re.MULTILINE):
        name, _, size = title.partition(", ")
        # A study with one size does not name it.
        size = size.removesuffix(" images") or found.index.unique("target_size").item()
        expected = found.loc[[(*EFFECTS[name], size, int(n)) for n in numbers.split(" | ")]]
        said = [f"{points(row.mean)} {bracket(row.low, row.high)}" for row in expected.itertuples()]
        assert cells.split(" | ") == said


def test_each_table_comes_from_an_archive():
    assert len(tables(r"\w+")) == len([*PAGES.glob("*.zip")])


@pytest.mark.full
def test_the_leads_over_depth_come_from_the_archives(tmp_path):
    text = (PAGES / "predictors.md").read_text(encoding="utf-8")
    head, rows = re.search(
        r"^\| lead over depth \| (.*) \|\n.*\n((?:\|.*\n)+)", text, re.M
    ).groups()
    studies = re.findall(r"`(\w+)`", head)
    archives = [str(PAGES / f"{study}.zip") for study in studies]
    assert main(["compare", *archives, "--to", str(tmp_path)]) == 0
    found = pd.read_csv(tmp_path / "predictors.csv").set_index(["effect", "over", "predictor"])
    for name, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", rows, re.MULTILINE):
        leads = found.loc["transfer", "layers", name].set_index("study").loc[studies]
        said = [
            f"{row.lead:.2f} [{row.lead_low:.2f}, {row.lead_high:.2f}]".replace("-", "−")
            for row in leads.itertuples()
        ]
        assert cells.split(" | ") == said
    for score, name in {"linear_probe": "linear probe", "knn": "kNN", "cka": "CKA"}.items():
        (row,) = found.loc[[("transfer", "sources", score)]].itertuples()
        said = f"{row.correlation:z.2f} [{row.low:.2f}, {row.high:.2f}]".replace("-", "−")
        assert f"{name} {said}" in " ".join(text.split())


@pytest.mark.full
def test_the_results_of_one_learning_rate_come_from_the_archives(tmp_path):
    text = (PAGES / "how-many-layers.md").read_text(encoding="utf-8")
    printed = ""
    for name in ("how_many_layers", "how_many_layers_of_many"):
        shutil.unpack_archive(PAGES / f"{name}.zip", tmp_path)
        command = [sys.executable, "benchmarks/one_rate.py", str(tmp_path / name)]
        printed += subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    rows = re.findall(r"^\| (?:\d+|all) \| .*\|$", text, re.MULTILINE)
    assert len(rows) == 8
    for row in rows:
        assert row.replace("−", "-") in printed
