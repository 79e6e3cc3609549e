"""Figure 3: a dissimilar split's two targets, random features, and all relative to their base."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.effects import EXCHANGEABLE, of_treatment
from transferability.figures import notes, style
from transferability.figures.panels import Panel, counted, means, panels_of, trained
from transferability.figures.transfer import draw_networks

BASE, TRANSFER, RANDOM = ("base", False), ("transfer", False), ("random", False)
TREATMENTS = {"transfer": TRANSFER, "random": RANDOM}
SHOWN = [BASE, TRANSFER, RANDOM]
# Each treatment's look on random splits, and on other splits by target.
COLOURS = {
    (TRANSFER, ""): (style.VERMILION, "^"),
    (TRANSFER, "B"): (style.PURPLE, "v"),
    (TRANSFER, "A"): (style.ORANGE, "<"),
    (RANDOM, ""): (style.GREEN, "s"),
    (RANDOM, "B"): (style.SKY, "P"),
    (RANDOM, "A"): ("#56636b", "X"),
}
# Layers over which lines of one n stand side by side, and at most those between two of them.
SPREAD, APART = 0.8, 0.15


def _look(treatment: tuple[str, bool], panel: Panel) -> style.Look:
    # A table may hold targets that are no half, such as all classes of a dataset.
    half = panel.pool if panel.pool in ("A", "B", "") else None
    colour, marker = COLOURS[treatment, half or ""]
    source = "R" if treatment == RANDOM else "B" if panel.pool == "A" else "A"
    name = f"{source}$n$" if half is None else f"{source}$n${half or 'B'}"
    look = style.LOOKS[treatment]
    dashes = style.DASHED if panel.pool == "A" else look.dashes
    label = f"{name}, {panel.splits}"
    return look._replace(label=label, colour=colour, marker=marker, dashes=dashes, offset=0.0)


def _beside(look: style.Look, place: int, count: int) -> style.Look:
    """The look of one of so many lines, moved so that they stand side by side."""
    return look._replace(offset=min(APART, SPREAD / count) * (place - (count - 1) / 2))


def _draw_top1(axes: Axes, panels: list[Panel], treatment: tuple[str, bool], title: str) -> None:
    """One treatment's networks in each panel's place, with their base at n = 0, in %."""
    for place, panel in enumerate(panels):
        look = _beside(_look(treatment, panel), place, len(panels))
        draw_networks(axes, of_treatment(panel.rows, treatment), look, panel.replicates[1])
        base = of_treatment(panel.rows, BASE)
        if len(base):
            of_base = look._replace(filled=False, label="base")
            draw_networks(axes, base, of_base, panel.replicates[1])
            style.zero_line(axes, 100 * means(base, "top1")["mean"].iloc[0], look.colour)
    rows = pd.concat([panel.rows for panel in panels])
    style.layer_axis(axes, rows.loc[rows["kind"] == treatment[0], "n"])
    axes.set_title(title)
    axes.set_ylabel("top-1 accuracy (%)")


def _draw_relative(axes: Axes, panels: list[Panel]) -> bool:
    """Transfer and random features relative to their base; True if any leave the panel below."""
    style.zero_line(axes)
    lines = _lines(panels)
    # At chance level random features would press all transfer into one line.
    table = pd.concat([rows for _, rows in lines])
    lows = 100 * table["low"].fillna(table["mean"])
    random = lows[table["effect"] == "random"]
    floor = 2 * min([0.0, *lows[table["effect"] == "transfer"]])
    leaves = len(random) > 0 and random.min() < floor < random.max()
    for place, (look, rows) in enumerate(lines):
        if leaves:
            # A line ends where it leaves the panel.
            below = 100 * rows["mean"] < floor
            rows = rows[~below.shift(fill_value=False).cummax()]
        style.draw_means(axes, rows, _beside(look, place, len(lines)))
    style.layer_axis(axes, table["n"])
    axes.set_title("relative to their base")
    axes.set_ylabel("top-1 relative to the base\n(percentage points)")
    if leaves:
        axes.set_ylim(bottom=floor)
    return leaves


def _lines(panels: list[Panel]) -> list[tuple[style.Look, pd.DataFrame]]:
    """The lines of the last panel, and the effects that each shows."""
    return [
        (_look(treatment, panel), panel.rows[panel.rows["effect"] == effect].sort_values("n"))
        for panel in panels
        for effect, treatment in TREATMENTS.items()
        if (panel.rows["effect"] == effect).any()
    ]


@style.styled(at_least=style.WIDTH)
def dissimilar(networks: pd.DataFrame, effects_table: pd.DataFrame) -> Figure:
    """Up to three panels, from the table of networks and from effects.csv: top-1 (%) of AnB and
    BnA on a split of dissimilar halves; top-1 of RnB; and transfer and random features relative
    to their own base (percentage points), on dissimilar and on random splits.

    What the study lacks is left out. A row for each target size. Source: Yosinski et al. 2014,
    Figure 3. Raises ValueError when a column is missing or a network is listed twice.
    """
    relative = effects_table[effects_table["effect"].isin(list(TREATMENTS))]
    panels, effect_panels = panels_of(trained(networks)), panels_of(relative)
    sizes = list(dict.fromkeys(panel.target_size for panel in effect_panels))
    if not sizes:
        return style.empty("This study has no transfer or random networks beside their base.")
    halves, random = (
        [panel for panel in panels if len(of_treatment(panel.rows, treatment))]
        for treatment in (TRANSFER, RANDOM)
    )
    halves = [panel for panel in halves if panel.split_kind != EXCHANGEABLE]
    columns = [("dissimilar halves", halves, TRANSFER), ("random features", random, RANDOM)]
    columns = [column for column in columns if column[1]]
    figure = style.new_figure(1.3 + 2.3 * len(sizes))
    # The last panel has the most lines.
    ratios = [*(1.0 for _ in columns), 1.3]
    grid = figure.subplots(len(sizes), len(ratios), squeeze=False, width_ratios=ratios)
    leaves = False
    for size, line in zip(sizes, grid, strict=True):
        suffix = "" if size == "all" else f", {size} images a class"
        for axes, (title, shown, treatment) in zip(line, columns, strict=False):
            of_size = [panel for panel in shown if panel.target_size == size]
            if of_size:
                _draw_top1(axes, of_size, treatment, title + suffix)
            else:
                axes.set_axis_off()
        leaves |= _draw_relative(line[-1], [p for p in effect_panels if p.target_size == size])
    samples = {
        look.label: look.sample(f"{look.label} ({counted(rows['replicates'], 'replicate')})")
        for look, rows in _lines(effect_panels)
    }
    style.legend(figure, list(samples.values()))
    drawn = halves + random
    style.note(
        figure,
        f"Open markers at n = 0: bases. {notes.markers(drawn)}" if drawn else "",
        notes.halves(effect_panels, everywhere=False),
        notes.intervals_are(relative["interval"], "Relative to the base"),
        notes.uneven_networks(panels, SHOWN),
        "Random features leave the last panel below." if leaves else "",
        notes.without_score(networks),
    )
    return figure
