"""One writer at a time in a folder, on one machine or on several that share its file system.

Each process that gets the folder makes the next of the files `writers/1.json`, `writers/2.json`, …;
no two can make the same one. The writer is who made the last of them, until it says there that it
has ended, or is gone:

- on the same machine, when its lock on its file is free: the system frees it with the process;
- on another machine, when its file's time stamp, renewed every BEAT seconds, has stood still for
  LEASE seconds of the clock of the one who waits. No two clocks are compared.

So the files are also the log of who wrote here, when, and how it ended: a line of JSON when the
folder was taken, and one when it was given back or lost.
"""

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from transferability.storage import job, signals

log = logging.getLogger(__name__)

BEAT = 10.0
LEASE = 60.0
SECONDS_PER_LOOK = 1.0
SECONDS_PER_LINE = 600.0
"""Who waits says for whom at once, and again so often."""


class FolderLost(RuntimeError):
    """Another process writes in the folder now; the message says which."""


class Writer:
    """The process that writes in a folder, as long as `check` raises nothing.

    `restarts` counts the earlier starts of the same work that did not finish it, `seconds_lost`
    what these did after their last saves; `is_second` tells that it waited for another one, which
    finished the same work.
    """

    def __init__(self, path: Path, work: str, before: dict, is_second: bool):
        """Raises FileExistsError if another process has made the writer's file."""
        self._path, self._ended = path, threading.Event()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        # Without locks, as on some file systems, the time stamp alone tells that it lives.
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX)
        self.restarts, self.seconds_lost = before["restarts"], before["seconds_lost"]
        self.is_second = is_second
        made = os.fstat(self._file).st_mtime
        place = {**job.place(), "machine": job.machine()}
        self._note({"taken": job.now(), **place, "work": work, **before, "made": made})
        threading.Thread(target=self._beat, daemon=True, name="writer").start()

    def check(self) -> None:
        """Raise FolderLost if the folder is another's by now, or is no more."""
        successor = _successor(self._path)
        # On NFS a new file may stay unseen for a while, but an old one that is opened does not stay
        # as it was; so who takes over says so in the file of the one who is gone.
        _, end = _read(self._path)
        if not self._path.exists():
            why = "it was deleted"
        elif end or successor.exists():
            why = f"{_described(_read(successor)[0])} writes there now"
        else:
            return
        raise FolderLost(f"{self._path.parents[1]}: {why}; this process has stopped before a save")

    def end(self, how: str | None) -> None:
        """Give the folder back and note how the work ended; None if the folder is another's."""
        self._ended.set()
        if how is not None:
            # Without a note it is as if the process had died here.
            with suppress(OSError):
                self._note({"ended": job.now(), "how": how})
        os.close(self._file)

    def _note(self, line: dict) -> None:
        os.write(self._file, _line(line))
        os.fsync(self._file)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            # Of a folder that was deleted, `check` tells.
            with suppress(OSError):
                os.utime(self._path)


@dataclass(frozen=True)
class LastWriter:
    """Who wrote last in a folder: what it said when it took the folder, how it ended (None if it
    has not said so), and whether it lives."""

    taken: dict
    how: str | None
    is_alive: bool


def last_writer(folder: Path) -> LastWriter | None:
    """The last writer of a folder, None if nobody has written there. Changes nothing.

    One on another machine is taken to live if its time stamp is younger than LEASE by the clock of
    this one: who has no time to wait has to compare the two.
    """
    path = _last(folder / "writers")
    taken, end = _read(path)
    stamp = _time_stamp(path)
    if stamp is None:
        return None
    is_locked = _is_locked(path) if taken.get("machine") == job.machine() else None
    if is_locked is None:
        is_locked = time.time() - stamp / 1e9 < LEASE
    return LastWriter(taken, end.get("how"), is_alive=not end and is_locked)


@contextmanager
def sole_writer(folder: Path, work: str, saved: Path | None = None) -> Iterator[Writer]:
    """Write alone in a folder, which is made if need be, as soon as nobody else does.

    `work` tells one work from another; the time stamp of `saved`, if there is such a file, says
    until when it is safe. Raises Interrupted if a signal comes while it waits, OSError if the
    folder cannot be written to.
    """
    writer = _sole_writer(folder, work, saved)
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


def _sole_writer(folder: Path, work: str, saved: Path | None) -> Writer:
    writers = folder / "writers"
    last, has_waited = _last(writers), False
    while True:
        has_waited |= _wait_for(last)
        taken, end = _read(last)
        is_same = taken.get("work") == work
        is_finished = end.get("how") == "finished"
        before = {"restarts": 0, "seconds_lost": 0.0}
        if is_same and not is_finished:
            before = _left(last, taken, saved)
        writers.mkdir(parents=True, exist_ok=True)
        try:
            writer = Writer(_successor(last), work, before, has_waited and is_same and is_finished)
        except FileExistsError:
            # Another one was faster.
            last = _successor(last)
            continue
        if taken and not end:
            with suppress(OSError), last.open("ab") as file:
                file.write(_line({"ended": job.now(), "how": "gone"}))
            log.info("%s: %s is gone, and its place taken", folder, _described(taken))
        return writer


def _last(writers: Path) -> Path:
    """The file of the last writer; 0.json, which there is not, if there has been none."""
    numbers = [int(file.stem) for file in writers.glob("*.json") if file.stem.isdecimal()]
    return writers / f"{max(numbers, default=0)}.json"


def _left(path: Path, taken: dict, saved: Path | None) -> dict:
    """What to count of a writer that did not finish its work, and of those before it."""
    # All times are the file system's.
    safe = taken["made"]
    if saved is not None and saved.exists():
        safe = max(safe, saved.stat().st_mtime)
    lost = taken["seconds_lost"] + max(0.0, path.stat().st_mtime - safe)
    return {"restarts": taken["restarts"] + 1, "seconds_lost": round(lost, 3)}


def _wait_for(path: Path) -> bool:
    """Wait until the writer of a file has ended or is gone; whether there was one to wait for."""
    stamp, since, told = None, 0.0, None
    while True:
        taken, end = _read(path)
        now, found = time.monotonic(), _time_stamp(path)
        is_locked = _is_locked(path) if taken.get("machine") == job.machine() else None
        if found is None or end or is_locked is False:
            return told is not None
        if found != stamp:
            stamp, since = found, now
        if is_locked is None and now - since >= LEASE:
            return True
        if told is None or now - told >= SECONDS_PER_LINE:
            log.info("%s: waiting for %s", path.parents[1], _described(taken))
            told = now
        signals.check()
        time.sleep(SECONDS_PER_LOOK)


def _time_stamp(path: Path) -> int | None:
    """When a file was last touched, as the server of its file system has it; None if it is gone."""
    try:
        # NFS answers from memory what it is asked of a file that is not opened.
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None


def _is_locked(path: Path) -> bool | None:
    """Whether a process of this machine holds a file's lock; None where this cannot be told."""
    try:
        # Shared, so that those who look do not take one another for the writer.
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _successor(path: Path) -> Path:
    return path.with_name(f"{int(path.stem) + 1}.json")


def _line(values: dict) -> bytes:
    return f"{json.dumps(values, ensure_ascii=False)}\n".encode()


def _read(path: Path) -> tuple[dict, dict]:
    """What a writer said when it took the folder, and when it gave it back; empty if it has not
    said so, or not to the end."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        lines = []
    said = [json.loads(line) for line in lines if line.endswith("\n")]
    return (*said, {}, {})[0], (*said, {}, {})[1]


def _described(taken: dict) -> str:
    """A writer, as a person would look for it."""
    if not taken:
        return "a process that has not said which it is"
    job_id = taken["slurm_job_id"]
    of_job = f" of job {job_id}" if job_id else ""
    return f"process {taken['process']}{of_job} on {taken['host']} (since {taken['taken']})"
