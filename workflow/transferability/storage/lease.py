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
from dataclasses import dataclass
from pathlib import Path

from filelock import SoftFileLease

from transferability.storage import job, signals

log = logging.getLogger(__name__)

BEAT = 10.0
LEASE = 60.0
SECONDS_PER_LOOK = 1.0
SECONDS_PER_LINE = 600.0
"""A process that waits says for whom at once, and then this often."""
SECONDS_PER_EXCHANGE = 1.0
"""A process that examines a live lease may move it aside for a moment, and puts it back."""


class FolderLost(RuntimeError):
    """Another process writes in the folder now; the message says which."""


class Writer:
    """The process that writes in a folder, as long as `check` raises nothing.

    `restarts` counts the earlier starts of the same work that did not finish it, `seconds_lost`
    the seconds they worked after their last saves; `is_second` tells that this process waited for
    another one, which finished the same work.
    """

    def __init__(self, folder: Path, lease: SoftFileLease, restarts: int, seconds_lost: float):
        self.restarts, self.seconds_lost, self.is_second = restarts, seconds_lost, False
        self._folder, self._lease = folder, lease

    def check(self) -> None:
        """Raise FolderLost if the folder is another's by now, or does not exist any more."""
        if self._holds():
            return
        last, _ = _read(self._folder)
        if not _marker(self._folder).parent.exists():
            reason = "it was deleted"
        elif last.get("token") != self._lease.token:
            reason = f"{_described(last)} writes there now"
        else:
            reason = f"{_marker(self._folder)} was deleted, or could not be renewed"
        raise FolderLost(f"{self._folder}: {reason}; this process has stopped before a save")

    def end(self, how: str | None) -> None:
        """Give the folder back and log how the work ended; None if the folder is another's."""
        if how is not None and self._holds():
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


@dataclass(frozen=True)
class LastWriter:
    """Who wrote last in a folder: its line of the log, how it ended (None if it has not said so),
    and whether it lives."""

    taken: dict
    how: str | None
    is_alive: bool


def last_writer(folder: Path) -> LastWriter | None:
    """The last writer of a folder, None if nobody has written there. Changes nothing.

    A writer on another machine is taken to live if its lease was renewed less than LEASE seconds
    ago by the clock of this one: there is no time to wait here.
    """
    taken, end = _read(folder)
    stamp = _time_stamp(_marker(folder))
    if not taken and stamp is None:
        return None
    is_alive = stamp is not None and time.time() - stamp < LEASE
    if taken.get("machine") == _machine():
        is_alive = _is_process(taken["process"])
    return LastWriter(taken, end.get("how"), is_alive and not end)


@contextmanager
def sole_writer(folder: Path, work: str, saved: Path | None = None) -> Iterator[Writer]:
    """Write alone in a folder, which is made if need be, as soon as nobody else does.

    `work` tells one work from another; the time stamp of `saved`, if there is such a file, says
    until when the work is safe. Raises Interrupted if a signal comes while it waits, OSError if the
    folder cannot be written to.
    """
    marker = _marker(folder)
    marker.parent.mkdir(parents=True, exist_ok=True)
    lease = SoftFileLease(marker, lease_duration=LEASE, heartbeat_interval=BEAT)
    wait = _Wait(folder, lease)
    lease.acquire(poll_interval=SECONDS_PER_LOOK, cancel_check=wait.look)
    writer = _begin(folder, lease, work, saved, wait)
    how: str | None = "failed"
    try:
        yield writer
        how = "finished"
    except FolderLost:
        how = None
        raise
    except signals.Interrupted:
        how = "interrupted"
        raise
    finally:
        writer.end(how)


class _Wait:
    """What a process sees of the lease for which it waits."""

    def __init__(self, folder: Path, lease: SoftFileLease):
        self._folder, self._lease = folder, lease
        self._told = self._empty_since = None
        self.last_beat = _time_stamp(_marker(folder)) or 0.0

    @property
    def has_waited(self) -> bool:
        return self._told is not None

    def look(self) -> bool:
        """Called after each try to get the lease: log for whom it waits; never gives up, but
        raises Interrupted if a signal has come."""
        now, marker = time.monotonic(), _marker(self._folder)
        self.last_beat = _time_stamp(marker) or self.last_beat
        if self._told is None or now - self._told >= SECONDS_PER_LINE:
            log.info("%s: waiting for %s", self._folder, self._holder())
            self._told = now
        # filelock keeps an empty file for ever: its writer may not have come to write it. One that
        # was killed there, or whose machine was, never will.
        if not _is_empty(marker):
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = now
        elif now - self._empty_since >= LEASE and _is_empty(marker):
            marker.unlink(missing_ok=True)
        signals.check()
        return False

    def _holder(self) -> str:
        taken, owner = _read(self._folder)[0], self._lease.owner
        if owner is None:
            return "a process that has not said which it is"
        if taken.get("token") == owner.token:
            return _described(taken)
        return f"process {owner.pid} on {owner.hostname}"


def _begin(
    folder: Path, lease: SoftFileLease, work: str, saved: Path | None, wait: _Wait
) -> Writer:
    """Log that this process has the lease, and what it knows of those before it."""
    last, end = _read(folder)
    is_same, is_finished = last.get("work") == work, end.get("how") == "finished"
    writer = Writer(folder, lease, 0, 0.0)
    writer.is_second = wait.has_waited and is_same and is_finished
    if is_same and not is_finished:
        # All times are the file system's.
        ended = max(wait.last_beat, _time_stamp(_log(folder)) or 0.0)
        safe = max(last["made"], (saved and _time_stamp(saved)) or 0.0)
        writer.restarts = last["restarts"] + 1
        writer.seconds_lost = round(last["seconds_lost"] + max(0.0, ended - safe), 3)
    if last and not end:
        log.info("%s: %s is gone, and its place taken", folder, _described(last))
        _note(folder, {"ended": job.now(), "how": "gone", "token": last["token"]})
    _note(
        folder,
        {
            "taken": job.now(),
            **job.place(),
            "machine": _machine(),
            "work": work,
            "restarts": writer.restarts,
            "seconds_lost": writer.seconds_lost,
            "made": _time_stamp(_marker(folder)),
            "token": lease.token,
        },
    )
    return writer


def _marker(folder: Path) -> Path:
    return folder / "writers" / "lease"


def _log(folder: Path) -> Path:
    return folder / "writers" / "log.jsonl"


def _note(folder: Path, line: dict) -> None:
    with _log(folder).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(line, ensure_ascii=False)}\n")
        file.flush()
        os.fsync(file.fileno())


def _read(folder: Path) -> tuple[dict, dict]:
    """The log's last line of a process that took the folder, and the line of its end; empty where
    there is none. What is no whole line of this module is passed over."""
    try:
        text = _log(folder).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}, {}
    taken, end = {}, {}
    for line in text.splitlines():
        with suppress(ValueError):
            match json.loads(line):
                case {"taken": str(), "token": str()} as entry:
                    taken, end = entry, {}
                case {"ended": str(), "token": token} as entry if token == taken.get("token"):
                    end = entry
    return taken, end


def _time_stamp(path: Path) -> float | None:
    """When a file was last touched, as the server of its file system has it; None if it is gone."""
    try:
        # NFS answers from memory what it is asked of a file that is not opened.
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None


def _is_empty(path: Path) -> bool:
    return path.exists() and path.stat().st_size == 0


def _machine() -> str:
    """The same for processes that know each other by their numbers: containers number their own."""
    namespace = Path("/proc/self/ns/pid")
    return f"{job.machine()} {namespace.stat().st_ino if namespace.exists() else 0}"


def _is_process(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _described(taken: dict) -> str:
    """A writer, as a person would look for it."""
    if not taken:
        return "a process that has not said which it is"
    job_id = taken["slurm_job_id"]
    of_job = f" of job {job_id}" if job_id else ""
    return f"process {taken['process']}{of_job} on {taken['host']} (since {taken['taken']})"
