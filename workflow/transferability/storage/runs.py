"""One run of a study at a time in a folder.

Snakemake's lock of a folder remains if its process is killed, so the profiles turn it off: the same
command can then continue after a kill. The lock here is released by the system when the process
ends. If the file system does not share locks between machines, a run on another machine is not
noticed; the lease of each network's folder still prevents two trainings of one network.
"""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from transferability.storage import job

HELD: list[FileLock] = []
"""The held locks; without a reference, Python would release them."""


class AnotherRun(RuntimeError):
    """Another run of the study is active; the message names its process and host."""


def begin(folder: Path, study: str, share: str | None = None) -> FileLock:
    """Hold the lock of the study, or of a share (k/n) of its networks, in `folder`, until this
    process ends or the returned lock is released.

    Raises AnotherRun if another process holds the lock.
    """
    name = f"{study}.{share.replace('/', 'of')}" if share else study
    holder, lock = folder / f"{name}.run.txt", FileLock(folder / f"{name}.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        # The file may be missing or empty for a moment after the lock was taken.
        run = holder.read_text(encoding="utf-8") if holder.exists() else "a process"
        raise AnotherRun(
            f"Another run is active in {Path.cwd()}: {run}. Wait until it ends, or end it, then "
            "repeat the command."
        ) from None
    place = job.place()
    holder.write_text(f"process {os.getpid()} on {place['host']} (since {job.now()})", "utf-8")
    HELD.append(lock)
    return lock
