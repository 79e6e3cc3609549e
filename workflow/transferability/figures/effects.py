"""Figure 2 (below) of the paper: the treatments relative to their base."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from transferability.analysis.effects import EXCHANGEABLE
from transferability.analysis.treatments import EFFECTS
from transferability.analysis.vocabulary import bracket, points
from transferability.figures import notes, panels, style

TREATED = {effect.name: style.LOOKS[effect.treated] for effect in EFFECTS}
SHOWN = ("coadaptation", "self_boost", "transfer", "boost", "restart")
LINES = {name: TREATED[name] for name in SHOWN}
# Drawn as markers at n = 0.
RETRAINING = LINES["coadaptation"]._replace(label="B0B")
DRAWN = {**LINES, "long_base": TREATED["long_base"], "retraining": RETRAINING}
NO_EFFECTS = "This study has no selffer or transfer networks together with their base."
RELATIVE = "top-1 relative to baseB\n(percentage points)"
WORDS = {"effect": "effect", "value": "mean (points)", "points": "interval", "interval": "kind"}
WORDS |= {"replicates": "replicates", "n": "n", "layer": "layer"}
PUBLISHED = {"marker": "", "alpha": 0.5, "lw": 0.8, "zorder": 1, "label": "2014"}


def draw_relative(axes: Axes, lines: list[tuple[pd.DataFrame, style.Look]]) -> None:
    """Draws the base at zero, a line with intervals for each effect, and crosses for means with
    networks that did not learn."""
    panels.base_line(axes)
    for rows, look in lines:
        panels.draw_line(axes, panels.without_not_learned(rows), look)
    for rows, look in lines:
        lost = panels.with_not_learned(rows)
        words = lost.get("words", ())
        panels.draw_crosses(axes, lost["n"] + look.offset, 100 * lost["mean"], look, words)


def published_behind(
    panel: panels.Panel, reference: pd.DataFrame | None
) -> list[tuple[str, pd.DataFrame]]:
    """The effects of 2014 to draw behind a panel: those on random splits behind random splits,
    those of each target of other splits behind other splits."""
    if reference is None:
        return []
    full = reference["target_size"].astype(str) == "all"
    alike = (reference["split_kind"] == EXCHANGEABLE) == (panel.split_kind == EXCHANGEABLE)
    rows = reference[full & alike & reference["effect"].isin(list(LINES))].sort_values("n")
    return [(effect, line) for (effect, _), line in rows.groupby(["effect", "target"])]


def _words(table: pd.DataFrame) -> list[str]:
    """The words that a page shows for each effect."""
    value = [f"{100 * mean:z.2f}".replace("-", "−") for mean in table["mean"]]
    interval = [bracket(*ends) for ends in table[["low", "high"]].to_numpy(float)]
    return panels.in_lines(table.assign(value=value, points=interval), WORDS)


@style.styled()
def effects(effects_table: pd.DataFrame, reference: pd.DataFrame | None = None) -> Figure:
    """BnB, BnB+, AnB and AnB+ relative to their base (percentage points) against n.

    Drawn only from effects.csv: coadaptation, transfer, boost and self_boost as lines with interval
    bars; long_base and, with several replicates, retraining as markers at n = 0. There is a panel
    for each kind of split, target size and, except on random splits, target. `reference` is the
    effects.csv of the published networks, drawn faintly behind. Source: Yosinski et al. 2014,
    Figure 2, below.
    """
    table = effects_table[effects_table["effect"].isin(list(DRAWN))]
    if not table["effect"].isin(list(LINES)).any():
        return style.empty(NO_EFFECTS)
    table = table.assign(words=_words(table))
    places = panels.panels_of(table)
    drawn = {effect: panels.named(look, table) for effect, look in DRAWN.items()}
    figure, grid = panels.panel_grid(places, RELATIVE)
    for axes, panel in zip(grid, places, strict=True):
        rows = dict(list(panel.rows.groupby("effect")))
        if panel.replicates == 1 and "retraining" in rows:
            # One replicate does not show the size of the noise, so it is written and not drawn.
            drawn_once = panels.without_not_learned(rows.pop("retraining")).dropna(subset="mean")
            for mean, halves in zip(drawn_once["mean"], drawn_once["differences"], strict=True):
                count = "one retraining" if halves == 1 else f"mean of {halves} retrainings"
                axes.set_title(f"{panel.title}, {count}\nof baseB: {points(mean)} points")
        draw_relative(
            axes, [(rows[effect], look) for effect, look in drawn.items() if effect in rows]
        )
    handles = [Line2D([], [], color=style.INK, ls=":", label="baseB")]
    del drawn["retraining"]
    handles += [look.sample() for effect, look in drawn.items() if effect in set(table["effect"])]
    lost = notes.lost_in(table)
    for axes, panel in zip(grid, places, strict=True):
        panels.keep_limits(axes)
        for effect, rows in published_behind(panel, reference):
            look = {"color": LINES[effect].colour, "ls": LINES[effect].dashes, **PUBLISHED}
            axes.plot(rows["n"], 100 * rows["mean"], **look, **style.tag(drawn[effect].label))
        panels.label_ends(axes)
    if reference is not None:
        handles.append(Line2D([], [], color=style.GREY, **PUBLISHED))
    style.legend(figure, handles, lost=bool(lost))
    style.note(
        figure,
        notes.intervals_are(table.loc[table["effect"].isin(list(LINES)), "interval"]),
        lost,
        notes.missing(table),
        notes.halves(places),
        "2014: CaffeNet on ImageNet, at its own n." if reference is not None else "",
    )
    return figure
