"""Findings and METHODS of made-up studies agree with tests/golden, which `uv run python
tests/made_reports.py` writes again; properties in no golden file; and tables as pages."""

import re

import numpy as np
import pandas as pd
import pytest
from made_reports import GOLDEN, MARGIN, STUDIES, tables, written

from transferability.analysis.equivalence import replicates_needed, transferred
from transferability.analysis.intervals import mean_over_replicates
from transferability.analysis.vocabulary import layers, listed, points
from transferability.reports import findings
from transferability.reports.tables import MOST_ROWS, page


@pytest.mark.parametrize("study", STUDIES)
def test_reports_agree_with_their_golden_files(study):
    for name, text in written(study).items():
        assert text == (GOLDEN / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("study", STUDIES)
def test_the_page_is_self_contained(study):
    networks, effects, boost, *_ = tables(study)
    name = '<script>alert("a & b")</script>'
    named = [table.assign(study=name) for table in (networks, effects, boost)]
    html = findings.page(*named, 0.01)
    assert html.startswith("<!DOCTYPE html>")
    assert not re.search(r"http|url\(|@import|<(?:script|link|img|iframe)\b|\bnan\b", html)
    ids = re.findall(r'id="([^"]*)"', html)
    assert len(ids) == len(set(ids))


def test_a_useless_interval_is_not_in_the_headline():
    networks, effects, boosts = tables("four_splits")
    wide = effects["effect"] == "transfer"
    effects.loc[wide, ["low", "high", "lower"]] = -2.077, 2.052, -1.038
    html = findings.page(networks, effects, boosts, MARGIN)
    short = html[html.index("<h2>In short") : html.index("</section>")]
    assert "4 splits are too few to tell how exact this is" in short
    assert "207.7" not in short
    assert "103.8" not in short


def test_a_study_without_effects_says_so():
    networks, effects, boost = tables("one_replicate")
    assert "No two networks" in findings.page(networks, effects[:0], boost[:0], 0.01)


def test_tables_of_several_studies_are_refused():
    networks, effects, boost = tables("one_replicate")
    with pytest.raises(ValueError, match="several studies: made, other"):
        findings.page(networks, effects, boost.assign(study="other"), 0.01)


@pytest.mark.parametrize(
    ("lower", "shown", "failed"),
    [
        ((-0.005, -0.009, -0.02, 0.0), [1, 2], 3),
        ((-0.02, 0.0, 0.0, 0.0), [], 1),
        ((0.0, 0.0, -0.009, -0.0099), [1, 2, 3, 4], None),
    ],
)
def test_transfer_is_shown_up_to_the_first_layer_that_fails(lower, shown, failed):
    rows = [{"n": n, "lower": low, "mean": low, "std": 0.01} for n, low in enumerate(lower, 1)]
    result = transferred(rows[::-1], 0.01)
    assert [row["n"] for row in result.shown] == shown
    assert (result.first_not_shown or {}).get("n") == failed


def test_the_number_of_replicates_needed():
    needed = replicates_needed(-0.005, 0.01, 0.01)
    sample = np.random.default_rng(0).standard_normal(needed)
    sample = (sample - sample.mean()) / sample.std(ddof=1) * 0.01 - 0.005
    rows = pd.DataFrame({"split": range(needed), "seed": 0, "n": 1, "difference": sample})
    assert mean_over_replicates(rows, ["n"], "difference")["lower"].item() > -0.01
    assert needed > replicates_needed(-0.005, 0.005, 0.01)
    assert replicates_needed(-0.011, 0.001, 0.01) is None


def test_numbers_and_lists_are_written_in_english():
    written = {-0.0184: "−1.8", 0.0: "0.0", -0.0004: "0.0", 0.12: "12.0"}
    assert {value: points(value) for value in written} == written
    assert [layers(n) for n in ([4], [4, 5], [3, 1, 2])] == ["4", "4 and 5", "1–3"]
    assert layers([1, 2, 3, 6, 7]) == "1–3, 6 and 7"
    assert [listed("abc"[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def shown_rows(text: str) -> int:
    return text.partition("<tbody>")[2].count("<tr>")


@pytest.mark.parametrize("count", [1, MOST_ROWS])
def test_a_short_table_is_shown_completely(count):
    text = page(pd.DataFrame({"n": range(count)}), "networks.csv")
    assert shown_rows(text) == count
    assert "These are the first" not in text


def test_a_long_table_shows_its_first_rows():
    text = page(pd.DataFrame({"n": range(MOST_ROWS + 1)}), "evaluations.csv")
    assert shown_rows(text) == MOST_ROWS
    assert f"<td>{MOST_ROWS - 1}</td>" in text
    assert (
        f"These are the first {MOST_ROWS:,} of {MOST_ROWS + 1:,} rows; all rows are in "
        "tables/evaluations.csv." in text
    )


def test_empty_cells_and_long_numbers_are_readable():
    row = {"network": ["A<B"], "top1": [0.123456], "low": [float("nan")], "loss": [0.123456]}
    text = page(pd.DataFrame(row), "x.csv")
    assert "<th>top1 (%)</th>" in text
    assert "<th>low (points)</th>" in text
    assert "<td>12.35</td>" in text
    assert "<td>0.1235</td>" in text
    assert "<td></td>" in text
    assert "A&lt;B" in text
