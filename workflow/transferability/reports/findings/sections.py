"""The section of one place: each effect in sentences, a table of its numbers beside them."""

import pandas as pd

from transferability.analysis.effects import EFFECTS
from transferability.analysis.vocabulary import at_n, listed, measured, sentence, span
from transferability.reports.findings import caveats, table1
from transferability.reports.findings.document import (
    Cell,
    bullets,
    heading,
    paragraph,
    section,
    with_table,
)
from transferability.reports.findings.places import EXCLUDES, Place
from transferability.reports.findings.statements import FINDINGS, statements

SETTING = {"target": "target", "replicates": "replicates", "interval": "kind of interval"}
# What stands in the boost's table beside its own numbers.
CONTROLS = ("self_boost", "boost_over_selffer")


def setting(rows: pd.DataFrame) -> str:
    """Target, replicates and kind of interval of some rows; what differs is left to a table."""
    said = []
    targets, kinds = set(rows["target"]), set(rows["interval"])
    if len(targets) == 1 and targets != {"all"}:
        said.append(f"target {targets.pop()}")
    said.append(span(list(rows["replicates"].astype(int)), "replicate"))
    if len(kinds) == 1:
        said.append(f"intervals: {kinds.pop()}")
    return sentence("; ".join(said))


def cell(rows: pd.DataFrame) -> Cell:
    """The number of a row with its interval, in bold if this excludes zero; empty without one."""
    if rows.empty:
        return Cell("")
    row = rows.iloc[0]
    return Cell(measured(row), row["verdict"] in EXCLUDES)


def _table(place: Place, effect: str) -> tuple[list[str], list[list[Cell]]]:
    """The header and the lines of an effect's table."""
    rows = place.of(effect)
    controls = [name for name in CONTROLS if effect == "boost" and len(place.of(name))]
    differing = [column for column in SETTING if rows[column].nunique() > 1]
    missing = bool(rows["missing"].any())
    header = ["n", FINDINGS[effect].formula, "95 % interval"]
    header += [FINDINGS[name].formula for name in controls]
    header += [SETTING[column] for column in differing]
    header += ["differences"] if missing else []
    lines = []
    for index, row in rows.iterrows():
        same_n = [place.of(name) for name in controls]
        line = [Cell(str(row["n"])), cell(rows.loc[[index]]), Cell(row["verdict"])]
        line += [cell(control[control["n"] == row["n"]]) for control in same_n]
        line += [Cell(str(row[column])) for column in differing]
        line += [Cell(f"{row['differences']} of {row['differences'] + row['missing']}")] * missing
        lines.append(line)
    return header, lines


def _effect_section(place: Place, effect: str, uniform: bool) -> str:
    finding, rows = FINDINGS[effect], place.of(effect)
    text = [
        heading(3, f"{finding.title}: {finding.formula}"),
        paragraph(f"{finding.paper}. {finding.meaning}", "soft"),
        "" if uniform else paragraph(setting(rows), "soft"),
        *map(paragraph, statements(rows, finding, at_n, place.noise)),
    ]
    if effect == "boost":
        text += [paragraph(said, "caveat") for said in caveats.of_extra_training(place)]
    text.append(paragraph(caveats.of_missing(rows), "caveat"))
    numbers = _table(place, effect) if (rows["n"] > 0).any() else None
    return with_table(text, numbers, f"{place.identity}-{effect}")


def place_section(place: Place) -> str:
    """Everything that the tables say of one place, with its caveats."""
    present = [effect.name for effect in EFFECTS if len(place.of(effect.name))]
    absent = [FINDINGS[effect.name].formula for effect in EFFECTS if effect.name not in present]
    uniform = len(place.effects[list(SETTING)].drop_duplicates()) == 1
    parts = [heading(2, place.title)]
    if uniform:
        parts.append(paragraph(setting(place.effects)))
    parts += map(paragraph, caveats.of_targets(place))
    parts.append(bullets(caveats.of_intervals(place)))
    parts += [_effect_section(place, effect, uniform) for effect in present]
    parts += table1.sections(place)
    if absent:
        parts.append(
            paragraph(
                f"Without a pair of networks here, so not measured: {listed(absent)}.", "soft"
            )
        )
    return section("place", parts, place.identity)
