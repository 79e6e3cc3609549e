"""How well cheap scores of layers predict the measured curves, compared with depth alone."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transferability.analysis.intervals import NO_INTERVAL
from transferability.analysis.predictors import DEPTH, MEASURED, OVER_LAYERS
from transferability.figures import notes, style
from transferability.figures.compare import panels_by_study
from transferability.figures.panels import Panel, place_rows, reach, with_sources

NAMES = {
    **{"linear_probe": "linear probe", "knn": "kNN", "logme": "LogME", "cka": "CKA"},
    DEPTH: "depth alone",
}
HEIGHT = 1.5


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    """Draws a point with its interval for each score, downwards, and a line at the depth score."""
    rows = rows.set_index("predictor").reindex(list(NAMES)).reset_index()
    mean = rows.rename(columns={"correlation": "mean"})
    scores = rows["predictor"] != DEPTH
    for are, colour in ((scores, style.BLUE), (~scores, style.INK)):
        look = {"fmt": "o", "color": colour, "elinewidth": style.scaled(0.9)}
        axes.errorbar(mean["mean"][are], rows.index[are], xerr=reach(mean[are]), **look)
    axes.axvline(rows.loc[~scores, "correlation"].iloc[0], color=style.INK, ls=":", lw=0.8)
    axes.set_yticks(rows.index, rows["predictor"].map(NAMES))
    axes.set_ylim(len(NAMES) - 0.5, -0.5)


def leads(panels: dict[str, Panel]) -> str:
    """A sentence that names the scores better than depth, and by how much."""
    if all((panel.rows["interval"] == NO_INTERVAL).all() for panel in panels.values()):
        return "One replicate: no intervals, so no score is claimed to be better than depth."
    found = [
        f"{NAMES[row['predictor']]} by {row['lead']:.2g} "
        f"[{row['lead_low']:.2g}, {row['lead_high']:.2g}] in {row['effect'].replace('_', ' ')}"
        f"{f' ({name})' if len(panels) > 1 else ''}"
        for name, panel in panels.items()
        for row in panel.rows[panel.rows["lead_low"] > 0].to_dict("records")
    ]
    if not found:
        return "No score has a lead over depth with an interval above zero."
    return f"Lead over depth, with an interval above zero: {'; '.join(found)}."


@style.styled(at_least=style.WIDTH)
def predictors(predictors_table: pd.DataFrame) -> Figure:
    """The rank correlation over n of each score with the measured effects: a row of panels for each
    study, kind of split, source, target and size, a panel for each effect.

    Drawn from the rows `layers` of predictors.csv. The dotted line is depth alone.
    """
    table = predictors_table[predictors_table["over"] == OVER_LAYERS]
    if table.empty:
        return style.empty(
            "No predictors: a rank correlation needs three n or more, of networks that copy layers "
            "and of their control."
        )
    said = leads(panels_by_study(table))
    # A study has only one of these two effects.
    table = table.assign(effect=table["effect"].replace("source_gap", "specificity"))
    effects = [effect for effect in MEASURED if effect in set(table["effect"])]
    panels = panels_by_study(table)
    figure, parts = place_rows([*panels.values()], HEIGHT)
    for part, (name, panel) in zip(parts, panels.items(), strict=True):
        if table["study"].nunique() > 1:
            part.suptitle(name, x=0.01, ha="left", fontsize="medium")
        grid = part.subplots(1, len(effects), squeeze=False, sharex=True, sharey=True)[0]
        for axes, effect in zip(grid, effects, strict=True):
            rows = panel.rows[panel.rows["effect"] == effect]
            if rows.empty:
                axes.remove()
                continue
            _draw(axes, rows)
            axes.set_title(with_sources(style.TITLES[effect], panel.rows))
            axes.set_xlim(-1.05, 1.05)
            axes.set_xlabel("rank correlation over $n$")
    ranked = " to ".join(
        dict.fromkeys(f"{table['compared'].agg(end):.0f}" for end in ("min", "max"))
    )
    style.note(
        figure,
        said,
        f"{ranked} values of $n$ are ranked.",
        "" if (table["interval"] == NO_INTERVAL).all() else notes.intervals_are(table["interval"]),
    )
    return figure
