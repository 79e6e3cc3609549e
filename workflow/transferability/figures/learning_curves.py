"""Top-1 and training loss during training, in a small panel for each treatment."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from transferability.analysis.effects import of_treatment
from transferability.analysis.treatments import BASE, LONG_BASE, RANDOM
from transferability.figures import notes, panels, style

METRICS = {"top1": "top-1 (%)", "train_loss": "training loss"}
KEY = ["split", "seed", "network"]
ROW = 1.45
NOT_LEARNED = {"color": style.VERMILION, "ls": style.DOTTED, "lw": 0.8}


def _draw(axes: Axes, curves: pd.DataFrame, metric: str, colour: str, dashes="-") -> None:
    """Draws the mean of the networks that learned against time."""
    mean = panels.means(curves[curves["learned"]], metric, ["time"])
    axes.plot(mean["time"], mean["mean"], color=colour, ls=dashes, lw=style.scaled(1))


def _draw_row(
    line: list[Axes], rows: pd.DataFrame, metric: str, columns: list, colours: dict[int, str]
) -> None:
    """Draws one metric of one place: the long base, then each treatment, with the base in black."""
    base = of_treatment(rows, BASE)
    for axes, treatment in zip(line, columns, strict=True):
        _draw(axes, base, metric, style.INK)
        for n, of_layer in of_treatment(rows, treatment).groupby("n"):
            look = (style.INK, style.DOTTED) if treatment == LONG_BASE else (colours[n],)
            _draw(axes, of_layer, metric, *look)
        # With the range of random features, all other curves would be too flat.
        if treatment not in (LONG_BASE, RANDOM):
            axes.sharey(line[0])
            axes.tick_params(labelleft=False)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axes, treatment in zip(line, columns, strict=True):
        panels.keep_limits(axes)
        of_column = pd.concat([base, of_treatment(rows, treatment)])
        for _, curve in of_column[~of_column["learned"]].groupby(KEY):
            axes.plot(curve["time"], curve[metric], **NOT_LEARNED)
    line[0].set_ylabel(METRICS[metric])


@style.styled(at_least=style.WIDTH)
def learning_curves(networks: pd.DataFrame, evaluations: pd.DataFrame) -> Figure:
    """Validation top-1 (%) and training loss against epochs or iterations for each treatment; the
    colour shows n.

    `evaluations` has a row for each evaluation of each (split, seed, network), with the columns
    epoch, iteration, top1 (fraction) and train_loss. There are two rows of panels for each kind of
    split, target size and, except on random splits, target. Raises ValueError if a column is
    missing or a network is listed twice.
    """
    table = panels.trained(networks)
    if table.empty or evaluations.empty:
        return style.empty("This study has no evaluations of trained networks.")
    # If the recipe counts iterations, halves of different sizes are evaluated at different shares
    # of an epoch, so no mean over them is possible.
    time = "epoch" if (evaluations["epoch"] % 1 == 0).all() else "iteration"
    evaluated = evaluations[[*KEY, *METRICS]].assign(
        top1=100 * evaluations["top1"], time=evaluations[time]
    )
    curves = table.drop(columns=list(METRICS)).merge(evaluated, on=KEY)
    places = panels.panels_of(curves)
    shown = panels.looks_of(curves, {*style.LOOKS} - {BASE, LONG_BASE})
    columns, titles = [*shown], ["bases", *(look.label for look in shown.values())]
    layers = panels.layer_names(curves[curves["kind"].isin([kind for kind, _ in columns])])
    colours = style.layer_palette(list(layers))
    figure, parts = panels.place_rows(places, ROW * len(METRICS))
    for part, panel in zip(parts, places, strict=True):
        grid = part.subplots(len(METRICS), len(titles), sharex="col", squeeze=False)
        for line, metric in zip(grid, METRICS, strict=True):
            _draw_row(list(line), panel.rows, metric, [LONG_BASE, *columns], colours)
        for top, below, title in zip(grid[0], grid[-1], titles, strict=True):
            top.set_title(title)
            below.set_xlabel(time)
    looks = {"baseB": (style.INK, "-"), "base2B": (style.INK, style.DOTTED)}
    looks |= {panels.with_layer(n, layers[n]): (colour, "-") for n, colour in colours.items()}
    style.legend(
        figure,
        [Line2D([], [], color=colour, ls=ls, label=label) for label, (colour, ls) in looks.items()],
        column=1.1,
    )
    lost = notes.names_of(table[~table["learned"]])
    style.note(
        figure,
        "Lines: means over networks.",
        "R$n$B has another vertical scale." if RANDOM in columns else "",
        notes.not_learned(lost, "Thin dotted lines did not learn and are left out of means"),
        notes.missing(networks),
    )
    return figure
