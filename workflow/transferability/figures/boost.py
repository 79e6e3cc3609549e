"""Table 1 as a picture: what AnB+ gains over the base and over BnB+, by each estimator."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.intervals import (
    NO_INTERVAL,
    OF_MODEL,
    OVER_IMAGES,
    OVER_SEEDS,
    OVER_SPLITS,
    UNPAIRED,
)
from transferability.analysis.vocabulary import layer_ranges
from transferability.figures.options import layout_width
from transferability.figures.panels import Panel, panels_of
from transferability.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LIGHT,
    LOOKS,
    PURPLE,
    VERMILION,
    WIDTH,
    Look,
    empty,
    face,
    note,
    sample,
    styled,
)
from transferability.figures.words import interval_words, target_words

TREATED, CONTROL = LOOKS["transfer", True].label, LOOKS["selffer", True].label
ESTIMATORS = {
    "paired": Look("paired", f"each {TREATED} less its own control", BLUE, "o", True, "-", 0.0),
    "pooled": Look(
        "pooled",
        f"mean of all {TREATED} less mean of all controls, as in the paper",
        VERMILION,
        "s",
        False,
        "-",
        0.0,
    ),
    "through_base": Look(
        "through base",
        f"each less its own base, then mean of {TREATED} less mean of controls",
        GREEN,
        "^",
        True,
        "-",
        0.0,
    ),
    "linear_model": Look(
        "linear model", "least squares, an effect of each target half", PURPLE, "D", False, "-", 0.0
    ),
}
COMPARISONS = {
    "base": f"over the base: {TREATED} − baseB",
    "selffer": f"over the fine-tuned selffer: {TREATED} − {CONTROL}",
}
INTERVALS = {
    OVER_SPLITS: "t, splits",
    OVER_SEEDS: "t, seeds",
    OVER_IMAGES: "bootstrap",
    UNPAIRED: "unpaired",
    OF_MODEL: "t, model",
    NO_INTERVAL: "none",
}
# Points to the left and to the right of the axes at which the columns of text begin.
LAYERS, NAMES = -112, -54
GAIN, TARGET, COUNTS, REPLICATES, INTERVAL = 8, 90, 135, 196, 230
SMALL = 7
# Inches of a line of the picture; of what stands above and below the lines of a panel.
LINE, AROUND = 0.165, 0.95
# Intervals this many times as wide as the narrow ones do not decide the limits, unless these would
# grow by less than this.
FAR, WIDEN = 4.0, 2.0


def _lines(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order in which they are drawn, with their height as `y`, downwards: a line
    of its own above each comparison, a gap between groups of layers.

    In a study of few n, layers whose networks are those of the layers before are left out.
    """
    same = ["comparison", "estimator", "n", "mean", "networks", "controls"]
    own = rows.drop_duplicates(same)
    placed = own.assign(
        comparison=pd.Categorical(own["comparison"], list(COMPARISONS)),
        estimator=pd.Categorical(own["estimator"], list(ESTIMATORS)),
        first=own["layers"].str.split("-").str[0].astype(int),
    ).sort_values(["comparison", "first", "estimator"])
    starts = ~placed.duplicated("comparison")
    groups = ~placed.duplicated(["comparison", "first"]) & ~starts
    return placed.assign(y=np.arange(len(placed)) + 1.3 * starts.cumsum() + 0.45 * groups.cumsum())


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Left and right end in percentage points: all means, zero, and all intervals that are not far
    wider than the others."""
    width = rows["high"] - rows["low"]
    near = _range(rows, rows[width <= FAR * width.quantile(0.25)])
    everything = _range(rows, rows)
    low, high = everything if np.ptp(everything) <= WIDEN * np.ptp(near) else near
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _range(means: pd.DataFrame, intervals: pd.DataFrame) -> tuple[float, float]:
    ends = 100 * pd.concat([means["mean"], intervals["low"], intervals["high"]])
    return min(0.0, ends.min()), max(0.0, ends.max())


def _draw_estimate(axes: Axes, row: pd.Series, limits: tuple[float, float]) -> bool:
    """A marker with its interval, which ends in an arrow where it leaves the limits; True if so."""
    look = ESTIMATORS[row["estimator"]]
    ends = [100 * row["low"], 100 * row["high"]]
    leaves = [ends[0] < limits[0], ends[1] > limits[1]]
    axes.plot(np.clip(ends, *limits), [row["y"]] * 2, color=look.colour, lw=1.2)
    for limit, marker, leaving in zip(limits, "<>", leaves, strict=True):
        if leaving:
            axes.plot(
                limit,
                row["y"],
                marker=marker,
                color=look.colour,
                ms=4,
                clip_on=False,
                label="arrow",
            )
    axes.plot(
        100 * row["mean"],
        row["y"],
        color=look.colour,
        marker=look.marker,
        markerfacecolor=face(look),
        label=look.label,
    )
    return any(leaves)


def _write(axes: Axes, y: float, points: float, text: str, **style) -> None:
    """Text that begins so many points beside the axes, to the left where negative."""
    axes.annotate(
        text,
        (float(points > 0), y),
        xycoords=("axes fraction", "data"),
        xytext=(points, 0),
        textcoords="offset points",
        fontsize=SMALL,
        annotation_clip=False,
        va="center",
        **style,
    )


def _signed(points: float) -> str:
    text = f"{points:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def _gain(row: pd.Series) -> str:
    mean = _signed(100 * row["mean"])
    if pd.isna(row["low"]):
        return mean
    low, high = (_signed(100 * row[end]).removeprefix("+") for end in ("low", "high"))
    return f"{mean} [{low}, {high}]"


def _layers(rows: pd.DataFrame) -> str:
    """The n of a group of rows, of which a study may have some only: `n = 1–3, 7`."""
    numbers = map(int, str(rows["n"].iloc[0]).split())
    return textwrap.fill(f"$n$ = {', '.join(layer_ranges(numbers))}", 15)


def _draw_panel(axes: Axes, panel: Panel, limits: tuple[float, float]) -> bool:
    """All estimates of one place, with their numbers beside them; True if an interval is cut."""
    rows = _lines(panel.rows)
    without = rows["missing"].any()
    cut = False
    for comparison, of_comparison in rows.groupby("comparison", observed=True):
        first, last = of_comparison["y"].min(), of_comparison["y"].max()
        pairs = "" if (of_comparison["estimator"] == "paired").any() else "; no pairs"
        _write(axes, first - 1.1, LAYERS, COMPARISONS[comparison] + pairs, weight="bold")
        axes.plot([0, 0], [first - 0.6, last + 0.6], color=INK, lw=0.8, ls=":")
        for _, group in of_comparison.groupby("first"):
            # A long list of layers goes on beside the group's next lines.
            for place, text in enumerate(_layers(group).split("\n")):
                _write(axes, group["y"].iloc[0] + place, LAYERS, text)
    for _, row in rows.iterrows():
        axes.axhline(row["y"], color=LIGHT, lw=0.6, zorder=0)
        cut |= _draw_estimate(axes, row, limits)
        counts = [row["networks"], row["controls"], *([row["missing"]] if without else [])]
        for points, text in (
            (NAMES, ESTIMATORS[row["estimator"]].label),
            (GAIN, _gain(row)),
            (TARGET, row["target"]),
            (COUNTS, " / ".join(map(str, counts))),
            (REPLICATES, str(row["replicates"])),
            (INTERVAL, INTERVALS[row["interval"]]),
        ):
            _write(axes, row["y"], points, text)
    top = rows["y"].min() - 2.4
    for points, text in (
        (GAIN, "points\n[95 % interval]"),
        (TARGET, "target\nhalf"),
        (COUNTS, f"{TREATED}/controls/\nno score" if without else f"{TREATED}/\ncontrols"),
        (REPLICATES, "repli-\ncates"),
        (INTERVAL, "kind of\ninterval"),
    ):
        _write(axes, top, points, text, color=GREY)
    _write(axes, top, LAYERS, panel.place, weight="bold")
    axes.set_ylim(rows["y"].max() + 0.8, rows["y"].min() - 1.7)
    axes.set_xlim(*limits)
    axes.set_yticks([])
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.set_xlabel("gain in top-1 (percentage points)")
    return cut


@styled
def boost(boost_table: pd.DataFrame) -> Figure:
    """What transfer with fine-tuning gains, by each estimator (percentage points).

    Drawn from boost.csv alone. A panel for each kind of split, target size and, except on random
    splits, target; in it, for the comparisons with the base and with the fine-tuned selffer and
    for each range of layers, the estimates below one another with their 95 % intervals. An interval
    far wider than the others is cut at the edge, with an arrow; its numbers stand beside it.
    Source: Yosinski et al. 2014, Table 1.
    """
    if boost_table.empty:
        return empty(
            f"This study has no fine-tuned transfer networks ({TREATED}) with a score beside a "
            "control."
        )
    panels = panels_of(boost_table)
    used = [look for name, look in ESTIMATORS.items() if (boost_table["estimator"] == name).any()]
    heights = [AROUND + LINE * _lines(panel.rows)["y"].max() for panel in panels]
    top = 1.0 + 0.17 * len(used)
    figure = Figure(figsize=(layout_width(WIDTH), top + sum(heights)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights).ravel()
    cut = False
    for axes, panel in zip(grid, panels, strict=True):
        # Places of one target size share their limits, so that they can be compared.
        alike = boost_table[boost_table["target_size"].astype(str) == panel.target_size]
        cut |= _draw_panel(axes, panel, _limits(alike))
    figure.legend(
        handles=[sample(look, f"{look.label}: {look.meaning}") for look in used],
        loc="outside upper left",
        title=f"What transfer with fine-tuning ({TREATED}) gains, on average over layers",
        title_fontsize=8,
        alignment="left",
    )
    note(
        figure,
        interval_words(
            boost_table["interval"],
            "Bars",
            f"means of one replicate, of {TREATED} or of controls, without predictions",
        ),
        "Arrows: an interval goes on; its numbers stand beside it." if cut else "",
        target_words(panels),
        *_lack_words(boost_table, panels),
    )
    return figure


def _lack_words(table: pd.DataFrame, panels: list[Panel]) -> list[str]:
    """Sentences on targets that differ, on comparisons without pairs, and on what is not there."""
    words = []
    unlike = sorted({target for target in table["target"] if " vs " in target})
    for targets in unlike:
        treated, control = map(_halves, targets.split(" vs "))
        words.append(f"{targets}: {TREATED} of {treated}, controls of {control}.")
    if unlike:
        words.append("Pooled, the difference between such halves goes into the gain.")
    compared = [rows for panel in panels for _, rows in panel.rows.groupby("comparison")]
    if any((rows["estimator"] != "paired").all() for rows in compared):
        words.append(
            f"No pairs: no {TREATED} has a control of its own, of the same split, seed and target."
        )
    if table["missing"].any():
        words.append(f"No score: {TREATED} and controls listed without one, which are left out.")
    if not (table["comparison"] == "selffer").any():
        words.append(f"This study has no fine-tuned selffers ({CONTROL}) to compare with.")
    return words


def _halves(target: str) -> str:
    return "both halves" if target == "A+B" else f"half {target}"
