"""Which runs of the workflow live, so that the lock of one that was killed holds up no other.

Snakemake locks its folder by files that stay when it is killed. Here each run has a file of its own
and holds a lock on it, which the system frees with the process, however that ends.
"""

import atexit
import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from transferability.storage import job


def begin(folder: Path) -> IO[str]:
    """Tell others that this process runs, as long as the file that is returned stays open."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job.place()['host']}-{os.getpid()}.json"
    file = path.open("w", encoding="utf-8")
    # Without locks, as on some file systems, others will not be sure.
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    json.dump({**job.place(), "machine": job.machine(), "since": job.now()}, file)
    file.flush()
    atexit.register(path.unlink, missing_ok=True)
    return file


def others(folder: Path, own: IO[str]) -> list[str]:
    """The other runs, but for those that are known to have ended, each as a person would look for
    it. The files of those that have ended are removed."""
    found = []
    for path in sorted(folder.glob("*.json")):
        if path == Path(own.name):
            continue
        run, has_ended = _looked_at(path)
        if not has_ended:
            found.append(f"process {run['process']} on {run['host']} (since {run['since']})")
            continue
        with suppress(OSError):
            path.unlink()
    return found


def _looked_at(path: Path) -> tuple[dict, bool]:
    """What a file says of its run, and whether that is known to have ended."""
    run = {"process": "unknown", "host": path.stem, "since": "a time unknown", "machine": None}
    try:
        with path.open(encoding="utf-8") as file:
            # Of one that was killed before it had said who it is, the lock alone tells.
            with suppress(ValueError):
                run = json.load(file)
            # Free, it says nothing of another machine, on which locks may be seen by none but it.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return run, True
    except OSError:
        return run, False
    return run, run["machine"] in (job.machine(), None)
