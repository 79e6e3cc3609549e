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
from functools import cache, lru_cache
from pathlib import Path

import safetensors

from transferability.storage import job, lease
from transferability.storage.network_folder import NetworkFolder, read_history
from transferability.study import config, targets
from transferability.study.design import Study
from transferability.study.networks import parse_name

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
STATES = (DONE, RUNNING, WAITING, FAILED)
# The last line of a log, as the command line or Python ends one.
ERROR = re.compile(r"(?:\S+ \S+ )?((?:\w+\.)*\w*(?:Error|Exception|Lost)\b.*)")
LOG_TAIL = 4096
ENDS = {
    "gone": "its process is gone without a word, as if it had been killed",
    "failed": "it failed",
}


@dataclass(frozen=True)
class Status:
    """Where one network stands.

    `reached` of `length` are epochs or iterations (`unit`) up to its last evaluation or save, None
    where nothing tells; `learned` says whether a done one did; `seconds` what it took (done) or is
    expected to take (None where nothing tells yet), `seconds_left` of these. `why` says what ended
    a failed network or interrupted a waiting one; `log` is where to read more of a failed one;
    `changed` the time of the last news, in seconds since 1970.
    """

    split: str
    seed: int
    network: str
    state: str
    unit: str
    length: int
    reached: float | None = None
    top1: float | None = None
    chance: float | None = None
    learned: bool | None = None
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


def look(results: Path) -> StudyStatus:
    """Where the study of a folder of results stands now. Raises StudyError if it is none."""
    file = results / targets.STUDY
    study = _study(file, file.stat().st_mtime_ns if file.exists() else 0)
    networks = []
    for split, seed, name in study.trained:
        recipe = study.recipe_of(split, seed, name)
        unit = "iterations" if recipe["iterations"] else "epochs"
        waiting = Status(split, seed, name, WAITING, unit, recipe[unit])
        networks.append(_status(results, study, waiting, recipe))
    networks = _with_time(networks)
    return StudyStatus(study["study"], networks, _seconds_left(networks))


@lru_cache(1)
def _study(file: Path, stamp: int) -> Study:
    """A study, read again when its time stamp changes."""
    return config.resolved(file)


def _status(results: Path, study: Study, waiting: Status, recipe: dict) -> Status:
    folder = NetworkFolder(results / "networks" / waiting.path)
    with suppress(OSError, ValueError):
        stamp = folder.metrics.stat().st_mtime_ns
        metrics = _metrics(folder.metrics, stamp)
        wanted = {"recipe": recipe, "architecture": study["architecture"]}
        # Others were trained for the study as it was before it was changed.
        if wanted.items() <= metrics.get("identity", {}).items():
            return replace(
                waiting,
                state=DONE,
                reached=waiting.length,
                **{key: metrics.get(key) for key in ("top1", "chance", "learned")},
                images_per_second=metrics["images_per_second"],
                seconds=_seconds_of_job(metrics),
                seconds_left=0.0,
                changed=stamp / 1e9,
            )
    taken, how = lease.last_writer(folder.path) or ({}, None)
    news = _progress(folder, waiting)
    if how == "running":
        # Who has just taken the folder may not have said yet who it is.
        started = datetime.fromisoformat(taken.get("taken", job.now())).timestamp()
        news["changed"] = max(started, news.get("changed", started))
        return replace(waiting, state=RUNNING, **news)
    if how == "interrupted":
        return replace(waiting, why="interrupted; it goes on when the study does", **news)
    log = results / "logs" / "networks" / f"{waiting.path}.log"
    why = (_last_error(log) if how != "finished" else None) or ENDS.get(how)
    return replace(waiting, state=FAILED, why=why, log=str(log), **news) if why else waiting


@cache
def _metrics(file: Path, stamp: int) -> dict:
    """A metrics.json, read again when its time stamp changes."""
    return json.loads(file.read_text(encoding="utf-8"))


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


def _with_time(networks: Sequence[Status]) -> list[Status]:
    """With the seconds that those to come will take, and have left: as its own training shows,
    else as those of its kind and n take for an epoch or iteration, else as all do on average."""
    rates, alike = defaultdict(list), {}
    for status in networks:
        network = parse_name(status.network)
        alike[status] = status.unit, network.treatment, network.n
        if status.seconds and status.state in (DONE, RUNNING):
            for key in (alike[status], status.unit):
                rates[key].append(status.seconds / status.length)
    means = {key: statistics.fmean(values) for key, values in rates.items()}
    timed = []
    for status in networks:
        mean = means.get(alike[status], means.get(status.unit))
        seconds = status.seconds or (mean and mean * status.length)
        if seconds and status.state in (WAITING, RUNNING):
            since = time.time() - status.changed if status.state == RUNNING else 0
            left = max(0.0, seconds * (1 - status.share) - since)
            status = replace(status, seconds=round(seconds, 1), seconds_left=round(left, 1))
        timed.append(status)
    return timed


def _seconds_left(networks: Sequence[Status]) -> float | None:
    """Of the whole study with as many networks at once as run now; None where nothing runs or
    nothing tells."""
    left = [status.seconds_left for status in networks if status.state in (WAITING, RUNNING)]
    running = sum(status.state == RUNNING for status in networks)
    if not left:
        return 0.0
    if None in left or not running:
        return None
    return round(max(max(left), sum(left) / running), 1)
