"""Figure 2 above: top-1 against n, each network a marker."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.figures.panels import (
    Panel,
    means,
    panel_grid,
    panels_of,
    reach,
    trained,
    wilson,
)
from transferability.figures.style import (
    LOOKS,
    Look,
    counted,
    empty,
    face,
    layer_axis,
    legend,
    note,
    sample,
    styled,
)
from transferability.figures.words import (
    T_INTERVALS,
    network_lines,
    score_words,
    target_words,
    uneven_words,
)

# Random features fall so far that they would flatten all others: they have a figure of their own.
SHOWN = [treatment for treatment in LOOKS if treatment[0] != "random"]
JITTER = 0.03


def draw_networks(axes: Axes, rows: pd.DataFrame, look: Look, replicates: int) -> None:
    """The markers of the networks of one treatment, and the line through their means, in %.

    With one replicate each marker has its Wilson interval; with several, each mean its t interval.
    """
    rows = rows.sort_values(["n", "split", "seed", "target"])
    place = rows.groupby("n").cumcount()
    last = rows.groupby("n")["n"].transform("size") - 1
    jitter = JITTER * (2 * place / last.clip(lower=1) - (last > 0))
    x = rows["n"] + look.offset + jitter
    marks = {"color": look.colour, "marker": look.marker, "linestyle": "none"}
    mean = means(rows, "top1")
    at = mean["n"] + look.offset
    if len(mean) > 1:
        axes.plot(
            at, 100 * mean["mean"], color=look.colour, linestyle=look.dashes, label=look.label
        )
    if replicates == 1:
        known = rows.get("validation_images", pd.Series(np.nan, rows.index))
        bars = 100 * wilson(rows["top1"], known)
        axes.errorbar(x, 100 * rows["top1"], bars, mfc=face(look), elinewidth=0.8, **marks)
        return
    axes.plot(x, 100 * rows["top1"], markersize=2.5, alpha=0.45, mfc=face(look), mew=0.5, **marks)
    axes.errorbar(at, 100 * mean["mean"], 100 * reach(mean), mfc=face(look), elinewidth=1, **marks)


def _draw_panel(axes: Axes, panel: Panel) -> None:
    rows = panel.rows
    base = means(rows[rows["kind"] == "base"], "top1")
    if len(base):
        axes.axhline(100 * base["mean"].iloc[0], color=LOOKS["base", False].colour, lw=0.7, ls=":")
    for kind, fine_tuned in SHOWN:
        own = rows[(rows["kind"] == kind) & (rows["fine_tuned"] == fine_tuned)]
        if len(own):
            draw_networks(axes, own, LOOKS[kind, fine_tuned], panel.replicates)
    layer_axis(axes, sorted({0, *rows["n"]}))
    axes.set_title(panel.title)


def marker_words(panels: list[Panel]) -> list[str]:
    """Sentences on markers and intervals of panels that `draw_networks` filled."""
    rows = pd.concat([panel.rows for panel in panels])
    single = [panel.rows for panel in panels if panel.replicates == 1]
    words = []
    if len(single) < len(panels):
        alone = any(panel.fewest == 1 < panel.replicates for panel in panels)
        without = ", none where one replicate is left" if alone else ""
        words.append(
            f"Small markers: networks. Large markers with bars: means with 95 % {T_INTERVALS}"
            f"{without}."
        )
    if single and "validation_images" in rows and rows["validation_images"].notna().any():
        images = counted(
            pd.concat(single)["validation_images"].dropna().astype(int), "validation image"
        )
        words.append(
            f"{'With one replicate, markers' if len(words) else 'Markers'}: networks, with 95 % "
            f"Wilson intervals over their {images}, which "
            "know nothing of training noise; a bar shorter than its marker does not show."
        )
    elif single:
        words.append("One replicate, number of validation images not known: no intervals.")
    if any(rows["target"].nunique() > 1 for rows in single):
        words.append(
            "Where there are two markers, they are the networks of both targets, and lines run "
            "through their means."
        )
    return words


@styled
def transfer(networks: pd.DataFrame) -> Figure:
    """Top-1 (%) of bases, BnB, BnB+, AnB and AnB+ against n, from the table of networks.

    A panel for each kind of split, target size and, except on random splits, target. n = 0 are
    the bases (and B0B, which copies nothing). Source: Yosinski et al. 2014, Figure 2, above.
    Raises ValueError when a column is missing or a network is listed twice.
    """
    table = trained(networks, {kind for kind, _ in SHOWN})
    if table.empty:
        return empty("This study has no selffer or transfer networks with a score.")
    panels = panels_of(table)
    figure, grid = panel_grid(panels, tall=3.2, small=2.3, top=0.8)
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel)
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("top-1 accuracy (%)")
        axes.spines[["top", "right"]].set_visible(False)
    present = set(zip(table["kind"], table["fine_tuned"], strict=True))
    looks = [look for treatment, look in LOOKS.items() if treatment in present]
    legend(figure, [sample(look, f"{look.label}  {look.meaning}") for look in looks])
    uneven = [words for panel in panels if (words := uneven_words(panel, network_lines(panel)))]
    note(
        figure,
        *marker_words(panels),
        *uneven,
        "Distances between such lines are no paired effects." if uneven else "",
        target_words(panels),
        score_words(networks),
    )
    return figure
