"""One writer at a time in a folder, on one machine or on several that share its file system.

The writer holds `writers/lease` (a lease of filelock) and renews its time stamp every BEAT seconds.
A waiting process takes the lease

- at once, if the writer ran on the same machine and has ended;
- if the time stamp has not changed for LEASE seconds on the clock of the waiting process. Clocks of
  two machines are never compared.

A writer that was paused for so long is not stopped by this: it must call `check` before each save.
`writers/log.jsonl` has the history of writers: one line when a process takes the folder, one when
it releases it or is found dead.
"""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLease, Timeout

from transferability.storage import job, signals

log = logging.getLogger(__name__)

MARKER = Path("writers", "lease")
LOG = Path("writers", "log.jsonl")
BEAT = 10.0
LEASE = 60.0
SECONDS_PER_LOOK = 1.0
SECONDS_PER_EXCHANGE = 1.0
"""Another process that examines the lease may move its file away for a moment, up to this long."""


class FolderLost(RuntimeError):
    """This process may no longer write in the folder; the message gives the reason."""


class Writer:
    """The process that writes in a folder, as long as `check` does not raise an error.

    `restarts` counts the earlier starts of the same work that did not finish. `is_second` is true
    if this process waited for another one, which finished the same work.
    """

    def __init__(self, folder: Path, work: str):
        """Wait until no other process writes in the folder, then log that this process does."""
        self._folder = folder
        self._lease = SoftFileLease(folder / MARKER, lease_duration=LEASE, heartbeat_interval=BEAT)
        has_waited = _acquire(folder, self._lease)
        taken, end = _read(folder)
        is_same, is_finished = taken.get("work") == work, end.get("how") == "finished"
        self.is_second = has_waited and is_same and is_finished
        self.restarts = taken["restarts"] + 1 if is_same and not is_finished else 0
        if taken and not end:
            log.info("%s: %s is gone; this process continues its work", folder, _described(taken))
            _note(folder, {"ended": job.now(), "how": "gone", "token": taken["token"]})
        this = {"restarts": self.restarts, "work": work, "token": self._lease.token}
        _note(folder, {"taken": job.now(), **job.place(), **this})

    def check(self) -> None:
        """Raise FolderLost if another process holds the folder now, or if it no longer exists."""
        if self._holds():
            return
        taken, _ = _read(self._folder)
        reason = f"{_described(taken)} now writes there"
        if taken.get("token", self._lease.token) == self._lease.token:
            reason = f"it or its file {MARKER} was deleted or could not be renewed"
        raise FolderLost(f"{self._folder}: {reason}; this process stopped without saving")

    def end(self, how: str) -> None:
        """Release the folder; log how the work ended, if this process still holds it."""
        if self._holds():
            # Without this line, other processes assume that this one died.
            with suppress(OSError):
                _note(self._folder, {"ended": job.now(), "how": how, "token": self._lease.token})
        self._lease.release()

    def _holds(self) -> bool:
        if self._lease.compromise is not None:
            return False
        for pause in (SECONDS_PER_EXCHANGE, 0.0):
            # This opens the file, since NFS would otherwise answer from its cache.
            owner = self._lease.owner
            if owner is not None and owner.token == self._lease.token:
                return True
            time.sleep(pause)
        return False


@contextmanager
def sole_writer(folder: Path, work: str) -> Iterator[Writer]:
    """Hold the folder, which is created if necessary, as soon as no other process writes there.

    `work` identifies the work. Raises Interrupted if a signal is received during the wait, OSError
    if the folder is not writable.
    """
    writer, how = Writer(folder, work), "failed"
    try:
        yield writer
        how = "finished"
    except signals.Interrupted:
        how = "interrupted"
        raise
    finally:
        writer.end(how)


def last_writer(folder: Path) -> tuple[dict, str] | None:
    """The log line of the last writer of a folder, and how its work ended: finished, failed,
    interrupted, gone, or "running". None if no process has written there. It changes no files.

    A writer counts as running if its lease was renewed less than LEASE seconds ago on the clock of
    this machine. This may be wrong if clocks differ, but does not need to wait.
    """
    taken, end = _read(folder)
    if end:
        return taken, end["how"]
    try:
        # The file is opened, since NFS would otherwise answer from its cache.
        with (folder / MARKER).open("rb") as file:
            renewed = os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return (taken, "gone") if taken else None
    return taken, "running" if time.time() - renewed < LEASE else "gone"


def _acquire(folder: Path, lease: SoftFileLease) -> bool:
    """Wait for the lease; return whether another process had it."""
    marker = folder / MARKER
    marker.parent.mkdir(parents=True, exist_ok=True)
    waited_for, empty_since = None, None
    while True:
        with suppress(Timeout):
            lease.acquire(blocking=False)
            return waited_for is not None
        now, taken, owner = time.monotonic(), _read(folder)[0], lease.owner
        has_said = owner is not None and taken.get("token") == owner.token
        holder = _described(taken if has_said else {})
        if holder != waited_for:
            log.info("%s: waiting for %s", folder, holder)
            waited_for = holder
        # filelock never deletes an empty file, since its writer may be about to fill it. If this
        # writer or its machine has crashed, the file stays empty.
        is_empty = False
        with suppress(FileNotFoundError):
            is_empty = not marker.read_bytes()
        empty_since = (empty_since or now) if is_empty else None
        if is_empty and now - empty_since >= LEASE:
            marker.unlink(missing_ok=True)
        signals.check()
        time.sleep(SECONDS_PER_LOOK)


def _described(taken: dict) -> str:
    """A writer in words for users: process, job, host and time."""
    if not taken:
        return "an unknown process"
    of_job = f" of job {taken['slurm_job_id']}" if taken["slurm_job_id"] else ""
    return f"process {taken['process']}{of_job} on {taken['host']} (since {taken['taken']})"


def _note(folder: Path, line: dict) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as file:
        # After a crash of the machine, the previous line may have no line break.
        start = "\n" if file.tell() and not (folder / LOG).read_bytes().endswith(b"\n") else ""
        file.write(f"{start}{json.dumps(line, ensure_ascii=False)}\n")


def _read(folder: Path) -> tuple[dict, dict]:
    """The log's last line about taking the folder, and the line about the end of this work; empty
    if there is none."""
    taken, end = {}, {}
    text = (folder / LOG).read_text(encoding="utf-8") if (folder / LOG).exists() else ""
    for line in text.splitlines():
        # After a crash of the machine, a line may be incomplete.
        with suppress(ValueError):
            entry = json.loads(line)
            if "taken" in entry:
                taken, end = entry, {}
            elif entry["token"] == taken.get("token"):
                end = entry
    return taken, end
