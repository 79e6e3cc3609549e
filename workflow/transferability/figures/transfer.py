"""Figure 2 above: top-1 against n, each network a marker."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.effects import of_treatment
from transferability.figures import notes, style
from transferability.figures.panels import means, panel_grid, panels_of, trained, with_wilson

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
        line = mean.assign(low=mean["mean"], high=mean["mean"])
        style.draw_means(axes, line, look, marker="none")
        style.draw_means(axes, with_wilson(beside), look, linestyle="none", label="networks")
    else:
        style.draw_single(axes, beside["n"] + look.offset, 100 * rows["top1"], look)
        style.draw_means(axes, mean, look)


@style.styled()
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
    figure, grid = panel_grid(panels, "top-1 accuracy (%)", tall=3.2, small=2.3, top=0.8)
    for axes, panel in zip(grid, panels, strict=True):
        for treatment in SHOWN:
            rows = of_treatment(panel.rows, treatment)
            if len(rows):
                draw_networks(axes, rows, style.LOOKS[treatment], panel.replicates[1])
        base = means(panel.rows[panel.rows["kind"] == "base"], "top1")
        if len(base):
            style.zero_line(axes, 100 * base["mean"].iloc[0])
    looks = [style.LOOKS[shown] for shown in SHOWN if len(of_treatment(table, shown))]
    style.legend(figure, [look.sample(f"{look.label}  {look.meaning}") for look in looks])
    style.note(
        figure,
        notes.markers(panels),
        notes.uneven_networks(panels, SHOWN),
        notes.halves(panels),
        notes.without_score(networks),
    )
    return figure
