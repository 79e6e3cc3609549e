"""Table 1 as a picture: what AnB+ gains over the base and over BnB+, by each estimator."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis import intervals
from transferability.analysis.vocabulary import layer_ranges, measured
from transferability.figures import notes, style
from transferability.figures.panels import Panel, panels_of

TREATED, CONTROL = style.LOOKS["transfer", True].label, style.LOOKS["selffer", True].label
ESTIMATORS = {
    "paired": style.Look("paired", f"each {TREATED} less its own control", style.BLUE, "o"),
    "pooled": style.Look(
        "pooled",
        f"mean of all {TREATED} less mean of all controls, as in the paper",
        style.VERMILION,
        "s",
        False,
    ),
    "through_base": style.Look(
        "through base",
        f"each less its own base, then mean of {TREATED} less mean of controls",
        style.GREEN,
        "^",
    ),
    "linear_model": style.Look(
        "linear model",
        "least squares, an effect of each target half",
        style.PURPLE,
        "D",
        False,
    ),
}
COMPARISONS = {
    "base": f"over the base: {TREATED} − baseB",
    "selffer": f"over the fine-tuned selffer: {TREATED} − {CONTROL}",
}
INTERVALS = {
    intervals.OVER_SPLITS: "t, splits",
    intervals.OVER_SEEDS: "t, seeds",
    intervals.OVER_IMAGES: "bootstrap",
    intervals.UNPAIRED: "unpaired",
    intervals.OF_MODEL: "t, model",
    intervals.NO_INTERVAL: "none",
}
# Points from the axes at which columns of text begin: to its left, and to its right.
LAYERS, NAMES = -112, -54
GAIN, TARGET, COUNTS, REPLICATES, INTERVAL = 8, 90, 135, 196, 230
# Inches of a line of the picture, and of what stands above and below the lines of a panel.
LINE, AROUND = 0.165, 0.95
# Intervals this many times as wide as the narrow ones do not decide the limits.
FAR = 4.0


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order in which they are drawn, with their height as `y`, downwards: a line
    for the title of each comparison, a gap between groups of layers.

    In a study of few n, layers whose networks are those of the layers before are left out.
    """
    alike = ["comparison", "estimator", "n", "mean", "networks", "controls"]
    distinct = rows.drop_duplicates(alike)
    placed = distinct.assign(
        comparison=pd.Categorical(distinct["comparison"], list(COMPARISONS)),
        estimator=pd.Categorical(distinct["estimator"], list(ESTIMATORS)),
        first=distinct["layers"].str.split("-").str[0].astype(int),
    ).sort_values(["comparison", "first", "estimator"])
    starts = ~placed.duplicated("comparison")
    groups = ~placed.duplicated(["comparison", "first"]) & ~starts
    return placed.assign(y=np.arange(len(placed)) + 1.3 * starts.cumsum() + 0.45 * groups.cumsum())


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Left and right end in percentage points: zero, all means, and all intervals that are not far
    wider than the others."""
    width = rows["high"] - rows["low"]
    near = rows[width <= FAR * width.quantile(0.25)]
    ends = 100 * pd.concat([rows["mean"], near["low"], near["high"], pd.Series([0.0])])
    margin = 0.06 * np.ptp(ends) or 1.0
    return ends.min() - margin, ends.max() + margin


def _write(axes: Axes, y: float, points: float, text: str, **settings: object) -> None:
    systems = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    settings = {"fontsize": "small", "va": "center", "annotation_clip": False, **settings}
    axes.annotate(text, (points > 0, y), (style.scaled(points), 0), **systems, **settings)


def _draw_estimates(axes: Axes, rows: pd.DataFrame, limits: tuple[float, float]) -> bool:
    """Markers with their intervals, which end in an arrow where they leave the limits; True if any
    does."""
    ends = 100 * rows[["low", "high"]]
    inside = ends.clip(*limits)
    rows = rows.assign(mean=100 * rows["mean"], low=inside["low"], high=inside["high"])
    for estimator, of_estimator in rows.groupby("estimator", observed=True):
        look = ESTIMATORS[estimator]
        marks = look.style | {"linestyle": "none", "label": look.label}
        bars = {"xerr": style.reach(of_estimator), "elinewidth": style.scaled(1.2)}
        axes.errorbar(of_estimator["mean"], of_estimator["y"], **bars, **marks)
    leaving = (ends != inside) & ends.notna()
    for limit, marker, end in zip(limits, "<>", ends, strict=True):
        for _, row in rows[leaving[end]].iterrows():
            arrow = {"marker": marker, "ms": style.scaled(4), "clip_on": False, "label": "arrow"}
            axes.plot(limit, row["y"], color=ESTIMATORS[row["estimator"]].colour, **arrow)
    return leaving.any(axis=None)


def _draw_panel(axes: Axes, panel: Panel, limits: tuple[float, float]) -> bool:
    """All estimates of one place, with their numbers beside them; True if an interval is cut."""
    rows = _placed(panel.rows)
    for comparison, of_comparison in rows.groupby("comparison", observed=True):
        pairs = "" if (of_comparison["estimator"] == "paired").any() else "; no pairs"
        top, bottom = of_comparison["y"].min(), of_comparison["y"].max()
        _write(axes, top - 1.1, LAYERS, COMPARISONS[comparison] + pairs, weight="bold")
        axes.plot([0, 0], [top - 0.6, bottom + 0.6], color=style.INK, lw=style.scaled(0.8), ls=":")
        for _, group in of_comparison.groupby("first"):
            # A study may have only certain n of a range. A long list goes on beside the next lines.
            numbers = ", ".join(layer_ranges(map(int, str(group["n"].iloc[0]).split())))
            for place, text in enumerate(textwrap.wrap(f"$n$ = {numbers}", 15)):
                _write(axes, group["y"].iloc[0] + place, LAYERS, text)
    axes.hlines(rows["y"], *limits, color=style.LIGHT, lw=style.scaled(0.6), zorder=0)
    are_cut = _draw_estimates(axes, rows, limits)
    counts = ["networks", "controls", *(["missing"] if rows["missing"].any() else [])]
    no_score = "controls/\nno score" if "missing" in counts else "\ncontrols"
    top = rows["y"].min() - 2.4
    for points, header, texts in (
        (NAMES, "", rows["estimator"].map({name: look.label for name, look in ESTIMATORS.items()})),
        (GAIN, "points\n[95 % interval]", rows.apply(measured, axis=1)),
        (TARGET, "target\nhalf", rows["target"]),
        (COUNTS, f"{TREATED}/{no_score}", rows[counts].astype(str).agg(" / ".join, axis=1)),
        (REPLICATES, "repli-\ncates", rows["replicates"].astype(str)),
        (INTERVAL, "kind of\ninterval", rows["interval"].map(INTERVALS)),
    ):
        if header:
            _write(axes, top, points, header, color=style.GREY)
        for y, text in zip(rows["y"], texts, strict=True):
            _write(axes, y, points, text)
    _write(axes, top, LAYERS, panel.place, weight="bold")
    axes.set_ylim(rows["y"].max() + 0.8, rows["y"].min() - 1.7)
    axes.set_xlim(*limits)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("gain in top-1 (percentage points)")
    return are_cut


@style.styled(at_least=style.WIDTH)
def boost(boost_table: pd.DataFrame) -> Figure:
    """What transfer with fine-tuning gains, by each estimator (percentage points).

    Drawn from boost.csv alone. A panel for each kind of split, target size and, except on random
    splits, target; in it, for the comparisons with the base and with the fine-tuned selffer and
    for each range of layers, the estimates below one another with their 95 % intervals. An interval
    far wider than the others is cut at the edge, with an arrow; its numbers stand beside it.
    Source: Yosinski et al. 2014, Table 1.
    """
    if boost_table.empty:
        networks = f"fine-tuned transfer networks ({TREATED})"
        return style.empty(f"This study has no {networks} with a score beside a control.")
    panels = panels_of(boost_table)
    looks = [look for name, look in ESTIMATORS.items() if (boost_table["estimator"] == name).any()]
    heights = [AROUND + LINE * _placed(panel.rows)["y"].max() for panel in panels]
    figure = style.new_figure(1.0 + 0.17 * len(looks) + sum(heights))
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights).ravel()
    are_cut = False
    for axes, panel in zip(grid, panels, strict=True):
        # Places of one target size share their limits, so that they can be compared.
        alike = boost_table[boost_table["target_size"].astype(str) == panel.target_size]
        are_cut |= _draw_panel(axes, panel, _limits(alike))
    handles = [look.sample(f"{look.label}: {look.meaning}") for look in looks]
    title = f"What transfer with fine-tuning ({TREATED}) gains, on average over layers"
    settings = {"title": title, "title_fontsize": "medium", "alignment": "left"}
    style.legend(figure, handles, column=style.WIDTH, **settings)
    unlike = sorted(target for target in set(boost_table["target"]) if " vs " in target)
    halves = (
        f"{' and '.join(unlike)}: target halves of {TREATED} vs controls; pooled, the difference "
        "between these halves goes into the gain."
    )
    has_selffer = (boost_table["comparison"] == "selffer").any()
    no_selffer = f"This study has no fine-tuned selffers ({CONTROL}) to compare with."
    style.note(
        figure,
        notes.intervals_are(boost_table["interval"]),
        "Arrows: an interval goes on; its numbers stand beside it." if are_cut else "",
        notes.halves(panels),
        halves if unlike else "",
        "No score: networks listed without one, left out." if boost_table["missing"].any() else "",
        "" if has_selffer else no_selffer,
    )
    return figure
