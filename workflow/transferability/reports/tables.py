"""A table as a page of its own, to be read and sorted in a browser."""

import pandas as pd

from transferability.reports.render import render

# More digits of a fraction are noise to a reader; the CSV file has them all.
DIGITS = 4
# A browser is too slow to show and sort more rows.
MOST_ROWS = 2_000


def page(table: pd.DataFrame, title: str) -> str:
    """The HTML page of a table: its rows in their order, and a button on each column to sort by.

    Of a table with more than MOST_ROWS rows the page has the first ones, and says so; `title`, the
    name of its file, says where all of them are.
    """
    shown = table.head(MOST_ROWS)
    html = shown.to_html(index=False, border=0, na_rep="", float_format=_number)
    return render("page.html.j2", title=title, table=html, shown=len(shown), rows=len(table))


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10**DIGITS else f"{value:.{DIGITS}g}"
