"""One writer at a time in a folder, on one machine or on several that share its file system.

Who writes holds `writers/lease` (a lease of filelock) and renews its time stamp every BEAT seconds.
Who waits takes it

- at once when the holder ran on the same machine and is gone;
- when the time stamp has stood still for LEASE seconds of the clock of the one who waits. No two
  clocks are compared.

A holder that stood still for so long is not stopped by this: it has to call `check` before each
save. `writers/log.jsonl` says who wrote here, when, and how it ended: one line when the folder was
taken, one when it was given back or found left.
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
"""A process that examines a live lease may move it aside for a moment, and puts it back."""


class FolderLost(RuntimeError):
    """Another process writes in the folder now; the message says which."""


class Writer:
    """The process that writes in a folder, as long as `check` raises nothing.

    `restarts` counts the earlier starts of the same work that did not finish it; `is_second` tells
    that this process waited for another one, which finished the same work.
    """

    def __init__(self, folder: Path, work: str):
        """Wait until nobody else writes in the folder, and log that this process does."""
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
        """Raise FolderLost if the folder is another's by now, or does not exist any more."""
        if self._holds():
            return
        taken, _ = _read(self._folder)
        reason = f"{_described(taken)} now writes there"
        if taken.get("token", self._lease.token) == self._lease.token:
            reason = f"it or its file {MARKER} was deleted or could not be renewed"
        raise FolderLost(f"{self._folder}: {reason}; this process stopped without saving")

    def end(self, how: str) -> None:
        """Give the folder back, and log how the work ended if the folder is not another's."""
        if self._holds():
            # Without this line it is as if the process had died here.
            with suppress(OSError):
                _note(self._folder, {"ended": job.now(), "how": how, "token": self._lease.token})
        self._lease.release()

    def _holds(self) -> bool:
        if self._lease.compromise is not None:
            return False
        for pause in (SECONDS_PER_EXCHANGE, 0.0):
            # The file is opened for this, since NFS answers from memory otherwise.
            owner = self._lease.owner
            if owner is not None and owner.token == self._lease.token:
                return True
            time.sleep(pause)
        return False


@contextmanager
def sole_writer(folder: Path, work: str) -> Iterator[Writer]:
    """Write alone in a folder, which is made if need be, as soon as nobody else does.

    `work` tells one work from another. Raises Interrupted if a signal comes while it waits, OSError
    if the folder cannot be written to.
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
    """What the last writer of a folder said when it took it, and how it ended: finished, failed,
    interrupted, gone, or "running". None if nobody has written there. Changes nothing.

    A writer is taken to run if its lease was renewed less than LEASE seconds ago by the clock of
    this machine: there is no time to wait here.
    """
    taken, end = _read(folder)
    if end:
        return taken, end["how"]
    try:
        # NFS answers from memory what it is asked of a file that is not opened.
        with (folder / MARKER).open("rb") as file:
            renewed = os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return (taken, "gone") if taken else None
    return taken, "running" if time.time() - renewed < LEASE else "gone"


def _acquire(folder: Path, lease: SoftFileLease) -> bool:
    """Wait for the lease; whether another process had it."""
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
        # filelock keeps an empty file for ever: its writer may be about to fill it. One that was
        # killed there, or whose machine was, never will.
        is_empty = False
        with suppress(FileNotFoundError):
            is_empty = not marker.read_bytes()
        empty_since = (empty_since or now) if is_empty else None
        if is_empty and now - empty_since >= LEASE:
            marker.unlink(missing_ok=True)
        signals.check()
        time.sleep(SECONDS_PER_LOOK)


def _described(taken: dict) -> str:
    """A writer, as a person would look for it."""
    if not taken:
        return "an unknown process"
    of_job = f" of job {taken['slurm_job_id']}" if taken["slurm_job_id"] else ""
    return f"process {taken['process']}{of_job} on {taken['host']} (since {taken['taken']})"


def _note(folder: Path, line: dict) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as file:
        # After a crash of the machine, the line before may have no end.
        start = "\n" if file.tell() and not (folder / LOG).read_bytes().endswith(b"\n") else ""
        file.write(f"{start}{json.dumps(line, ensure_ascii=False)}\n")


def _read(folder: Path) -> tuple[dict, dict]:
    """The log's last line of a process that took the folder, and the line of its end; empty where
    there is none."""
    taken, end = {}, {}
    text = (folder / LOG).read_text(encoding="utf-8") if (folder / LOG).exists() else ""
    for line in text.splitlines():
        # After a crash of the machine, a line may not be whole.
        with suppress(ValueError):
            entry = json.loads(line)
            if "taken" in entry:
                taken, end = entry, {}
            elif entry["token"] == taken.get("token"):
                end = entry
    return taken, end
