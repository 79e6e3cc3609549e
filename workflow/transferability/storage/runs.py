"""One run of a study at a time in a folder.

Snakemake's own lock of a folder stays when its process is killed, so the profiles turn it off, and
the same command goes on after a kill. This lock is the system's, which frees it with the process.
Where a file system does not share it with other machines, a run there is not seen; then the lease
of each network's folder still keeps two trainings apart.
"""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from transferability.storage import job

HELD: list[FileLock] = []
"""A lock that nothing refers to any more is released."""


class AnotherRun(RuntimeError):
    """Another run of the study lives; the message says where."""


def begin(folder: Path, study: str, share: str | None = None) -> FileLock:
    """Hold the lock of the study, or of a share (k/n) of its networks, in `folder` until this
    process ends, or what is returned is released.

    Raises AnotherRun if a live process holds it.
    """
    name = f"{study}.{share.replace('/', 'of')}" if share else study
    holder, lock = folder / f"{name}.run.txt", FileLock(folder / f"{name}.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        # Empty for a moment after the lock was taken.
        run = holder.read_text(encoding="utf-8") if holder.exists() else "a process"
        raise AnotherRun(
            f"Another run is active in {Path.cwd()}: {run}. Wait until it ends, or end it, then "
            "repeat the command."
        ) from None
    place = job.place()
    holder.write_text(f"process {os.getpid()} on {place['host']} (since {job.now()})", "utf-8")
    HELD.append(lock)
    return lock
