"""A table as a page of its own, to be read and sorted in a browser."""

import html

import pandas as pd

# More digits than this of a fraction are noise to a reader; the CSV file has them all.
DIGITS = 4
# A browser shows more rows than this, and sorts them, too slowly; nobody reads so many.
MOST_ROWS = 2_000
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1em; font: 14px sans-serif; background: #fff; color: #000 }}
div {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ padding: 0.25em 0.7em; border-bottom: 1px solid #d9d9d9; white-space: nowrap }}
thead th {{ text-align: left; border-bottom: 2px solid #000 }}
th button {{ all: unset; cursor: pointer; font-weight: bold }}
th button:focus-visible {{ outline: 2px solid #0072B2 }}
th[aria-sort=ascending] button::after {{ content: " ▲" }}
th[aria-sort=descending] button::after {{ content: " ▼" }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{words}</p>
<div>{table}</div>
<script>
const [head, body] = [document.querySelector("thead tr"), document.querySelector("tbody")];
const inOrder = new Intl.Collator("en", {{numeric: true}}).compare;
// Numbers by size, also below zero; the difference of texts is none, and the collator decides.
const compare = (a, b) => (a && b && a - b) || inOrder(a, b);
[...head.cells].forEach((cell, column) => {{
  const button = document.createElement("button");
  button.append(...cell.childNodes);
  cell.append(button);
  button.addEventListener("click", () => {{
    const down = cell.ariaSort === "ascending";
    for (const other of head.cells) other.ariaSort = null;
    cell.ariaSort = down ? "descending" : "ascending";
    const text = (row) => row.cells[column].textContent;
    const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * compare(text(a), text(b)));
    body.append(...rows);
  }});
}});
</script>
</body>
</html>
"""


def page(table: pd.DataFrame, title: str) -> str:
    """The HTML page of a table: its rows in their order, and a button on each column to sort by.

    Of a table with more than MOST_ROWS rows the page has the first ones, and says so; `title`, the
    name of its file, says where all of them are.
    """
    shown = table.head(MOST_ROWS)
    words = "Click on a column's name to sort by it."
    if len(shown) < len(table):
        words = (
            f"These are the first {len(shown):,} of {len(table):,} rows; the whole is "
            f"tables/{title}. Click on a column's name to sort these by it."
        )
    written = shown.to_html(index=False, border=0, na_rep="", float_format=_number)
    return PAGE.format(title=html.escape(title), words=html.escape(words), table=written)


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10**DIGITS else f"{value:.{DIGITS}g}"
