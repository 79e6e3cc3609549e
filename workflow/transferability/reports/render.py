"""The templates of the reports, and their filters that write numbers and lists."""

import re
from collections.abc import Iterable, Mapping
from math import isnan
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from transferability.analysis.vocabulary import bracket, layers, listed, mean, measured, points

Row = Mapping[str, object]


def matching(rows: Iterable[Row], **values: object) -> list[Row]:
    """The rows whose columns have these values."""
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def distinct(rows: Iterable[Row], column: str) -> list:
    """The different values of a column, in the order of the rows."""
    return list(dict.fromkeys(row[column] for row in rows))


def differing(rows: Iterable[Row]) -> list[str]:
    """Those of the columns target, replicates and interval that have several values."""
    rows = list(rows)
    columns = ("target", "replicates", "interval")
    return [column for column in columns if len(distinct(rows, column)) > 1]


def pick(keys: Iterable[str], table: Mapping, entry: str = "") -> list:
    """The values of these keys in a table, or one entry of each value."""
    return [table[key][entry] if entry else table[key] for key in keys]


def layers_of(numbers: object) -> str:
    """A text such as `1–3 and 7` for the layers `1 2 3 7` in a row of Table 1."""
    return layers(int(n) for n in str(numbers).split())


def of_source(text: str, source: str) -> str:
    """A formula or sentence about AnB, with A replaced by the letter of a source."""
    return re.sub(r"\b(s?)A(?=n|7f)", rf"\1{source or 'A'}", text)


def interval(row: Row) -> str:
    """The interval of a row in points; empty if there is none."""
    return bracket(row["low"], row["high"])


def probability(p: float) -> str:
    """A p as `0.012` or `< 0.001`; empty if it is not known."""
    return "" if isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def percentage(share: float) -> str:
    """An accuracy as `90.8 %`."""
    return f"{100 * share:.1f} %"


def in_points(margin: float) -> str:
    """A difference as `1 point` or `0.5 points`."""
    return f"{100 * margin:.3g} point{'s' if margin != 0.01 else ''}"


def counted(number: float, noun: str) -> str:
    """`one image`, `2 classes`, `1,460 networks`."""
    plural = f"{noun}{'es' if noun.endswith(('s', 'tch')) else 's'}"
    return f"one {noun}" if number == 1 else f"{number:,} {plural}"


def span(numbers: Iterable[int], noun: str) -> str:
    """`one replicate`, `4 replicates` or `1 to 4 replicates`."""
    low, *_, high = sorted([*numbers] * 2)
    return counted(high, noun) if low == high else f"{low:,} to {counted(high, noun)}"


def percent(share: float) -> str:
    """A share as `10 %`."""
    return f"{100 * share:.4g} %"


def written(value: object) -> str:
    """A value of a study: `true`, `1,000`, `0.01` or a text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) else str(value)


def capital(text: str) -> str:
    """The text with a capital first letter, otherwise unchanged."""
    return text[:1].upper() + text[1:]


FILTERS = (
    *(capital, counted, differing, distinct, in_points, interval, layers, layers_of, listed, mean),
    *(measured, of_source, percent, percentage, pick, points, probability, span, written),
)
ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=lambda name: name is not None and ".html" in name,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters.update({function.__name__: function for function in FILTERS})


def render(template: str, **values: object) -> str:
    """The text of a template with these values."""
    return ENVIRONMENT.get_template(template).render(values)
