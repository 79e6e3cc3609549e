"""Tables as the commands read and write them."""

from pathlib import Path

from transferability.storage import files

TEXTS = (
    *("study", "split", "split_kind", "network", "kind", "source", "target", "target_size"),
    *("effect", "layer", "layers", "estimator", "comparison", "interval", "not_learned"),
    "source_group",
)
"""Columns that are always read as text: a study may be called NA, 007 or True."""


def read_table(path: Path):
    """A table as the project writes it; an empty cell of TEXTS is an empty text."""
    import pandas as pd

    kinds = {**dict.fromkeys(TEXTS, str), "learned": "boolean"}
    table = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=[""])
    return table.fillna({column: "" for column in TEXTS if column in table})


def write_table(table, path: Path) -> None:
    """Write a table atomically, and its page beside it."""
    with files.atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    write_page(path)


def write_page(path: Path) -> None:
    """Write the page of a table beside it, to be sorted in a browser."""
    from transferability.reports import tables

    files.write_text(path.with_suffix(".html"), tables.page(read_table(path), path.name))
