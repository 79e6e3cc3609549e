"""Trained networks after one layer is reset to its values before training, and interpolations with
the network of another seed."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from transferability.analysis.effects import of_treatment
from transferability.figures import panels, style

HEIGHT = 2.2


@style.styled(at_least=style.WIDTH)
def mechanism(mechanism_table: pd.DataFrame) -> Figure:
    """Left: the change of top-1 (percentage points) when one layer is reset, for each trained
    layer. Right, if the study has several seeds: the loss barrier (nats) between networks of
    neighbouring seeds, against the number of copied layers.

    Drawn from mechanism.csv, with a line for each treatment whose weights are kept.
    """
    table = mechanism_table.assign(
        split_kind=mechanism_table["split"].str.replace(r"\d+$", "", regex=True)
    )
    back = table[(table["measure"] == "reinitialised") & (table["n"] > table["frozen"])]
    barrier = table.assign(n=table["copied"])[table["measure"] == "barrier"]
    if back.empty:
        return style.empty("No network's weights are kept.")
    places, looks = panels.panels_of(table), panels.looks_of(table)
    figure, parts = panels.place_rows(places, HEIGHT)
    layers = dict(zip(back["n"].astype(int), back["layer"], strict=True))
    for part, panel in zip(parts, places, strict=True):
        grid = part.subplots(1, 1 + bool(len(barrier)), squeeze=False)[0]
        for axes, rows, value, scale in zip(
            grid, (back, barrier), ("top1_change", "loss_change"), (100, 1), strict=False
        ):
            rows = rows[rows.index.isin(panel.rows.index)]
            panels.base_line(axes)
            for treatment, look in looks.items():
                of_n = panels.means(of_treatment(rows, treatment), value, ["n"])
                panels.draw_line(axes, of_n, look._replace(offset=0), scale=scale)
        panels.layer_axis(grid[0], dict(sorted(layers.items())), style.room() / len(grid) - 1)
        grid[0].set_xlabel("the layer that is reset")
        grid[0].set_ylabel("change of top-1\n(percentage points)")
        for axes in grid[1:]:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel("$n$, layers copied")
            axes.set_ylabel("loss barrier between\ntwo seeds (nats)")
    style.legend(figure, [look.sample() for look in looks.values()])
    style.note(
        figure,
        "Means over replicates and, for reset layers, over the $n$ of a treatment. A reset layer "
        "has its values from before training, a copied one those of its base. Frozen layers are "
        "left out, since a reset does not change them.",
    )
    return figure
