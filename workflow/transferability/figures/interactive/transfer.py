"""Figure 2 above, to explore: top-1 against n."""

import pandas as pd

from transferability.analysis.intervals import NO_INTERVAL
from transferability.figures.interactive.chart import chart
from transferability.figures.interactive.marks import marks_of, plain
from transferability.figures.interactive.page import empty, page
from transferability.figures.panels import Panel, means, panels_of, trained, wilson
from transferability.figures.style import LOOKS, styled
from transferability.figures.transfer import SHOWN
from transferability.figures.words import network_lines, score_words, target_words, uneven_words

TITLE = "top-1 accuracy (%)"
NETWORKS = {"network": "network", "value": "top-1 (%)"}


@styled
def transfer(networks: pd.DataFrame) -> str:
    """The page of `figures.transfer`: its means, each with the networks that it is of.

    With one replicate a mark is a network, with its Wilson interval; with several it is a mean over
    replicates with its t interval. Percent of top-1. Source and errors as there.
    """
    table = trained(networks, {kind for kind, _ in SHOWN})
    if table.empty:
        return empty("This study has no selffer or transfer networks with a score.")
    panels = panels_of(table)
    marks = pd.concat([_networks(panel) for panel in panels], ignore_index=True)
    bases = marks[marks["treatment"] == plain(LOOKS["base", False].label)]
    levels = bases.groupby("panel", sort=False)["value"].mean().reset_index()
    present = set(zip(table["kind"], table["fine_tuned"], strict=True))
    looks = {plain(LOOKS[shown].label): LOOKS[shown] for shown in SHOWN if shown in present}
    uneven = [words for panel in panels if (words := uneven_words(panel, network_lines(panel)))]
    words = [
        "Dotted: baseB.",
        *uneven,
        "Distances between such lines are no paired effects." if uneven else "",
        score_words(networks),
        target_words(panels),
    ]
    return page(chart(marks, looks, levels, NETWORKS, TITLE), TITLE, words)


def _networks(panel: Panel) -> pd.DataFrame:
    by = ["kind", "fine_tuned", "n"]
    rows = panel.rows
    if panel.replicates == 1:
        images = rows.get("validation_images", pd.Series(float("nan"), rows.index))
        below, above = wilson(rows["top1"], images)
        marks = rows[[*by, "network"]].assign(
            mean=rows["top1"],
            low=rows["top1"] - below,
            high=rows["top1"] + above,
            interval=[
                NO_INTERVAL if pd.isna(count) else f"Wilson over {count:,.0f} validation images"
                for count in images
            ],
            replicates=1,
        )
    else:
        names = rows.groupby(by)["network"].agg(lambda found: ", ".join(sorted(set(found))))
        marks = means(rows, "top1").merge(names.reset_index(), on=by)
    looks = [LOOKS[key] for key in zip(marks["kind"], marks["fine_tuned"], strict=True)]
    return marks_of(marks, panel, looks)
