"""Top-1 and training loss as training went on, a small panel for each treatment."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from transferability.figures.options import layout_width
from transferability.figures.panels import Panel, means, panels_of, trained, wilson
from transferability.figures.style import INK, LOOKS, WIDTH, empty, note, styled
from transferability.figures.words import T_INTERVALS, score_words

METRICS = {"top1": "top-1 (%)", "train_loss": "training loss"}
BASES = {"base": ("baseB", "-"), "long_base": ("base2B", (0, (1, 1)))}
KEY = ["split", "seed", "network"]


def time_of(evaluations: pd.DataFrame) -> str:
    """What the evaluations are drawn against: epochs, or iterations where these were counted, since
    halves of different size are evaluated at different shares of an epoch then."""
    return "epoch" if (evaluations["epoch"] % 1 == 0).all() else "iteration"


def curves(networks: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    """What the networks are, beside each of their evaluations; top-1 in %, and when as `time`."""
    told = evaluations[[*KEY, *METRICS]].assign(
        top1=100 * evaluations["top1"], time=evaluations[time_of(evaluations)]
    )
    return networks.drop(columns=list(METRICS)).merge(told, on=KEY)


def _draw(axes: Axes, mean: pd.DataFrame, colour: str, dashes="-") -> None:
    """The mean over replicates against time, with its t interval as a band."""
    axes.plot(mean["time"], mean["mean"], color=colour, linestyle=dashes, lw=1)
    axes.fill_between(mean["time"], mean["low"], mean["high"], color=colour, alpha=0.2, lw=0)


def _draw_row(
    line: list[Axes],
    rows: pd.DataFrame,
    metric: str,
    treatments: list[tuple[str, bool]],
    colours: dict[int, tuple],
) -> None:
    """One metric in one place: the bases first, then each treatment with its base in black."""
    mean = means(rows, metric, also=("time",))
    base = mean[mean["kind"] == "base"]
    for kind, (_, dashes) in BASES.items():
        own = mean[mean["kind"] == kind]
        if len(own):
            _draw(line[0], own, INK, dashes)
    for axes, (kind, fine_tuned) in zip(line[1:], treatments, strict=True):
        own = mean[(mean["kind"] == kind) & (mean["fine_tuned"] == fine_tuned)]
        if len(base):
            _draw(axes, base, INK)
        for n, of_layer in own.groupby("n"):
            _draw(axes, of_layer, colours[n])


def _interval_words(panels: list[Panel], networks: pd.DataFrame) -> str:
    if max(panel.replicates for panel in panels) > 1:
        return (
            f"Lines: means over replicates; bands: 95 % {T_INTERVALS}, none where there is one "
            "replicate."
        )
    base = networks[networks["kind"] == "base"].dropna(subset="top1")
    if base.empty or "validation_images" not in base or base["validation_images"].isna().all():
        return "No intervals over replicates, since there is one."
    reach = 100 * wilson(base["top1"], base["validation_images"]).max()
    return (
        "No intervals over replicates, since there is one; over a network's validation images "
        f"alone, a top-1 like the base's has a 95 % Wilson interval of ± {reach:.1f} points."
    )


@styled
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
        return empty("This study has no evaluations of trained networks.")
    told = curves(table, evaluations)
    panels = panels_of(told)
    present = set(zip(told["kind"], told["fine_tuned"], strict=True))
    treatments = [look for look in LOOKS if look in present and look[0] not in BASES]
    layers = sorted(told.loc[~told["kind"].isin(BASES), "n"].unique())
    # The palest colours are left to the paper.
    palette = sns.color_palette("viridis_r", len(layers) + 1)[1:]
    colours = dict(zip(layers, palette, strict=True))
    rows, columns = 2 * len(panels), 1 + len(treatments)
    figure = Figure(figsize=(layout_width(WIDTH), 0.9 + 1.45 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex="col")
    places = [(panel, metric) for panel in panels for metric in METRICS]
    for line, (panel, metric) in zip(grid, places, strict=True):
        _draw_row(list(line), panel.rows, metric, treatments, colours)
        label = METRICS[metric]
        line[0].set_ylabel(label if len(panels) == 1 else f"{panel.place}\n{label}")
        for axes, (kind, _) in zip(line[1:], treatments, strict=True):
            # Random features would press the curves of all others together.
            if kind == "random":
                axes.yaxis.set_major_locator(MaxNLocator(4))
                continue
            axes.sharey(line[0])
            axes.tick_params(labelleft=False)
        line[0].yaxis.set_major_locator(MaxNLocator(4))
    titles = ["bases", *(LOOKS[treatment].label for treatment in treatments)]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel(time_of(evaluations))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axes in grid.ravel():
        axes.spines[["top", "right"]].set_visible(False)
    handles = [
        Line2D([], [], color=INK, linestyle=dashes, label=label)
        for kind, (label, dashes) in BASES.items()
        if (told["kind"] == kind).any()
    ]
    handles += [Line2D([], [], color=colours[n], label=f"$n$ = {n}") for n in layers]
    figure.legend(handles=handles, loc="outside upper left", ncols=10, columnspacing=1.0)
    counts = "; ".join(f"{panel.place}: {panel.replicate_words}" for panel in panels)
    apart = f"{LOOKS['random', False].label} has vertical axes of its own."
    note(
        figure,
        f"{counts}.",
        apart if ("random", False) in treatments else "",
        _interval_words(panels, table),
        score_words(networks),
    )
    return figure
