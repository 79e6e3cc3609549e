"""Waiting for events in other processes."""

import json
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(condition: Callable[[], object], seconds: float = 300, what: str = "") -> None:
    """Wait until a condition is true; fail if it is not within this many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"after {seconds} s still waiting for {what or condition}"
        time.sleep(0.1)


def writers(folder: Path) -> list[tuple[dict, dict | None]]:
    """The records of each writer of a folder, of its start and of its end, first to last."""
    lines = (folder / "writers" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    ended = {record["token"]: record for record in records if "ended" in record}
    taken = [record for record in records if "taken" in record]
    assert len(records) == len(taken) + len(ended)
    return [(record, ended.get(record["token"])) for record in taken]


def ends(folder: Path) -> list[str | None]:
    """How each writer of a folder ended, first to last."""
    return [end and end["how"] for _, end in writers(folder)]
