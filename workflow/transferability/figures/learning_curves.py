"""Top-1 and training loss as training went on, a small panel for each treatment."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from transferability.analysis.effects import of_treatment
from transferability.figures import notes, style
from transferability.figures.panels import means, panels_of, trained, with_wilson

METRICS = {"top1": "top-1 (%)", "train_loss": "training loss"}
BASES = {"base": ("baseB", "-"), "long_base": ("base2B", (0, (1, 1)))}
RANDOM = ("random", False)
KEY = ["split", "seed", "network"]


def _draw(axes: Axes, mean: pd.DataFrame, colour: str, dashes="-") -> None:
    """The mean over replicates against time, with its t interval as a band."""
    axes.plot(mean["time"], mean["mean"], color=colour, linestyle=dashes, lw=style.scaled(1))
    axes.fill_between(mean["time"], mean["low"], mean["high"], color=colour, alpha=0.2, lw=0)


def _draw_row(
    line: list[Axes], mean: pd.DataFrame, treatments: list[tuple], colours: dict[int, str]
) -> None:
    """One metric in one place: the bases first, then each treatment with its base in black."""
    for kind, (_, dashes) in BASES.items():
        _draw(line[0], mean[mean["kind"] == kind], style.INK, dashes)
    for axes, treatment in zip(line[1:], treatments, strict=True):
        _draw(axes, mean[mean["kind"] == "base"], style.INK)
        for n, of_layer in of_treatment(mean, treatment).groupby("n"):
            _draw(axes, of_layer, colours[n])
        # Random features would press the curves of all others together.
        if treatment != RANDOM:
            axes.sharey(line[0])
            axes.tick_params(labelleft=False)
    for axes in line:
        axes.yaxis.set_major_locator(MaxNLocator(4))


def _interval_words(replicates: int, networks: pd.DataFrame) -> str:
    if replicates > 1:
        return f"Lines: means over replicates; bands: 95 % {notes.T_INTERVALS}."
    base = with_wilson(networks[networks["kind"] == "base"])
    reach = 100 * pd.DataFrame(style.reach(base)).max(axis=None)
    over_images = (
        " Over validation images alone, a top-1 like the base's has a 95 % Wilson interval of "
        f"± {reach:.1f} points."
    )
    return "No intervals: one replicate." + (over_images if reach > 0 else "")


@style.styled(at_least=style.WIDTH)
def learning_curves(networks: pd.DataFrame, evaluations: pd.DataFrame) -> Figure:
    """Validation top-1 (%) and training loss against epochs or iterations, for each treatment; n in
    colour.

    `evaluations` has a row for each evaluation of each (split, seed, network), with the columns
    epoch, iteration, top1 (fraction) and train_loss. With several replicates, means with t
    intervals. Two rows of panels for each kind of split, target size and, except on random splits,
    target. Raises ValueError when a column is missing or a network is listed twice.
    """
    table = trained(networks)
    if table.empty or evaluations.empty:
        return style.empty("This study has no evaluations of trained networks.")
    # Where iterations were counted, halves of different size are evaluated at different shares of
    # an epoch, which no mean could be over.
    time = "epoch" if (evaluations["epoch"] % 1 == 0).all() else "iteration"
    evaluated = evaluations[[*KEY, *METRICS]].assign(
        top1=100 * evaluations["top1"], time=evaluations[time]
    )
    curves = table.drop(columns=list(METRICS)).merge(evaluated, on=KEY)
    panels = panels_of(curves)
    treated = curves[~curves["kind"].isin(BASES)]
    treatments = [shown for shown in style.LOOKS if len(of_treatment(treated, shown))]
    colours = style.layer_palette(sorted(treated["n"].unique()))
    places = [(panel, metric) for panel in panels for metric in METRICS]
    figure = style.new_figure(0.9 + 1.45 * len(places))
    grid = figure.subplots(len(places), 1 + len(treatments), squeeze=False, sharex="col")
    for line, (panel, metric) in zip(grid, places, strict=True):
        _draw_row(list(line), means(panel.rows, metric, also=("time",)), treatments, colours)
        label = METRICS[metric]
        line[0].set_ylabel(label if len(panels) == 1 else f"{panel.place}\n{label}")
    titles = ["bases", *(style.LOOKS[treatment].label for treatment in treatments)]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel(time)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    handles = [
        Line2D([], [], color=style.INK, linestyle=dashes, label=label)
        for kind, (label, dashes) in BASES.items()
        if (curves["kind"] == kind).any()
    ]
    handles += [Line2D([], [], color=colour, label=f"$n$ = {n}") for n, colour in colours.items()]
    style.legend(figure, handles, column=0.7, columnspacing=1.0)
    counts = "; ".join(f"{panel.place}: {panel.replicate_words}" for panel in panels)
    random = f"{style.LOOKS[RANDOM].label} has vertical axes of its own."
    style.note(
        figure,
        f"{counts}.",
        random if RANDOM in treatments else "",
        _interval_words(max(panel.replicates[1] for panel in panels), table),
        notes.without_score(networks),
    )
    return figure
