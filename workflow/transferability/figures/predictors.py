"""How well cheap scores of layers predict the measured curves, beside depth alone."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.intervals import NO_INTERVAL
from transferability.analysis.predictors import DEPTH, MEASURED, OVER_LAYERS
from transferability.figures import notes, style
from transferability.figures.compare import TITLES
from transferability.figures.panels import panels_of, place_rows, reach, with_sources

NAMES = {
    **{"linear_probe": "linear probe", "knn": "kNN", "logme": "LogME", "cka": "CKA"},
    DEPTH: "depth alone",
}
HEIGHT = 1.5


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    """A point with its interval for each score, from top to bottom, and a line at that of depth."""
    rows = rows.set_index("predictor").reindex(list(NAMES)).reset_index()
    mean = rows.rename(columns={"correlation": "mean"})
    scores = rows["predictor"] != DEPTH
    for are, colour in ((scores, style.BLUE), (~scores, style.INK)):
        look = {"fmt": "o", "color": colour, "elinewidth": style.scaled(0.9)}
        axes.errorbar(mean["mean"][are], rows.index[are], xerr=reach(mean[are]), **look)
    axes.axvline(rows.loc[~scores, "correlation"].iloc[0], color=style.INK, ls=":", lw=0.8)
    axes.set_yticks(rows.index, rows["predictor"].map(NAMES))
    axes.set_ylim(len(NAMES) - 0.5, -0.5)


def leads(table: pd.DataFrame) -> str:
    """Which scores lead over depth, and by how much, in a sentence."""
    if (table["interval"] == NO_INTERVAL).all():
        return "One replicate: no intervals, so no score is said to lead over depth."
    above = table[table["lead_low"] > 0]
    if above.empty:
        return "No score leads over depth by an interval above zero."
    found = [
        f"{NAMES[row['predictor']]} by {row['lead']:.2f} "
        f"[{row['lead_low']:.2f}, {row['lead_high']:.2f}] in {row['effect'].replace('_', ' ')}"
        for row in above.to_dict("records")
    ]
    return f"Lead over depth, with an interval above zero: {'; '.join(found)}."


@style.styled(at_least=style.WIDTH)
def predictors(predictors_table: pd.DataFrame) -> Figure:
    """The rank correlation over n of each score with the measured effects: a row of panels for each
    kind of split, source, target and size, a panel for each effect.

    Drawn from predictors.csv, its rows `layers`. The dotted line is depth alone.
    """
    table = predictors_table[predictors_table["over"] == OVER_LAYERS]
    if table.empty:
        return style.empty(
            "No predictors: a rank correlation needs three n or more, of networks that copy layers "
            "and of their control."
        )
    effects = [effect for effect in MEASURED if effect in set(table["effect"])]
    panels = panels_of(table)
    figure, parts = place_rows(panels, HEIGHT)
    for part, panel in zip(parts, panels, strict=True):
        grid = part.subplots(1, len(effects), squeeze=False, sharex=True, sharey=True)[0]
        for axes, effect in zip(grid, effects, strict=True):
            _draw(axes, panel.rows[panel.rows["effect"] == effect])
            axes.set_title(with_sources(TITLES[effect], table))
            axes.set_xlim(-1.05, 1.05)
            axes.set_xlabel("rank correlation over $n$")
    ranked = sorted({int(count) for count in table["compared"]})
    style.note(
        figure,
        leads(table[table["predictor"] != DEPTH]),
        f"{' to '.join(map(str, {ranked[0]: 0, ranked[-1]: 0}))} values of $n$ are ranked.",
        "" if (table["interval"] == NO_INTERVAL).all() else notes.intervals_are(table["interval"]),
    )
    return figure
