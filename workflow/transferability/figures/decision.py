"""How many layers to freeze: accuracy against training time."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from transferability.analysis.effects import of_treatment
from transferability.analysis.treatments import PARTIAL, TRANSFER, TRANSFER_PLUS
from transferability.analysis.vocabulary import points
from transferability.figures import notes, panels, style
from transferability.figures.cost import scale

SHOWN = (TRANSFER, TRANSFER_PLUS, PARTIAL)
BAND = {"color": style.PURPLE, "alpha": 0.15, "lw": 0}
CHOSEN = {"marker": "o", "mfc": "none", "ls": "none", "ms": 11, "color": style.INK, "label": "n*"}


def _verdict(decided: pd.DataFrame) -> str:
    """The text about n* in the title of a panel."""
    if decided["n_star"].isna().all():
        return "no verdict"
    star = int(decided["n_star"].iloc[0])
    if not star:
        return "no $n$ is shown to cost less than the margin"
    return f"n*: {panels.with_layer(star, decided.set_index('n').loc[star, 'layer'])}"


def _draw(
    axes: Axes, panel: panels.Panel, decided: pd.DataFrame, looks: dict, seconds: int
) -> None:
    """Draws a point for each n of each treatment; points of partial networks have their n and the
    intervals of their costs. They are not joined by a line, since times may not decrease with n."""
    rows = panel.rows[panel.rows["learned"]].assign(x=panel.rows["seconds"] / seconds)
    for treatment, look in looks.items():
        of_n = panels.means(of_treatment(rows, treatment), "score", ["n"]).set_index("n")
        of_n["x"] = panels.means(of_treatment(rows, treatment), "x", ["n"]).set_index("n")["mean"]
        bars = {}
        if treatment == PARTIAL:
            bars = {"yerr": _draw_verdict(axes, of_n, decided), "elinewidth": style.scaled(0.9)}
        looked = look.style | bars | {"linestyle": "none"}
        axes.errorbar(of_n["x"], 100 * of_n["mean"], label=look.label, **looked)
    lost = panel.rows[~panel.rows["learned"]]
    look = style.Look("", "", style.GREY, "x")
    panels.draw_crosses(axes, lost["seconds"] / seconds, 100 * lost["score"], look)


def _draw_verdict(axes: Axes, of_n: pd.DataFrame, decided: pd.DataFrame) -> np.ndarray:
    """Draws the margin below n = 0, a circle around n*, and the n of the partial networks; returns
    the lengths of their intervals below and above, in percent."""
    decided = decided.set_index("n")
    full = 100 * of_n["mean"].get(0, np.nan)
    if len(decided):
        axes.axhspan(full - 100 * decided["margin"].iloc[0], full, **BAND)
        star = of_n[(of_n.index == decided["n_star"].fillna(0).iloc[0]) & (of_n.index > 0)]
        axes.plot(star["x"], 100 * star["mean"], **CHOSEN)
    for n, x, top1 in zip(of_n.index, of_n["x"], 100 * of_n["mean"], strict=True):
        beside = {"xytext": (5, 3), "textcoords": "offset points"}
        axes.annotate(f"{n}", (x, top1), fontsize="small", color=style.PURPLE, **beside)
    ends = ["mean", "low", "high"]
    costs = decided[[f"reporting_{end}" for end in ends]].set_axis(ends, axis=1)
    return 100 * panels.reach(costs.reindex(of_n.index))


@style.styled()
def decision(networks: pd.DataFrame, decision_table: pd.DataFrame) -> Figure:
    """Top-1 (%) against training time, a point for each n of partial networks, of PnB and of PnB+.
    A band below full fine-tuning shows the margin.

    From the table of networks (with top-1 of the reporting images if present) and decision.csv. A
    panel for each source, kind of split, target size and, except on random splits, target.
    """
    table = panels.trained(networks[networks["kind"].isin([kind for kind, _ in SHOWN])])
    partial = table["kind"] == PARTIAL[0]
    table = table[partial | (table["n"] > 0) & ~panels.twins(table)]
    # Groups of sources have no networks, so they have no panel.
    decision_table = decision_table[decision_table["source"].fillna("").str.len() < 2]
    if decision_table.empty:
        return style.empty(
            "No decision: there are no partial networks except full fine-tuning (n = 0), or those "
            "with n = 0 did not learn."
        )
    table["score"] = table["top1_reporting"].fillna(table["top1"])
    seconds, unit = scale(table["seconds"])
    looks = panels.looks_of(table, SHOWN)
    places = panels.panels_of(table)
    verdicts = {place[:4]: place.rows for place in panels.panels_of(decision_table)}
    figure, grid = panels.panel_grid(places, "top-1 accuracy (%)", f"training time ({unit})")
    for axes, panel in zip(grid, places, strict=True):
        # No rows if full fine-tuning learned in no replicate.
        decided = verdicts.get(panel[:4], decision_table.iloc[:0])
        axes.margins(x=0.1, y=0.15)
        _draw(axes, panel, decided, looks, seconds)
        axes.set_xlim(left=0)
        axes.set_title(f"{panel.title}\n{_verdict(decided)}")
    handles = [look.sample() for look in looks.values()]
    margin = decision_table["margin"].iloc[0]
    handles.append(Patch(label=f"margin: {points(margin)} points below $n$ = 0", **BAND))
    layers = decision_table.drop_duplicates("n").set_index("n")["layer"].dropna()
    named_layers = ", ".join(f"{n} {layer}" for n, layer in layers.items() if layer)
    chosen = bool(decision_table["n_star"].fillna(0).gt(0).any())
    handles += [Line2D([], [], **CHOSEN)] * chosen
    lost = table[~table["learned"]]
    style.legend(figure, handles, lost=len(lost) > 0)
    style.note(
        figure,
        "Points, band and bars (two-sided): reporting images; verdict (one-sided): all validation "
        "images. Numbers: $n$ of partial networks. "
        f"Last frozen layer at each $n$: {named_layers or 'not named'}.",
        notes.intervals_are(decision_table["interval"]),
        "n*: all $n$ up to it cost less than the margin." if chosen else "",
        notes.not_learned(notes.names_of(lost)),
        notes.missing(networks),
    )
    return figure
