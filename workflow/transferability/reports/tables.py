"""A table as a page for reading and sorting in a browser."""

import pandas as pd

from transferability.reports.render import render

# More digits do not help a reader; the CSV file has them all.
DIGITS = 4
# Columns that are fractions in the CSV files, and their unit on the page: percent for an accuracy,
# percentage points for a difference of two.
UNITS = {
    **dict.fromkeys(("top1", "top1_selection", "top1_reporting", "top5", "chance"), "%"),
    **dict.fromkeys(("mean", "median", "std", "low", "high", "lower", "difference"), "points"),
    **dict.fromkeys(("reporting_mean", "reporting_low", "reporting_high"), "points"),
    **dict.fromkeys(("margin", "one_training_low", "top1_change"), "points"),
}
# With more rows, a browser is too slow to show and sort them.
MOST_ROWS = 2_000


def page(table: pd.DataFrame, title: str) -> str:
    """The HTML page of a table: its rows in order, fractions in percent, and a button on each
    column for sorting.

    If a table has more than MOST_ROWS rows, the page has only the first ones and a note; `title`,
    the name of the table's file, shows where to find all rows.
    """
    shown = table.head(MOST_ROWS)
    # Limits of a correlation are not accuracies.
    fractions = [column for column in shown if column in UNITS and "correlation" not in shown]
    shown = shown.assign(**{column: (100 * shown[column]).round(2) for column in fractions})
    shown = shown.rename(columns={column: f"{column} ({UNITS[column]})" for column in fractions})
    html = shown.to_html(index=False, border=0, na_rep="", float_format=_number)
    return render("page.html.j2", title=title, table=html, shown=len(shown), rows=len(table))


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10**DIGITS else f"{value:.{DIGITS}g}"
