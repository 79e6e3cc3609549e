"""Table 1 as a figure: the gain of AnB+ over the base and over BnB+, with each estimator."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.vocabulary import layer_ranges, measured
from transferability.figures import notes, style
from transferability.figures.panels import Panel, panels_of, reach

ESTIMATORS = {
    "paired": style.Look("paired", "each A$n$B+ minus its own control", style.BLUE, "o"),
    "pooled": style.Look(
        "pooled", "mean of A$n$B+ minus mean of controls, as in 2014", style.VERMILION, "s", False
    ),
    "through_base": style.Look("through base", "each minus its own base first", style.GREEN, "^"),
    "linear_model": style.Look(
        "linear model", "with an effect of each target half", style.PURPLE, "D", False
    ),
}
COMPARISONS = {"base": "A$n$B+ − baseB", "selffer": "A$n$B+ − B$n$B+"}
# Inches of one estimate, and of the space above and below the estimates of a panel.
LINE, AROUND = 0.16, 0.85
# Intervals wider than this multiple of the narrow ones do not affect the limits.
FAR = 4.0


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with their vertical position `y`, downwards, with a gap between ranges of layers. A
    range with the same networks as the range before is left out."""
    alike = ["comparison", "estimator", "n", "mean", "networks", "controls"]
    rows = rows.drop_duplicates(alike)
    estimators = [name for name in ESTIMATORS if name in set(rows["estimator"])]
    group = rows["layers"].rank(method="dense") - 1
    place = rows["estimator"].map(estimators.index)
    return rows.assign(y=(len(estimators) + 0.6) * group + place)


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Left and right limit in percentage points. They include zero, all means, and all intervals
    except those much wider than the others."""
    width = rows["high"] - rows["low"]
    near = rows[width <= FAR * width.quantile(0.25)]
    ends = 100 * pd.concat([rows["mean"], near["low"], near["high"], pd.Series([0.0])])
    margin = 0.06 * np.ptp(ends) or 1.0
    return ends.min() - margin, ends.max() + margin


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    """Draws the estimates of one comparison, with their numbers to the right."""
    axes.axvline(0, color=style.INK, lw=style.scaled(0.8), ls=":")
    for estimator, of_estimator in rows.groupby("estimator"):
        look = ESTIMATORS[estimator]
        marks = look.style | {"linestyle": "none", "label": look.label}
        bars = {"xerr": 100 * reach(of_estimator), "elinewidth": style.scaled(0.9)}
        axes.errorbar(100 * of_estimator["mean"], of_estimator["y"], **bars, **marks)
    for _, row in rows.iterrows():
        words = f" ({row['target']})" if " vs " in row["target"] else ""
        words += " ×" if row["not_learned"] else ""
        where = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
        settings = {"va": "center", "fontsize": "small", **where}
        axes.annotate(measured(row) + words, (1.02, row["y"]), **settings)


def _draw_panel(line: list[Axes], panel: Panel) -> None:
    rows = _placed(panel.rows)
    groups = rows.groupby("n", sort=False)["y"].mean()
    labels = [", ".join(layer_ranges(map(int, str(n).split()))) for n in groups.index]
    for axes, (comparison, title) in zip(line, COMPARISONS.items(), strict=True):
        of_comparison = rows[rows["comparison"] == comparison]
        axes.set_title(title if len(of_comparison) else f"{title}: not in this study")
        _draw(axes, of_comparison)
        axes.set_yticks(groups, labels)
        axes.set_ylim(rows["y"].max() + 0.7, -0.7)
        axes.set_xlim(*_limits(panel.rows))
        axes.set_xlabel("gain in top-1 (points)")
    line[0].set_ylabel(f"{panel.title}\nover $n$ =")


@style.styled(at_least=style.WIDTH)
def boost(boost_table: pd.DataFrame) -> Figure:
    """The gain of transfer with fine-tuning (percentage points), with each estimator.

    Drawn only from boost.csv. There is a row for each kind of split, target size and, except on
    random splits, target. It has a panel for the comparison with the base and one for that with the
    fine-tuned selffer. A panel shows the estimates for each range of layers, with 95 % intervals
    and numbers. An interval much wider than the others is cut off. Source: Yosinski et al. 2014,
    Table 1.
    """
    if boost_table.empty:
        return style.empty(
            "This study has no fine-tuned transfer networks (A$n$B+) with a score and a control."
        )
    panels = panels_of(boost_table)
    looks = [look for name, look in ESTIMATORS.items() if (boost_table["estimator"] == name).any()]
    heights = [max(1.5, AROUND + LINE * _placed(panel.rows)["y"].max()) for panel in panels]
    figure = style.new_figure(0.6 + sum(heights))
    grid = figure.subplots(len(panels), 2, squeeze=False, height_ratios=heights)
    for line, panel in zip(grid, panels, strict=True):
        _draw_panel(list(line), panel)
    style.legend(figure, [look.sample() for look in looks], column=3.4)
    unlike = any(" vs " in target for target in boost_table["target"])
    halves = (
        "B vs A: the target halves of A$n$B+ and of the controls; their difference is included."
    )
    lost = " ".join(boost_table["not_learned"]).split()
    style.note(
        figure,
        notes.intervals_are(boost_table["interval"]),
        notes.not_learned(lost, "× includes networks that did not learn"),
        halves if unlike else "",
        notes.halves(panels),
    )
    return figure
