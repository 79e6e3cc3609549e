"""Studies to draw, and descriptions of drawn figures in text."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest

import matplotlib as mpl
import numpy as np
import pandas as pd
from made_networks import (
    FOUR_SPLITS,
    FROZEN,
    SCORES,
    TOP1,
    correctness,
    networks,
    of,
    of_sources,
    probed,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from project import ROOT

from transferability import figures
from transferability.analysis.boost import boost
from transferability.analysis.collect import MEASURED
from transferability.analysis.decision import decision
from transferability.analysis.effects import estimate
from transferability.analysis.predictors import predictors
from transferability.cli.tables import read_table
from transferability.figures.notes import names_of

TRANSFERS = (("transfer", False), ("transfer", True))
PARTIAL = (*TRANSFERS, ("partial", False))
DISSIMILAR = {"splits": ("random0", "random1", "dissimilar"), "targets": "AB", "noise": 0.003}
PROBED = {"treatments": FROZEN, "noise": 0.03}
SIZES = ("1", "2", "5", "10", "25", "50", "100", "250", "500", "750", "1000")
# Every figure is drawn of each of these.
STUDIES = {
    "one replicate": {"noise": 0.002},
    "four splits": {"splits": FOUR_SPLITS, "targets": "AB", "noise": 0.004},
    "dissimilar": {**DISSIMILAR, "layers": (0, 1, 4, 7)},
    "one n": {"layers": (3,), "splits": ("random0", "random1"), "noise": 0.002},
    "no selffer": {"treatments": TRANSFERS},
    "random alone": {"treatments": (("random", False),)},
    "bases alone": {},
    "two sizes": {"target_sizes": ("100", "all"), "layers": (0, 1, 4, 7), "noise": 0.002},
    "dissimilar, two sizes": {**DISSIMILAR, "target_sizes": ("100", "all"), "layers": (0, 7)},
    "did not learn": {"splits": FOUR_SPLITS, "layers": (0, 1, 4, 7), "noise": 0.003},
    "nothing learned": {"layers": (0, 1, 7)},
    "left out": {"splits": FOUR_SPLITS, "targets": "AB", "noise": 0.003},
    "lines alike": {},
    "long names": {},
}
DRAWN = ("transfer", "random_features", "effects", "dissimilar", "learning_curves", "cost", "boost")
# A few figures are drawn of each of these.
MORE = {
    "both halves": {"targets": "AB", "layers": (0, 7)},
    "minutes": {"seeds": (0, 1), "layers": (0, 1, 7)},
    "dissimilar, 2014": STUDIES["dissimilar"],
    "four sizes": {
        **{"target_sizes": ("5", "50", "500", "all"), "layers": (0, 1, 4, 7)},
        **{"seeds": (0, 1), "noise": 0.004},
    },
    "many sizes": {"target_sizes": SIZES, "layers": (0, 7), "seeds": (0, 1), "noise": 0.004},
    "probed": {**PROBED, "splits": FOUR_SPLITS, "targets": "AB"},
    "probed once": PROBED,
    "few n": {**PROBED, "layers": (0, 3, 7)},
    "sources": {
        **{"letters": "PQ", "noise": 0.002},
        "treatments": (*TOP1, ("shuffled", True), ("partial", False)),
    },
    "only partial": {"letters": "PQ", "treatments": PARTIAL},
    "lost source": {"letters": "PQ", "noise": 0.002, "treatments": PARTIAL},
    "one seed": {"letters": "P", "seeds": (0,), "treatments": PARTIAL},
    "worse": {"letters": "P", "treatments": PARTIAL, "controls": False},
    "partial, two sizes": {
        **{"letters": "P", "treatments": (("partial", False),), "controls": False},
        **{"target_sizes": ("25", "all"), "noise": 0.001},
    },
}
FAILED = ("random1/seed0/baseB", "random2/seed0/A4B", "random0/seed0/B0B", "random3/seed0/B7B+")
LOST = {
    "did not learn": FAILED,
    "four sizes": ("random0/seed1/A7B@5",),
    "lost source": ("whole/seed1/P7f3B", *(f"whole/seed{seed}/Q7f0B" for seed in range(4))),
}
# Changes of tables that give a study the property in its name.
CHANGED = {
    "bases alone": lambda table: of(table, kind="base"),
    # Listed, but not measured.
    "left out": lambda table: table.mask(
        ((table["network"] == "A3B") & (table["split"] == "random2")).to_numpy()[:, None]
        & table.columns.isin(MEASURED)
    ),
    "lines alike": lambda table: table.assign(top1=0.9 + 0.001 * table["fine_tuned"]),
    "long names": lambda table: table.assign(
        layer=np.where(table["n"] > 0, "stage4.block1.convolution2", "")
    ),
    "minutes": lambda table: table.assign(seconds=90 * table["seconds"]),
    "four sizes": lambda table: table[(table["n"] != 4) | (table["target_size"] == "all")],
    "only partial": lambda table: table[table["kind"].ne("transfer") | table["n"].eq(7)],
    "worse": lambda table: table.assign(
        top1=table["top1"] - 0.05 * (table["kind"].eq("partial") & table["n"].gt(0))
    ),
}
# The studies in each file of tests/golden/figures.
CASES = {
    "transfer": ("did not learn", "left out", "two sizes", "sources", "only partial"),
    "random_features": ("one replicate", "published"),
    "effects": (
        *("one replicate", "both halves", "did not learn", "nothing learned", "no selffer"),
        *("dissimilar, 2014", "sources"),
    ),
    "dissimilar": ("dissimilar",),
    "learning_curves": ("did not learn",),
    "cost": ("minutes", "two sizes"),
    "boost": ("did not learn", "nothing learned", "no selffer", "dissimilar", "published"),
    "data_size": ("four sizes", "partial, two sizes", "one replicate", "bases alone"),
    "decision": ("sources", "lost source", "one seed", "worse"),
    "predictors": ("probed", "probed once", "few n"),
}
PUBLISHED = ROOT / "workflow" / "resources" / "yosinski2014" / "networks.csv"


@cache
def tables(study: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A study's table of networks and its effects, bootstrapped over images in one study."""
    if study == "published":
        table = read_table(PUBLISHED)
        return table, estimate(table)
    made = {**STUDIES, **MORE}[study]
    table = of_sources(**made) if "letters" in made else networks(**made)
    table["learned"] &= ~names_of(table).isin(LOST.get(study, ())) & (study != "nothing learned")
    table["top1"] = table["top1"].where(table["learned"], table["chance"])
    table = CHANGED.get(study, pd.DataFrame)(table)
    # Without the number of images and predictions there are no intervals.
    counted = table.drop(columns=["validation_images"] * (study == "no selffer"))
    return table, estimate(counted, correctness if study == "one replicate" else None)


def published_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The published table of networks and its effects."""
    return tables("published")


def evaluations_of(table: pd.DataFrame) -> pd.DataFrame:
    """Curves that rise to the top-1 of each network; with a high loss if it did not learn."""
    epochs = pd.DataFrame({"epoch": np.arange(1, 6)})
    curves = table.dropna(subset="top1")[["split", "seed", "network", "top1", "learned"]]
    curves = curves.merge(epochs, how="cross")
    loss = 1 / curves["epoch"] + 50 * ~curves["learned"].astype(bool)
    return curves.assign(top1=curves["top1"] * curves["epoch"] / 5, train_loss=loss)


def draw(name: str, study: str) -> Figure:
    """A figure of a study."""
    table, effects = tables(study)
    inputs = {
        "effects": lambda: [effects, *[tables("published")[1]] * study.endswith("2014")],
        "dissimilar": lambda: [effects],
        "data_size": lambda: [effects],
        "boost": lambda: [boost(table)],
        "learning_curves": lambda: [table, evaluations_of(table)],
        "decision": lambda: [table, decision(table, 0.01)],
        "predictors": lambda: [predictors(probed(table, **SCORES), table)],
    }
    return getattr(figures, name)(*inputs.get(name, lambda: [table])())


def drawn(name: str) -> str:
    """The content of a figure for each of its studies in CASES."""
    return "\n".join(f"## {study}\n{described(draw(name, study))}" for study in CASES[name])


def described(figure: Figure) -> str:
    """The content of a figure: its panels, legends and notes."""
    shown = [line for axes in figure.axes for line in described_panel(axes)]
    for legend in figure.legends:
        shown.append("legend: " + "; ".join(text.get_text() for text in legend.get_texts()))
    shown += [text.get_text() for text in figure.texts]
    return "".join(f"{' '.join(line.split())}\n" for line in shown)


def described_panel(axes: Axes) -> Iterator[str]:
    """Title, both axes with their limits and ticks, and other objects, in one line; then the
    labelled lines."""
    parts = [f"# {axes.get_figure().get_suptitle()} {axes.get_title(loc='left')}"]
    for axis in (axes.xaxis, axes.yaxis):
        ticks = "; ".join(label.get_text() for label in axis.get_ticklabels())
        parts.append(f"{axis.get_label_text()} {span(axis.get_view_interval())}: {ticks}")
    with_bars = [drawn.lines[0] for drawn in axes.containers]
    others = [drawn for drawn in axes.get_lines() if drawn not in with_bars]
    plain = [drawn for drawn in others if drawn.get_label().startswith("_")]
    bands = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in axes.patches]
    beside = {"plain": map(extent, plain), "bands": map(span, bands)}
    beside["texts"] = (text.get_text() for text in axes.texts)
    rest = {name: "; ".join(found) for name, found in beside.items()}
    yield " | ".join([*parts, *(f"{name}: {found}" for name, found in rest.items() if found)])
    for drawn in axes.containers:
        center, _, bars = drawn.lines
        segments = bars[0].get_segments() if bars else ()
        yield f"{drawn.get_label()} at {points(center, segments, drawn.has_xerr)}"
    for drawn in others:
        if drawn not in plain:
            yield f"{drawn.get_label()} at {points(drawn)}"


def points(line: Line2D, bars: Sequence[np.ndarray] = (), across: bool = False) -> str:
    """`n: mean [low, high]` of each point; `across` if bars are horizontal."""
    written = []
    for point, bar in zip_longest(np.array(line.get_data(), dtype=float).T, bars, fillvalue=()):
        at, mean = point[::-1] if across else point
        ends = f" [{', '.join(map(number, bar[:, 0 if across else 1]))}]" if len(bar) else ""
        written.append(f"{number(at)}: {number(mean)}{ends}")
    return ", ".join(written)


def extent(line: Line2D) -> str:
    """Its dashes, its number of points, and its range."""
    across, up = np.array(line.get_data(), dtype=float)
    return f"{line.get_linestyle()} {len(up)} at {span(across)}, {span(up)}"


def span(values: Sequence[float]) -> str:
    """The lowest and the highest finite value."""
    finite = np.array(values, dtype=float)[np.isfinite(np.array(values, dtype=float))]
    return f"{number(finite.min())} to {number(finite.max())}" if len(finite) else "nothing"


def number(value: float) -> str:
    """A number with three digits, at most two of them after the point."""
    return f"{round(float(value), 2) + 0:.3g}"


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text)).replace("\n", " ")


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left").replace("\n", ", ") for axes in figure.axes]


def lines(axes: Axes, label: str) -> list[Line2D]:
    """The lines with a label, with or without interval bars."""
    with_bars = [drawn.lines[0] for drawn in axes.containers if drawn.get_label() == label]
    return with_bars + [line for line in axes.get_lines() if line.get_label() == label]


def line(axes: Axes, label: str) -> np.ndarray:
    (found,) = lines(axes, label)
    return np.asarray(found.get_ydata(), dtype=float)


def bars(axes: Axes) -> np.ndarray:
    """bars × 2: both ends of each vertical interval bar."""
    segments = [bar for drawn in axes.containers for bar in drawn.lines[2][0].get_segments()]
    return np.array([segment[:, 1] for segment in segments if len(segment)])
