"""Figure 2 above: top-1 against n, each network a marker."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.figures import style
from transferability.figures.panels import (
    T_INTERVALS,
    Panel,
    counted,
    draw_means,
    draw_single,
    half_words,
    means,
    network_means,
    panel_grid,
    panels_of,
    score_words,
    trained,
    uneven_words,
    with_wilson,
    zero_line,
)

# Random features fall so far that they would flatten all others: they have a figure of their own.
SHOWN = [treatment for treatment in style.LOOKS if treatment[0] != "random"]
NO_NETWORKS = "This study has no selffer or transfer networks with a score."
# Layers between the networks of one n.
JITTER = 0.03


def draw_networks(axes: Axes, rows: pd.DataFrame, look: style.Look, replicates: int) -> None:
    """The markers of the networks of one treatment, and the line through their means, in %.

    With one replicate each marker has its Wilson interval; with several, each mean its t interval.
    """
    rows = rows.sort_values(["n", "split", "seed", "target"])
    place = rows.groupby("n").cumcount()
    last = rows.groupby("n")["n"].transform("size") - 1
    beside = rows.assign(n=rows["n"] + JITTER * (2 * place / last.clip(lower=1) - (last > 0)))
    mean = means(rows, "top1")
    if replicates == 1:
        draw_means(axes, mean.assign(low=mean["mean"], high=mean["mean"]), look, marker="none")
        draw_means(axes, with_wilson(beside), look, linestyle="none", label="networks")
        return
    draw_single(axes, beside["n"] + look.offset, 100 * rows["top1"], look)
    draw_means(axes, mean, look)


def _draw_panel(axes: Axes, panel: Panel) -> None:
    rows = panel.rows
    for treatment in SHOWN:
        of_treatment = (rows["kind"] == treatment[0]) & (rows["fine_tuned"] == treatment[1])
        if of_treatment.any():
            draw_networks(axes, rows[of_treatment], style.LOOKS[treatment], panel.replicates[1])
    base = means(rows[rows["kind"] == "base"], "top1")
    if len(base):
        zero_line(axes, 100 * base["mean"].iloc[0])
    style.layer_axis(axes, rows["n"])
    axes.set_title(panel.title)


def marker_words(panels: list[Panel]) -> str:
    """Sentences on markers and intervals of panels that `draw_networks` filled."""
    single = [panel.rows for panel in panels if panel.replicates[1] == 1]
    words = []
    if len(single) < len(panels):
        words.append(f"Small markers: networks. Large markers: means with 95 % {T_INTERVALS}.")
    if single:
        where = "Markers of one replicate" if words else "Markers"
        images = pd.concat(single).get("validation_images", pd.Series()).dropna().astype(int)
        intervals = (
            f"with 95 % Wilson intervals over {counted(images, 'validation image')} (without "
            "training noise)"
            if len(images)
            else "without intervals"
        )
        words.append(f"{where}: networks {intervals}.")
    if any(rows["target"].nunique() > 1 for rows in single):
        words.append("Two markers: the networks of both targets, whose mean the line is.")
    return " ".join(words)


@style.styled
def transfer(networks: pd.DataFrame) -> Figure:
    """Top-1 (%) of bases, BnB, BnB+, AnB and AnB+ against n, from the table of networks.

    A panel for each kind of split, target size and, except on random splits, target. n = 0 are
    the bases (and B0B, which copies nothing). Source: Yosinski et al. 2014, Figure 2, above.
    Raises ValueError when a column is missing or a network is listed twice.
    """
    table = trained(networks, {kind for kind, _ in SHOWN})
    if table.empty:
        return style.empty(NO_NETWORKS)
    panels = panels_of(table)
    figure, grid = panel_grid(panels, tall=3.2, small=2.3, top=0.8)
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel)
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("top-1 accuracy (%)")
    present = set(zip(table["kind"], table["fine_tuned"], strict=True))
    looks = [look for treatment, look in style.LOOKS.items() if treatment in present]
    style.legend(figure, [look.sample(f"{look.label}  {look.meaning}") for look in looks])
    style.note(
        figure,
        marker_words(panels),
        *(uneven_words(panel, network_means(panel, SHOWN)) for panel in panels),
        half_words(panels),
        score_words(networks),
    )
    return figure
