"""Figure 3: a dissimilar split's two targets, random features, and all relative to their base."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.effects import EXCHANGEABLE
from transferability.figures.options import layout_width
from transferability.figures.panels import Panel, means, panels_of, trained
from transferability.figures.relative import draw_relative
from transferability.figures.style import (
    DASHED,
    GREEN,
    INK,
    LOOKS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    WIDTH,
    Look,
    counted,
    empty,
    layer_axis,
    legend,
    note,
    sample,
    styled,
)
from transferability.figures.transfer import draw_networks, marker_words
from transferability.figures.words import (
    half_words,
    interval_words,
    network_lines,
    score_words,
    uneven_words,
)

TRANSFER, RANDOM = ("transfer", False), ("random", False)
SHOWN = [("base", False), TRANSFER, RANDOM]
# Each treatment's look on random splits, and on other splits by target.
COLOURS = {
    (TRANSFER, ""): (VERMILION, "^"),
    (TRANSFER, "B"): (PURPLE, "v"),
    (TRANSFER, "A"): (ORANGE, "<"),
    (RANDOM, ""): (GREEN, "s"),
    (RANDOM, "B"): (SKY, "P"),
    (RANDOM, "A"): ("#56636b", "X"),
}
# Bands of more lines than this would cover one another: those have bars, side by side, which
# take up so much of a layer.
BANDS, SPREAD = 2, 0.8


def _look(treatment: tuple[str, bool], panel: Panel) -> Look:
    # A table may hold targets that are no half, such as all classes of a dataset.
    half = panel.pool if panel.pool in ("A", "B", "") else None
    colour, marker = COLOURS[treatment, half or ""]
    source = "R" if treatment == RANDOM else "B" if panel.pool == "A" else "A"
    name = f"{source}$n$" if half is None else f"{source}$n${half or 'B'}"
    return LOOKS[treatment]._replace(
        label=f"{name}, {panel.splits}",
        colour=colour,
        marker=marker,
        dashes=DASHED if panel.pool == "A" else LOOKS[treatment].dashes,
        offset=0.0,
    )


def _draw_top1(axes: Axes, panels: list[Panel], treatment: tuple[str, bool], title: str) -> None:
    """One treatment's networks in each panel's place, with their base at n = 0, in %."""
    kind, fine_tuned = treatment
    layers = {0}
    for number, panel in enumerate(panels):
        rows = panel.rows
        look = _look(treatment, panel)._replace(offset=0.15 * (number - (len(panels) - 1) / 2))
        own = rows[(rows["kind"] == kind) & (rows["fine_tuned"] == fine_tuned)]
        draw_networks(axes, own, look, panel.replicates)
        base = rows[rows["kind"] == "base"]
        if len(base):
            draw_networks(axes, base, look._replace(filled=False), panel.replicates)
            level = 100 * means(base, "top1")["mean"].iloc[0]
            axes.axhline(level, color=look.colour, lw=0.7, ls=":")
        layers |= set(own["n"])
    layer_axis(axes, sorted(layers))
    axes.set_title(title)
    axes.set_ylabel("top-1 accuracy (%)")


def _draw_relative(axes: Axes, panels: list[Panel]) -> bool:
    """Transfer and random features relative to their base; True if some leave the panel below."""
    axes.axhline(0, color=INK, lw=0.8, ls=":")
    lines = _lines(panels)
    floor = _floor(lines)
    layers = {0}
    dodge = SPREAD / len(lines) if len(lines) > BANDS else 0.0
    for place, (panel, effect, treatment) in enumerate(lines):
        rows = panel.rows[panel.rows["effect"] == effect].sort_values("n")
        layers |= set(rows["n"])
        if floor is not None:
            # Those that stand beside a visible one stay, so that a line leaves the panel.
            seen = 100 * rows["mean"] > 0.95 * floor
            rows = rows[seen | seen.shift(1, fill_value=False) | seen.shift(-1, fill_value=False)]
        look = _look(treatment, panel)._replace(offset=dodge * (place - (len(lines) - 1) / 2))
        draw_relative(axes, rows, look, look.label, band=len(lines) <= BANDS)
    layer_axis(axes, sorted(layers))
    axes.set_xlim(-0.5, max(layers) + 0.5)
    axes.set_title("relative to their base")
    axes.set_ylabel("top-1 relative to the base\n(percentage points)")
    if floor is not None:
        axes.set_ylim(bottom=floor)
    return floor is not None


def _floor(lines: list[tuple[Panel, str, tuple[str, bool]]]) -> float | None:
    """Where the last panel ends below, if random features run further down: at chance level they
    would press all transfer into one line."""
    lows = {TRANSFER: [0.0], RANDOM: []}
    for panel, effect, treatment in lines:
        rows = panel.rows[panel.rows["effect"] == effect]
        lows[treatment] += list(100 * rows["low"].fillna(rows["mean"]))
    floor = 2 * min(lows[TRANSFER])
    leaves = any(low < floor for low in lows[RANDOM]) and any(low > floor for low in lows[RANDOM])
    return floor if leaves else None


def _lines(panels: list[Panel]) -> list[tuple[Panel, str, tuple[str, bool]]]:
    """The lines of the last panel: a panel of the table, an effect, and its treatment."""
    return [
        (panel, effect, treatment)
        for panel in panels
        for effect, treatment in (("transfer", TRANSFER), ("random", RANDOM))
        if (panel.rows["effect"] == effect).any()
    ]


def _has(panel: Panel, kind: str) -> bool:
    treated = (panel.rows["kind"] == kind) & ~panel.rows["fine_tuned"]
    return bool((treated & (panel.rows["n"] > 0)).any())


@styled
def dissimilar(networks: pd.DataFrame, effects_table: pd.DataFrame) -> Figure:
    """Up to three panels, from the table of networks and from effects.csv: top-1 (%) of AnB and
    BnA on a split of dissimilar halves; top-1 of RnB; and transfer and random features relative
    to their own base (percentage points), on dissimilar and on random splits.

    What the study lacks is left out. A row for each target size. Source: Yosinski et al. 2014,
    Figure 3. Raises ValueError when a column is missing or a network is listed twice.
    """
    table = trained(networks)
    relative = effects_table[effects_table["effect"].isin(["transfer", "random"])]
    all_panels, effect_panels = panels_of(table), panels_of(relative)
    sizes = list(dict.fromkeys(panel.target_size for panel in effect_panels))
    if not sizes:
        return empty("This study has no transfer or random networks beside their base.")
    rows = []
    for size in sizes:
        panels = [panel for panel in all_panels if panel.target_size == size]
        halves = [p for p in panels if p.split_kind != EXCHANGEABLE and _has(p, "transfer")]
        rows.append((size, halves, [panel for panel in panels if _has(panel, "random")]))
    titles = []
    titles += ["dissimilar halves"] if any(halves for _, halves, _ in rows) else []
    titles += ["random features"] if any(random for _, _, random in rows) else []
    figure = Figure(figsize=(layout_width(WIDTH), 1.3 + 2.3 * len(rows)), layout="constrained")
    # The last panel has the most lines.
    ratios = [*(1.0 for _ in titles), 1.3]
    grid = figure.subplots(len(rows), len(ratios), squeeze=False, width_ratios=ratios)
    leaves = False
    drawn: list[Panel] = []
    for (size, halves, random), line in zip(rows, grid, strict=True):
        suffix = "" if size == "all" else f", {size} images a class"
        for axes, title in zip(line, titles, strict=False):
            shown, treatment = (
                (random, RANDOM) if title == "random features" else (halves, TRANSFER)
            )
            _draw_top1(axes, shown, treatment, title + suffix)
            drawn += shown
        beside = [panel for panel in effect_panels if panel.target_size == size]
        leaves |= _draw_relative(line[-1], beside)
    for axes in grid.ravel():
        axes.spines[["top", "right"]].set_visible(False)
    legend(figure, _legend(effect_panels))
    note(
        figure,
        "Open markers at n = 0: bases." if drawn else "",
        *(marker_words(drawn) if drawn else []),
        half_words(effect_panels),
        interval_words(relative["interval"], "Relative to the base"),
        *(uneven_words(panel, network_lines(panel, SHOWN)) for panel in all_panels),
        "Random features leave the last panel below." if leaves else "",
        score_words(networks),
    )
    return figure


def _legend(panels: list[Panel]) -> list:
    looks = {}
    for panel, effect, treatment in _lines(panels):
        replicates = panel.rows.loc[panel.rows["effect"] == effect, "replicates"]
        look = _look(treatment, panel)
        looks[look.label] = sample(look, f"{look.label} ({counted(replicates, 'replicate')})")
    return list(looks.values())
