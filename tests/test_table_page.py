"""Tables as pages: what a page holds of a table, and what it says of the rest."""

import pandas as pd
import pytest

from transferability.reports.tables import MOST_ROWS, page


def rows(text: str) -> int:
    return text.partition("<tbody>")[2].count("<tr>")


@pytest.mark.parametrize("count", [1, MOST_ROWS])
def test_a_table_that_a_browser_can_show_is_there_whole(count):
    text = page(pd.DataFrame({"n": range(count)}), "networks.csv")
    assert rows(text) == count
    assert "These are the first" not in text


def test_of_a_longer_table_the_first_rows_are_there_and_the_page_says_where_the_rest_is():
    text = page(pd.DataFrame({"n": range(MOST_ROWS + 1)}), "evaluations.csv")
    assert rows(text) == MOST_ROWS
    assert f"<td>{MOST_ROWS - 1}</td>" in text
    assert (
        f"These are the first {MOST_ROWS:,} of {MOST_ROWS + 1:,} rows; all rows are in "
        "tables/evaluations.csv." in text
    )


def test_an_empty_cell_and_many_digits_are_written_for_a_reader():
    row = {"network": ["A<B"], "top1": [0.123456], "low": [float("nan")], "loss": [0.123456]}
    text = page(pd.DataFrame(row), "x.csv")
    assert "<th>top1 (%)</th>" in text
    assert "<th>low (points)</th>" in text
    assert "<td>12.35</td>" in text
    assert "<td>0.1235</td>" in text
    assert "<td></td>" in text
    assert "A&lt;B" in text
