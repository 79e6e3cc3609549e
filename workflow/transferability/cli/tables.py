"""Tables as the commands read and write them."""

from pathlib import Path


def read_table(path: Path):
    """A table as the project writes it; an empty cell is an empty text where texts are meant."""
    import pandas as pd

    kinds = {"source": str, "target_size": str, "layer": str, "learned": "boolean"}
    return pd.read_csv(path, dtype=kinds).fillna({"source": "", "layer": ""})


def write_table(table, path: Path) -> None:
    """Write a table whole or not at all."""
    from transferability.storage import files

    with files.atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
