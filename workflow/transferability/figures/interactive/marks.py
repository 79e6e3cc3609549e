"""What a figure to explore draws, a row for each mark."""

import pandas as pd

from transferability.analysis.intervals import NO_INTERVAL
from transferability.figures.options import in_use
from transferability.figures.panels import Panel
from transferability.figures.style import Look

DASHES = {"-": [1, 0], ":": [1, 2], "none": [1, 0]}


def marks_of(rows: pd.DataFrame, panel: Panel, looks: list[Look]) -> pd.DataFrame:
    """The marks of a panel, in percent, from rows with mean, low, high, interval, replicates, n and
    network, the name that a pointer tells; a look for each."""
    words = in_use().in_words
    spans = [
        NO_INTERVAL if pd.isna(low) else f"[{100 * low:.1f}, {100 * high:.1f}]".replace("-", "−")
        for low, high in zip(rows["low"], rows["high"], strict=True)
    ]
    return pd.DataFrame(
        {
            "panel": panel.place,
            "treatment": [plain(look.label) for look in looks],
            "network": [words(name) for name in rows["network"]],
            "n": rows["n"].to_numpy(),
            "at": [n + look.offset for n, look in zip(rows["n"], looks, strict=True)],
            "value": 100 * rows["mean"].to_numpy(),
            "low": 100 * rows["low"].to_numpy(),
            "high": 100 * rows["high"].to_numpy(),
            "span": spans,
            "interval": rows["interval"].to_numpy(),
            "replicates": rows["replicates"].to_numpy(),
            "dash": [dash(look) for look in looks],
        }
    )


def plain(label: str) -> str:
    """A label without the italics that only matplotlib sets, in the study's words."""
    return in_use().in_words(label.replace("$n$", "n"))


def dash(look: Look) -> list[float]:
    """Vega's pixels on and off for matplotlib's dashes."""
    if isinstance(look.dashes, str):
        return DASHES[look.dashes]
    return [1.5 * length for length in look.dashes[1]]
