"""Figure 3 of the paper: transfer between dissimilar halves, compared with random splits."""

import pandas as pd
from matplotlib.figure import Figure

from transferability.analysis.effects import EXCHANGEABLE
from transferability.figures import notes, style
from transferability.figures.effects import RELATIVE, draw_relative
from transferability.figures.panels import TALL, Panel, label_ends, panels_of, size_rows
from transferability.study.networks import ALL_IMAGES

# The look for random splits, then those for the targets of other splits.
RANDOM = style.LOOKS["transfer", False]
OTHERS = (
    style.Look("", "", style.PURPLE, "v"),
    style.Look("", "", style.BLUE, "<", dashes=style.DASHED),
    style.Look("", "", style.GREEN, ">", dashes=style.DOTTED),
    style.Look("", "", style.ORANGE, "P", dashes=style.DASHED),
)
# The distance between the lines at one n, in layers.
APART = 0.08


def _look(panel: Panel, number: int, count: int) -> style.Look:
    """The look of the transfer networks of a place, line `number` of `count`."""
    look = RANDOM if panel.split_kind == EXCHANGEABLE else OTHERS[number % len(OTHERS)]
    label = "B$n$A" if panel.target == "A" else "A$n$B"
    # The legend is for all sizes.
    meaning = panel._replace(target_size=ALL_IMAGES).title.replace("\n", ", ")
    offset = APART * (number - (count - 1) / 2)
    return look._replace(label=label, meaning=meaning, offset=offset)


@style.styled()
def dissimilar(effects_table: pd.DataFrame) -> Figure:
    """AnB and BnA relative to their base (percentage points) against n, on dissimilar and on random
    splits, with a panel for each target size. Source: Yosinski et al. 2014, Figure 3."""
    table = effects_table[effects_table["effect"] == "transfer"]
    if table.empty:
        return style.empty("This study has no transfer networks together with their base.")
    figure, of_sizes = size_rows(table, TALL)
    handles = {}
    for axes, rows in of_sizes:
        panels = panels_of(rows)
        looks = [_look(panel, number, len(panels)) for number, panel in enumerate(panels)]
        draw_relative(axes, [(p.rows, look) for p, look in zip(panels, looks, strict=True)])
        handles |= {look.meaning: look.sample() for look in looks}
        axes.set_ylabel(RELATIVE)
        label_ends(axes)
    style.legend(figure, list(handles.values()), column=3.4)
    style.note(
        figure,
        "Dotted: the base.",
        notes.intervals_are(table["interval"]),
        notes.lost_in(table),
        notes.missing(table),
    )
    return figure
