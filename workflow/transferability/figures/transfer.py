"""Top-1 of each network against n: figure 2 (above) and random features (figure 3)."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.effects import of_treatment
from transferability.analysis.treatments import BASE, RANDOM
from transferability.figures import notes, panels, style

# Random features are so low that all others would look flat: they have their own figure.
SHOWN = [treatment for treatment in style.LOOKS if treatment != RANDOM]
NO_NETWORKS = "This study has no selffer or transfer networks with a score."
NO_RANDOM = "This study has no networks with random features."
# The words that a page shows for a network, and for a mean.
WORDS = {"name": "network", "value": "top-1 (%)", "n": "n", "layer": "layer"}
MEAN_WORDS = {"treatment": "treatment", "value": "mean top-1 (%)", "networks": "networks"}
MEAN_WORDS |= {"n": "n", "layer": "layer"}
# The networks of one n are spread over this width (in layers) next to their mean.
SPREAD = 0.06


def _draw_networks(axes: Axes, rows: pd.DataFrame, look: style.Look) -> None:
    """Draws a line through the means of one treatment, in %, with small markers for its networks.
    The line has a gap where no network learned."""
    rows = rows.assign(top1=rows["top1"].where(rows["learned"]))
    panels.draw_line(axes, _means(rows, look), look)
    place = rows.groupby("n").cumcount() / rows.groupby("n")["n"].transform("size") - 0.5
    small = {"linestyle": "none", "ms": style.scaled(2.2), "mew": 0.5, "alpha": 0.6}
    x, y = rows["n"] + look.offset + SPREAD * place, 100 * rows["top1"]
    axes.plot(x, y, **look.style | small)
    panels.show_words(axes, x, y, look.label, rows["words"])


def _means(rows: pd.DataFrame, look: style.Look) -> pd.DataFrame:
    """The means of a treatment over its networks, and the words that a page shows for them."""
    means, of_n = panels.means(rows, "top1", ["n"]), rows.groupby("n")
    counts, layers = of_n["top1"].count().tolist(), of_n["layer"].first().tolist()
    label, top1 = look.label.replace("$n$", "n"), _percent(means["mean"])
    shown = means.assign(treatment=label, networks=counts, value=top1, layer=layers)
    return means.assign(words=panels.in_lines(shown, MEAN_WORDS))


def _percent(fractions: pd.Series) -> list[str]:
    return [f"{100 * fraction:.2f}" for fraction in fractions]


def _top1(networks: pd.DataFrame, shown: list[tuple[str, bool]], lack: str) -> Figure:
    table = panels.trained(networks[networks["kind"].isin([kind for kind, _ in shown])])
    # Leaves out treatments whose networks are all the same as partial ones.
    own = table.assign(own=~panels.twins(table)).groupby(["kind", "fine_tuned"])["own"]
    table = table[own.transform("any")]
    if table.empty:
        return style.empty(lack)
    named = table.assign(name=notes.names_of(table), value=_percent(table["top1"]))
    table = table.assign(words=panels.in_lines(named, WORDS))
    places = panels.panels_of(table)
    looks = panels.looks_of(table, shown)
    figure, grid = panels.panel_grid(places, "top-1 accuracy (%)")
    for axes, panel in zip(grid, places, strict=True):
        for treatment, look in looks.items():
            _draw_networks(axes, of_treatment(panel.rows, treatment), look)
        base = of_treatment(panel.rows[panel.rows["learned"]], BASE)
        for level in panels.means(base, "top1", ["n"])["mean"]:
            panels.base_line(axes, 100 * level)
        lost = panel.rows[~panel.rows["learned"]]
        for treatment, look in looks.items():
            rows = of_treatment(lost, treatment)
            x, y = rows["n"] + look.offset, 100 * rows["top1"]
            panels.draw_crosses(axes, x, y, look, rows["words"])
        panels.keep_limits(axes)
        axes.axhline(100 * panel.rows["chance"].mean(), color=style.GREY, lw=style.scaled(0.6))
        panels.label_ends(axes)
    lost = table[~table["learned"]]
    style.legend(figure, [look.sample() for look in looks.values()], lost=len(lost) > 0)
    style.note(
        figure,
        "Small markers: networks; lines: means.",
        f"Chance: {100 * table['chance'].mean():.2g} %.",
        notes.not_learned(notes.names_of(lost)),
        notes.missing(networks),
        notes.halves(places),
    )
    return figure


@style.styled()
def transfer(networks: pd.DataFrame) -> Figure:
    """Top-1 (%) of bases, BnB, BnB+, AnB and AnB+ against n, from the table of networks.

    There is a panel for each kind of split, target size and, except on random splits, target. At n
    = 0 are the bases and B0B, which copies nothing. Intervals are drawn only for paired
    differences, in `effects`. Source: Yosinski et al. 2014, Figure 2, above. Raises ValueError if a
    column is missing or a network is listed twice.
    """
    return _top1(networks, SHOWN, NO_NETWORKS)


@style.styled()
def random_features(networks: pd.DataFrame) -> Figure:
    """Like `transfer`, for RnB and its base. Source: Yosinski et al. 2014, Figure 3, middle."""
    return _top1(networks, [BASE, RANDOM], NO_RANDOM)
