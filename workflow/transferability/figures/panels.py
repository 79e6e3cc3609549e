"""Divides a table into panels, places them, and draws against n: lines, crosses for networks that
did not learn, and labels at the ends of lines."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from scipy.optimize import isotonic_regression

from transferability.analysis.effects import (
    EXCHANGEABLE,
    checked,
    letters,
    of_treatment,
    size_order,
)
from transferability.figures import style
from transferability.study.design import WHOLE
from transferability.study.networks import ALL_IMAGES, HALVES, trained_name

# Inches: the smallest width of a panel; the height of a single one in its row, and of others.
NARROW, TALL, SMALL = 2.3, 3.2, 2.4
# The number of letters of tick labels per inch.
LETTERS_PER_INCH = 14


class Panel(NamedTuple):
    """Rows of one kind of split, one target size and, except on random splits, one target. The
    panel of a source also has the controls, which all sources share."""

    split_kind: str
    target: str
    source: str
    target_size: str
    rows: pd.DataFrame

    @property
    def place(self) -> str:
        """The place where its networks were trained, in words."""
        # Published networks may use all classes, which are not a half of a split.
        split = f"{self.split_kind} split" if self.target != "all" else "all classes"
        if self.split_kind == WHOLE:
            kind = "group" if len(self.source) > 1 else "source"
            split = f"{kind} {self.source}" if self.source else "no source"
        target = f", target {self.target}" if self.target in HALVES and not self.source else ""
        size = f", {self.target_size} images per class" if self.target_size != ALL_IMAGES else ""
        return f"{split}{target}{size}"

    @property
    def replicates(self) -> int:
        """The largest number of replicates of its rows, or the number of (split, seed)."""
        if "replicates" in self.rows:
            return int(self.rows["replicates"].max())
        return len(self.rows[["split", "seed"]].drop_duplicates())

    @property
    def title(self) -> str:
        """Place and number of replicates, in lines short enough for a small panel."""
        place = self.place.replace(f", {self.target_size} images", f"\n{self.target_size} images")
        return f"{place}\n{self.replicates} replicate{'s' * (self.replicates != 1)}"


def panels_of(table: pd.DataFrame, by_size: bool = True) -> list[Panel]:
    """The panels of a table of networks, effects or boosts: random splits and small sizes first. If
    `by_size` is false, a panel has the rows of all sizes."""
    keyed = table.assign(
        size=size_order(table["target_size"].astype(str)) if by_size else np.inf,
        late=table["split_kind"] != EXCHANGEABLE,
        half=table["target"].where(table["split_kind"] != EXCHANGEABLE, ""),
    )
    panels = []
    for (size, _, split_kind, half), rows in keyed.groupby(["size", "late", "split_kind", "half"]):
        of_source, size = letters(rows), ALL_IMAGES if size == np.inf else f"{size:.0f}"
        for letter in sorted({*of_source} - {""}) or [""]:
            beside = rows[of_source.isin(["", letter])]
            panels.append(Panel(split_kind, half, letter, size, beside))
    return panels


def with_sources(text: str, table: pd.DataFrame) -> str:
    """A text with A replaced by the letters of the table's sources: PnB, or P/QnB."""
    sources = "/".join(sorted(name for name in {*letters(table)} if len(name) == 1)) or "A"
    return text.replace("A$n$B", f"{sources}$n$B")


def named(look: style.Look, table: pd.DataFrame) -> style.Look:
    """The look with the letters of the table's sources in its words."""
    label, meaning = (with_sources(text, table) for text in (look.label, look.meaning))
    return look._replace(label=label, meaning=meaning)


def looks_of(
    table: pd.DataFrame, shown: Collection[tuple[str, bool]] = style.LOOKS
) -> dict[tuple[str, bool], style.Look]:
    """The looks of those treatments in `shown` that the table has."""
    return {
        key: named(look, table)
        for key, look in style.LOOKS.items()
        if key in shown and len(of_treatment(table, key))
    }


def trained(networks: pd.DataFrame) -> pd.DataFrame:
    """The checked table without networks that have no score, and without bases of halves on which
    nothing else was trained, which are only sources."""
    table = checked(networks).dropna(subset="top1").assign(learned=lambda rows: ~rows["failed"])
    cell = [table[column] for column in ("split", "seed", "target", "target_size")]
    return table[(table["kind"] != "base").groupby(cell).transform("any")]


def twins(networks: pd.DataFrame) -> pd.Series:
    """Whether each network is a P7B or P7B+ that is also listed as P7f7B or P7f0B."""
    partial = networks["kind"].str.endswith("partial")
    return ~partial & networks["network"].isin(networks["network"][partial].map(trained_name))


def means(networks: pd.DataFrame, value: str, by: list[str]) -> pd.DataFrame:
    """The mean of `value` for each group `by`: first over the targets of a seed, then over the
    seeds of a split, then over splits."""
    for level in ([*by, "split", "seed"], [*by, "split"], by):
        networks = networks.groupby(level, as_index=False)[value].mean()
    return networks.rename(columns={value: "mean"})


def without_not_learned(effects_table: pd.DataFrame) -> pd.DataFrame:
    """One row for each effect and n: the estimate without networks that did not learn, and NaN if
    no network is left."""
    key = ["split_kind", "target", "target_size", "effect", "n"]
    # `paired` comes before `paired_learned`, which exists only if a network did not learn.
    rows = effects_table.sort_values("estimator").drop_duplicates(key, keep="last")
    lost = rows["not_learned"].fillna("").ne("") & (rows["estimator"] == "paired")
    rows = rows.assign(**{column: rows[column].mask(lost) for column in ("mean", "low", "high")})
    return rows.sort_index()


def with_not_learned(effects_table: pd.DataFrame) -> pd.DataFrame:
    """The estimates in which a network did not learn."""
    paired = effects_table["estimator"] == "paired"
    return effects_table[paired & effects_table["not_learned"].fillna("").ne("")]


def layer_names(table: pd.DataFrame) -> dict[int, str]:
    """Each n of a table, with the name of its last copied layer; 0 has no name."""
    return {0: "", **table["layer"].fillna("").groupby(table["n"]).max()}


def with_layer(n: int, name: str) -> str:
    """The text `n = 5, conv5`."""
    return f"$n$ = {n}, {name}" if name else f"$n$ = {n}"


def layer_axis(axes: Axes, layers: dict[int, str], inches: float) -> None:
    """Draws an axis of n, `inches` long, with the name of each layer below its number; labels are
    vertical if names are too long for one line."""
    closest = min(np.diff([n for n in layers if n]), default=1) / (max(layers) + 1)
    upright = max(map(len, layers.values())) > LETTERS_PER_INCH * inches * closest
    labels = [f"{name}  {n}" if upright else f"{n}\n{name}" for n, name in layers.items()]
    axes.set_xticks(list(layers), labels, rotation=90 if upright else 0)
    axes.set_xlim(-0.4, max(layers) + 0.4)
    axes.set_xlabel("$n$, layers copied; name of the last")


def panel_grid(panels: list[Panel], ylabel: str, xlabel: str = "") -> tuple[Figure, list[Axes]]:
    """A figure with axes for each panel, against n if no other `xlabel` is given; with several
    sizes and several places, each size has its own row."""
    sizes = len({panel.target_size for panel in panels})
    places = len({panel[:3] for panel in panels})
    columns = places if min(sizes, places) > 1 else 2
    columns = min(columns, len(panels), int(style.room() / NARROW) or 1)
    mosaic = [[*range(start, start + columns)] for start in range(0, len(panels), columns)]
    if len(panels) % columns == 1:
        # A single panel in the last row is avoided: the first panel gets the full width instead.
        mosaic = [[0] * columns, *([n + 1 for n in row] for row in mosaic[:-1])]
    mosaic = [[n if n < len(panels) else "." for n in row] for row in mosaic]
    heights = [TALL if len(set(row)) == 1 and not n else SMALL for n, row in enumerate(mosaic)]
    figure = style.new_figure(0.6 + sum(heights))
    grid = figure.subplot_mosaic(mosaic, height_ratios=heights)
    layers = layer_names(pd.concat([panel.rows for panel in panels]))
    for place, panel in enumerate(panels):
        axes = grid[place]
        spec = axes.get_subplotspec()
        axes.set_ylabel(ylabel if spec.is_first_col() else "")
        axes.set_title(panel.title)
        axes.set_xlabel(xlabel)
        if not xlabel:
            layer_axis(axes, layers, style.room() * len(spec.colspan) / columns - 1)
            axes.set_xlabel(axes.get_xlabel() if spec.is_last_row() else "")
    return figure, [grid[place] for place in range(len(panels))]


def size_rows(table: pd.DataFrame, height: float) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A figure with axes against n for each target size, `height` inches high, and their rows."""
    sizes = table.sort_values("target_size", key=size_order)["target_size"].unique()
    figure = style.new_figure(0.6 + height * len(sizes))
    grid = figure.subplots(len(sizes), 1, squeeze=False).ravel()
    for axes, size in zip(grid, sizes, strict=True):
        axes.set_title("" if size == ALL_IMAGES else f"{size} images per class")
        layer_axis(axes, layer_names(table), style.room() - 1)
    rows = [table[table["target_size"] == size] for size in sizes]
    return figure, list(zip(grid, rows, strict=True))


def place_rows(panels: list[Panel], height: float) -> tuple[Figure, list[SubFigure]]:
    """A figure with one subfigure, `height` inches high, for each panel's place."""
    figure = style.new_figure(0.4 + (height + 0.25) * len(panels))
    parts = figure.subfigures(len(panels), 1, squeeze=False).ravel()
    for part, panel in zip(parts, panels, strict=True):
        part.suptitle(panel.title.replace("\n", ", "), x=0.01, ha="left", fontsize="medium")
    return figure, list(parts)


def reach(rows: pd.DataFrame) -> np.ndarray:
    """2 × rows: the distances from each mean to the ends of its interval, below and above."""
    # Equal replicates give an interval of zero width, whose ends may be reversed by rounding.
    return np.clip([rows["mean"] - rows["low"], rows["high"] - rows["mean"]], 0, None)


def draw_line(axes: Axes, rows: pd.DataFrame, look: style.Look, scale: float = 100.0) -> None:
    """Draws a line through the means against n, with interval bars if the rows have `low` and
    `high`. `scale` 100 turns fractions into percent. A page shows the `words` of the rows."""
    rows = rows.sort_values("n")
    bars = {"yerr": scale * reach(rows), "elinewidth": style.scaled(0.9)} if "low" in rows else {}
    x, y = rows["n"] + look.offset, scale * rows["mean"]
    axes.errorbar(x, y, label=look.label, **look.style | bars)
    show_words(axes, x, y, look.label, rows.get("words", ()))


def in_lines(rows: pd.DataFrame, columns: Mapping[str, str]) -> list[str]:
    """The words of each row: a line with title and value for each column that is not empty."""
    texts = rows[list(columns)].astype(object).where(rows[list(columns)].notna(), "")
    return [
        "\n".join(f"{columns[key]}: {value}" for key, value in row.items() if value != "")
        for row in texts.to_dict("records")
    ]


def show_words(axes: Axes, x: pd.Series, y: pd.Series, label: str, words: Iterable[str]) -> None:
    """Draws invisible points; a page shows their words if the pointer is near."""
    if style.in_use().explored:
        unseen = {"marker": "o", "ms": style.scaled(9), "mfc": "none", "color": style.INK}
        unseen |= {"ls": "none", "alpha": 0, "clip_on": False, "in_layout": False}
        for at_x, at_y, text in zip(x, y, words, strict=False):
            if np.isfinite(at_y):
                axes.plot(at_x, at_y, **unseen, **style.tag(label, text))


def base_line(axes: Axes, level: float = 0.0) -> None:
    """Draws the dotted line of the base."""
    axes.axhline(level, color=style.INK, lw=style.scaled(0.8), ls=":")


def keep_limits(axes: Axes) -> None:
    """Fixes the limits, so that what is drawn afterwards does not change them."""
    if np.isfinite(axes.dataLim.intervaly).all():
        axes.set_ylim(axes.get_ylim())


def draw_crosses(
    axes: Axes, x: pd.Series, y: pd.Series, look: style.Look, words: Iterable[str] = ()
) -> None:
    """Draws crosses for networks that did not learn. They do not change the limits of the axis;
    those outside are drawn at its edge. A page shows the words of each."""
    # An empty line without clipping would disturb the layout.
    if len(x):
        keep_limits(axes)
        y = y if axes.get_autoscaley_on() else y.clip(*axes.get_ylim())
        crosses = style.NOT_LEARNED | style.tag(look.label)
        axes.plot(x, y, color=look.colour, clip_on=False, zorder=5, **crosses)
        show_words(axes, x, y, look.label, words)


def label_ends(axes: Axes) -> None:
    """Writes the label of each line that has several n to the right of the panel, as near to the
    height of its last point as there is space."""
    ends = []
    for drawn in axes.containers:
        line = drawn.lines[0]
        heights = np.asarray(line.get_ydata(), dtype=float)
        heights = heights[np.isfinite(heights)]
        if len(heights) > 1 and line.get_linestyle() != "None":
            ends.append((heights[-1], drawn.get_label(), line.get_color()))
    if not ends:
        return
    ends.sort()
    low, high = axes.get_ylim()
    inches = axes.get_subplotspec().get_position(axes.figure).height * axes.figure.get_figheight()
    places = style.scaled(style.LINE) * (high - low) / inches * np.arange(len(ends))
    heights = isotonic_regression(np.array([end for end, *_ in ends]) - places).x + places
    for height, (_, label, colour) in zip(heights, ends, strict=True):
        settings = {"color": colour, "va": "center", "fontsize": "small", "annotation_clip": False}
        at = {"xy": (1.01, height), "xycoords": ("axes fraction", "data")}
        axes.annotate(label, **at, **settings, **style.tag(label))
