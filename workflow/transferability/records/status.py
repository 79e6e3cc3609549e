"""How far a study is, from the files that its run leaves: metrics, histories, writers and logs.

Nothing is written and nothing imported that takes long, so that one can look on a login node, while
the study runs and afterwards, with or without Snakemake.
"""

import json
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import safetensors

from transferability.storage import job, lease
from transferability.storage.network_folder import NetworkFolder, read_history
from transferability.study import config, targets
from transferability.study.networks import parse_name

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
STATES = (DONE, RUNNING, WAITING, FAILED)
# The last line of a log, as the command line or Python ends one.
ERROR = re.compile(r"(?:\S+ \S+ )?((?:\w+\.)*\w*(?:Error|Exception|Lost)\b.*)")
LOG_TAIL = 4096
RECENT = 20
"""Networks by which `_lately_at_once` goes."""


@dataclass(frozen=True)
class Status:
    """Where one network stands.

    `reached` of `length` are epochs or iterations (`unit`) up to its last evaluation or save, None
    where nothing tells; `seconds` what it took (done) or is expected to take (None where nothing
    tells yet), `seconds_left` of these. `why` says what ended a failed network or interrupted a
    waiting one; `log` is where to read more of a failed one; `changed` the time of the last news,
    in seconds since 1970.
    """

    split: str
    seed: int
    network: str
    state: str
    unit: str
    length: int
    reached: float | None = None
    top1: float | None = None
    images_per_second: float | None = None
    seconds: float | None = None
    seconds_left: float | None = None
    why: str | None = None
    log: str | None = None
    changed: float | None = None

    @property
    def path(self) -> str:
        """Its place among the networks of the study."""
        return f"{self.split}/seed{self.seed}/{self.network}"

    @property
    def share(self) -> float:
        """How much of it is trained, from 0 to 1."""
        return 1.0 if self.state == DONE else (self.reached or 0) / self.length


@dataclass(frozen=True)
class StudyStatus:
    """Where a study stands; `seconds_left` is None where nothing runs or nothing tells yet."""

    study: str
    networks: Sequence[Status]
    seconds_left: float | None

    def of(self, *states: str) -> list[Status]:
        """The networks in these states, in the order of the study."""
        return [network for network in self.networks if network.state in states]

    @property
    def counts(self) -> dict[str, int]:
        """How many networks are in each state."""
        return {state: len(self.of(state)) for state in STATES}

    @property
    def share(self) -> float:
        """How much of the study is trained, from 0 to 1, each network counting alike."""
        return statistics.fmean(network.share for network in self.networks)

    def as_json(self) -> dict:
        """All of it, for programs."""
        return {**asdict(self), "counts": self.counts, "share": self.share}


class Watched:
    """The results of a study, to be looked at again and again."""

    def __init__(self, results: Path):
        """Raises StudyError if `results` is no folder of a study's results."""
        self._results, self._file = results, results / targets.STUDY
        self._done: dict[Path, tuple[int, Status]] = {}
        self._read_study()

    def look(self) -> StudyStatus:
        """Where the study stands now."""
        if self._file.stat().st_mtime_ns != self._stamp:
            self._read_study()
        networks = [self._status(*network) for network in self._networks]
        samples = _samples(networks)
        networks = [_with_time(network, samples) for network in networks]
        return StudyStatus(self._study["study"], networks, _seconds_left(networks))

    def _read_study(self) -> None:
        self._study = config.resolved(self._file)
        self._stamp = self._file.stat().st_mtime_ns
        # Its layers are written out, so that their number is not asked for.
        trained = self._study.trained
        self._networks = [(*network, self._study.recipe_of(*network)) for network in trained]
        self._done.clear()

    def _status(self, split: str, seed: int, name: str, recipe: dict) -> Status:
        unit = "iterations" if recipe["iterations"] else "epochs"
        waiting = Status(split, seed, name, WAITING, unit, recipe[unit])
        folder = NetworkFolder(self._results / "networks" / waiting.path)
        done = self._finished(folder, waiting, recipe)
        if done is not None:
            return done
        taken, how = lease.last_writer(folder.path) or ({}, None)
        log = self._results / "logs" / "networks" / f"{waiting.path}.log"
        news = _progress(folder, waiting)
        if how == "running":
            # Who has just taken the folder may not have said yet who it is.
            since = taken.get("taken", job.now())
            started = datetime.fromisoformat(since).timestamp()
            news["changed"] = max(started, news.get("changed", started))
            return replace(waiting, state=RUNNING, **news)
        if how == "interrupted":
            return replace(waiting, why="interrupted; it goes on when the study does", **news)
        error = _last_error(log) if how in (None, "failed", "gone") else None
        reasons = {
            "gone": "its process is gone without a word, as if it had been killed",
            "failed": "it failed",
        }
        why = error or reasons.get(how)
        return replace(waiting, state=FAILED, why=why, log=str(log), **news) if why else waiting

    def _finished(self, folder: NetworkFolder, waiting: Status, recipe: dict) -> Status | None:
        """The status of a network that is trained as the study wants it; None of others."""
        try:
            stamp = folder.metrics.stat().st_mtime_ns
            known, status = self._done.get(folder.path, (None, None))
            if known == stamp:
                return status
            metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        identity = metrics.get("identity", {})
        wanted = {"recipe": recipe, "architecture": self._study["architecture"]}
        if any(identity.get(key) != value for key, value in wanted.items()):
            # Trained for the study as it was before it was changed.
            return None
        status = replace(
            waiting,
            state=DONE,
            reached=waiting.length,
            top1=metrics["top1"],
            images_per_second=metrics["images_per_second"],
            seconds=_seconds_of_job(metrics),
            seconds_left=0.0,
            changed=stamp / 1e9,
        )
        self._done[folder.path] = stamp, status
        return status


def _seconds_of_job(metrics: dict) -> float:
    """What a training took by the clock, or its loop alone where that is all it noted."""
    ran = metrics.get("job", {})
    if ran.get("restarts") != 0:
        return metrics["seconds"]
    started, ended = (datetime.fromisoformat(ran[key]) for key in ("started", "ended"))
    return max(metrics["seconds"], (ended - started).total_seconds())


def _progress(folder: NetworkFolder, status: Status) -> dict:
    """What the last evaluation says of a training, or its resume file, if that tells of more:
    values of a Status."""
    states = []
    with suppress(OSError, ValueError):
        line = read_history(folder.history)[-1:]
        if line:
            states.append(({**line[0], "history": line}, folder.history.stat().st_mtime))
    with suppress(OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError):
        with safetensors.safe_open(folder.resume, framework="numpy") as opened:
            header = json.loads(opened.metadata()["checkpoint"])["header"]
        state = json.loads(header)["state"]
        states.append(({**state, "iteration": state["step"]}, folder.resume.stat().st_mtime))
    if not states:
        return {}
    state, changed = max(states, key=lambda pair: pair[0]["iteration"])
    iteration, last = state["iteration"], (state["history"] or [{}])[-1]
    values = {"top1": last.get("top1"), "changed": changed}
    if status.unit == "iterations":
        values["reached"] = iteration
    elif last:
        # Steps of an epoch are known from an evaluation.
        values["reached"] = round(iteration * last["epoch"] / last["iteration"], 4)
    if state["seconds"]:
        values["images_per_second"] = round(state["images_seen"] / state["seconds"], 1)
        if values.get("reached"):
            values["seconds"] = state["seconds"] * status.length / values["reached"]
    return values


def _last_error(log: Path) -> str | None:
    """The error with which a log ends; None if it ends with none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    match = ERROR.fullmatch(lines[-1].strip()) if lines else None
    return match[1] if match else None


def _alike(status: Status) -> list[tuple]:
    """What networks that take about as long have in common, the closest first: treatment and n,
    treatment, unit."""
    network = parse_name(status.network)
    treatment = (status.unit, network.kind, network.fine_tuned)
    return [(*treatment, network.n), treatment, (status.unit,)]


def _samples(networks: Sequence[Status]) -> dict[tuple, list[float]]:
    """The seconds for each epoch or iteration of networks that are done, by what they have in
    common, and of those that run."""
    samples = defaultdict(list)
    for status in networks:
        keys = {DONE: _alike(status), RUNNING: [(status.unit, RUNNING)]}.get(status.state, [])
        for key in keys if status.seconds else []:
            samples[key].append(status.seconds / status.length)
    return samples


def _with_time(status: Status, samples: dict[tuple, list[float]]) -> Status:
    """With the seconds that a network will take, and that are left: as its own training shows, else
    as those take that are most alike."""
    if status.state not in (WAITING, RUNNING):
        return status
    known = [key for key in (*_alike(status), (status.unit, RUNNING)) if key in samples]
    seconds = status.seconds
    if not seconds and known:
        seconds = statistics.fmean(samples[known[0]]) * status.length
    if not seconds:
        return status
    left = seconds * (1 - status.share)
    if status.state == RUNNING:
        left = max(0.0, left - (time.time() - status.changed))
    return replace(status, seconds=round(seconds, 1), seconds_left=round(left, 1))


def _seconds_left(networks: Sequence[Status]) -> float | None:
    """Of the whole study, None where nothing runs or nothing tells."""
    coming = [status for status in networks if status.state in (WAITING, RUNNING)]
    left = [status.seconds_left for status in coming]
    if not coming:
        return 0.0
    running = sum(status.state == RUNNING for status in coming)
    if None in left or not running:
        return None
    at_once = max(running, _lately_at_once(networks))
    return round(max(max(left), sum(left) / at_once), 1)


def _lately_at_once(networks: Sequence[Status]) -> float:
    """How many trainings lately went on at once: between two trainings, fewer run for a moment."""
    done = [status for status in networks if status.state == DONE]
    done = sorted(done, key=lambda status: status.changed)[-RECENT:]
    if not done:
        return 0.0
    span = done[-1].changed - min(status.changed - status.seconds for status in done)
    return sum(status.seconds for status in done) / span
