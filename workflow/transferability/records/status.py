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
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path

from transferability.storage import lease
from transferability.storage.network_folder import NetworkFolder, read_history
from transferability.study import config, targets
from transferability.study.design import Study
from transferability.study.networks import parse_name

WAITING, RUNNING, DONE, FAILED = STATES = ("waiting", "running", "done", "failed")
# The last line of a log, as the command line or Python ends one.
ERROR = re.compile(r"(?:\S+ \S+ )?((?:\w+\.)*\w*(?:Error|Exception|Lost)\b.*)")
MEASURED = ("top1", "chance", "learned", "images_per_second")
ENDS = {
    "gone": "its process is gone without a word, as if it had been killed",
    "failed": "it failed",
}


@dataclass(frozen=True)
class Status:
    """Where one network stands.

    `reached` of `length` are epochs or iterations (`unit`) up to its last evaluation, None where
    there is none; `learned` says whether a done one did; `seconds` what it took (done) or is
    expected to take, `seconds_left` of these, None where nothing tells yet. `why` says what ended a
    failed network or interrupted a waiting one; `log` is where to read more of a failed one;
    `changed` is the time of its last news, in seconds since 1970.
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
    study = _study(file, file.stat().st_mtime if file.exists() else 0.0)
    networks = _with_time([_status(results, study, *network) for network in study.trained])
    return StudyStatus(study["study"], networks, _seconds_left(networks))


@lru_cache(1)
def _study(file: Path, stamp: float) -> Study:
    """A study, read again when its time stamp changes."""
    return config.resolved(file)


def _status(results: Path, study: Study, split: str, seed: int, name: str) -> Status:
    recipe = study.recipe_of(split, seed, name)
    unit = "iterations" if recipe["iterations"] else "epochs"
    waiting = Status(split, seed, name, WAITING, unit, recipe[unit])
    folder = NetworkFolder(results / "networks" / waiting.path)
    if folder.metrics.exists():
        stamp = folder.metrics.stat().st_mtime
        metrics = _metrics(folder.metrics, stamp)
        wanted = {"recipe": recipe, "architecture": study["architecture"]}
        # Others were trained for the study as it was before it was changed.
        if wanted.items() <= metrics["identity"].items():
            kept = {key: metrics[key] for key in MEASURED}
            times = {"seconds": _seconds(metrics), "seconds_left": 0.0, "changed": stamp}
            return replace(waiting, state=DONE, reached=waiting.length, **kept, **times)
    taken, how = lease.last_writer(folder.path) or ({}, None)
    news = _progress(folder.history, waiting)
    if how == "running":
        # Who has just taken the folder may not have said yet who it is.
        began = datetime.fromisoformat(taken["taken"]).timestamp() if taken else time.time()
        news["changed"] = max(began, news.get("changed", began))
        return replace(waiting, state=RUNNING, **news)
    if how == "interrupted":
        return replace(waiting, why="interrupted; it goes on when the study does", **news)
    log = results / "logs" / "networks" / f"{waiting.path}.log"
    why = (_last_error(log) if how != "finished" else None) or ENDS.get(how)
    return replace(waiting, state=FAILED, why=why, log=str(log), **news) if why else waiting


@cache
def _metrics(file: Path, stamp: float) -> dict:
    """A metrics.json, read again when its time stamp changes."""
    return json.loads(file.read_text(encoding="utf-8"))


def _seconds(metrics: dict) -> float:
    """What a training took: by the clock, or its loop alone where it was started more than once."""
    job = metrics["job"]
    if job["restarts"]:
        return metrics["seconds"]
    started, ended = (datetime.fromisoformat(job[key]) for key in ("started", "ended"))
    return (ended - started).total_seconds()


def _progress(history: Path, status: Status) -> dict:
    """What the last evaluation says of a training: values of a Status."""
    lines = read_history(history) if history.exists() else []
    if not lines:
        return {}
    last = lines[-1]
    reached = last["iteration" if status.unit == "iterations" else "epoch"]
    return {
        "reached": reached,
        "top1": last["top1"],
        "images_per_second": round(last["images_seen"] / last["seconds"], 1),
        "seconds": last["seconds"] * status.length / reached,
        "changed": history.stat().st_mtime,
    }


def _last_error(log: Path) -> str | None:
    """The error with which a log ends, if it ends with one."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    match = ERROR.fullmatch(text.rstrip().rpartition("\n")[2].strip())
    return match[1] if match else None


def _with_time(networks: Sequence[Status]) -> list[Status]:
    """With the seconds that those to come will take, and have left: as its own training shows,
    else as those of its kind and n take for an epoch or iteration, else as all do on average."""
    rates = defaultdict(list)
    for status in networks:
        if status.seconds and status.state in (DONE, RUNNING):
            for key in _alike(status):
                rates[key].append(status.seconds / status.length)
    means = {key: statistics.fmean(values) for key, values in rates.items()}
    timed = []
    for status in networks:
        mean = next((means[key] for key in _alike(status) if key in means), None)
        seconds = status.seconds or (mean and mean * status.length)
        if seconds and status.state in (WAITING, RUNNING):
            since = time.time() - status.changed if status.state == RUNNING else 0
            left = max(0.0, seconds * (1 - status.share) - since)
            status = replace(status, seconds=round(seconds, 1), seconds_left=round(left, 1))
        timed.append(status)
    return timed


def _alike(status: Status) -> tuple[tuple, ...]:
    """What networks have in common that take as long, the more telling first."""
    network = parse_name(status.network)
    return (status.unit, network.treatment, network.n), (status.unit,)


def _seconds_left(networks: Sequence[Status]) -> float | None:
    """Of the whole study with as many networks at once as run now; None where nothing runs or
    nothing tells."""
    left = [status.seconds_left for status in networks if status.state in (WAITING, RUNNING)]
    at_once = sum(status.state == RUNNING for status in networks)
    if not left:
        return 0.0
    if None in left or not at_once:
        return None
    return round(max(max(left), sum(left) / at_once), 1)
