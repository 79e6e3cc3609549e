"""The templates of the reports, and the filters by which they write numbers and lists."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from transferability.analysis.vocabulary import layers, listed, measured, points

Row = Mapping[str, object]


def matching(rows: Iterable[Row], **values: object) -> list[Row]:
    """The rows whose columns have these values."""
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def distinct(rows: Iterable[Row], column: str) -> list:
    """The different values of a column, in the order of the rows."""
    return list(dict.fromkeys(row[column] for row in rows))


def differing(rows: Iterable[Row]) -> list[str]:
    """The columns of the setting that have several values: target, replicates, interval."""
    columns = ("target", "replicates", "interval")
    return [column for column in columns if len(distinct(rows, column)) > 1]


def pick(keys: Iterable[str], table: Mapping, entry: str = "") -> list:
    """The values of these keys in a table, or one entry of each value."""
    return [table[key][entry] if entry else table[key] for key in keys]


def layer_labels(labels: Iterable[str]) -> str:
    """`1–7 and 3`, of the labels `1-7` and `3-3`."""
    ends = (label.split("-") for label in labels)
    return listed(first if first == last else f"{first}–{last}" for first, last in ends)


def at_n(rows: Sequence[Row]) -> str:
    """`at n = 1–3 and 7`; empty for effects that copy no layers."""
    numbers = [row["n"] for row in rows]
    return f"at n = {layers(numbers)}" if any(numbers) else ""


def several_measured(rows: Iterable[Row]) -> str:
    """−1.8 points [−2.1, −1.5] and −3.0 [−3.3, −2.7]."""
    return listed(measured(row, "" if place else "points") for place, row in enumerate(rows))


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


def oneline(text: str) -> str:
    """The text without line breaks and repeated spaces."""
    return type(text)(" ".join(text.split()))


def capital(text: str) -> str:
    """The text with a capital at its beginning, the rest unchanged."""
    return text[:1].upper() + text[1:]


FILTERS = (
    *(at_n, capital, counted, differing, distinct, layer_labels, layers, listed, measured),
    *(oneline, percent, pick, points, several_measured, span, written),
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
