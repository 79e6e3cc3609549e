"""What the Methods section is written from, and how it writes numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from transferability.study.networks import ALL_IMAGES, NetworkSpec, parse_name


@dataclass(frozen=True)
class Sources:
    """A study as it was run: the resolved study, the metrics of each (split, seed, name), its
    tables, and CITATION.cff."""

    study: dict
    metrics: dict[tuple[str, int, str], dict]
    effects: pd.DataFrame
    boost: pd.DataFrame
    citation: dict

    @property
    def networks(self) -> list[NetworkSpec]:
        """All that were trained, one for each split and seed."""
        return [parse_name(name) for *_, name in self.metrics]

    def of_whole_halves(self) -> list[tuple[str, str, dict]]:
        """(split, half, metrics) of the networks that were trained on all images of a half."""
        return [
            (split, parse_name(name).target, metrics)
            for (split, _, name), metrics in self.metrics.items()
            if parse_name(name).target_size == ALL_IMAGES
        ]


def number(count: float) -> str:
    """A number to read: one, 2, 1,797, 0.0005."""
    if count == 1:
        return "one"
    return f"{count:,}" if isinstance(count, int) else f"{count:g}"


def several(count: int, noun: str) -> str:
    """One network, 1,460 networks, 2 classes, 3 batches."""
    ending = "es" if noun.endswith(("s", "tch")) else "s"
    return f"{number(count)} {noun if count == 1 else noun + ending}"


def between(counts: Iterable[int], noun: str) -> str:
    """667 images, or 667 to 684 images."""
    low, *_, high = sorted([*counts] * 2)
    return several(low, noun) if low == high else f"{low:,} to {several(high, noun)}"


def times(count: float) -> str:
    """Once, twice, 5 times."""
    return {1: "once", 2: "twice"}.get(count, f"{count:g} times")


def percent(share: float) -> str:
    """A share in percent: 10 %."""
    return f"{100 * share:.4g} %"
