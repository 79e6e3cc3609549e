"""The progress of a study, from the files of its run: metrics, histories, writers and logs.

Nothing is written and no slow module is imported, so this also works on a login node, during a run
or afterwards, with or without Snakemake.
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

from transferability import images
from transferability.storage import lease
from transferability.storage.network_folder import NetworkFolder, read_history
from transferability.study import config, targets
from transferability.study.design import Study
from transferability.study.learned import reason
from transferability.study.networks import HALVES, parse_name

WAITING, RUNNING, DONE, FAILED = STATES = ("waiting", "running", "done", "failed")
# The last line of a log that ends with an error, from the command line or from Python.
ERROR = re.compile(r"(?:\S+ \S+ )?((?:\w+\.)*\w*(?:Error|Exception|Lost)\b.*)")
# Below an error, torchrun names the process that failed, and gloo those that waited for it.
AFTER_ERROR = re.compile(r"torch\.distributed\.elastic\b|.*/gloo/")
MEASURED = ("top1", "chance", "learned", "images_per_second")
CHANGED = "trained before the study was changed"
INTERRUPTED = "interrupted; continues when the study does"
ENDS = {
    "gone": "its process ended without a message, as if it had been killed",
    "failed": "it failed",
}


@dataclass(frozen=True)
class Status:
    """The status of one network.

    `reached` of `length` are epochs or iterations (`unit`) at the last evaluation or, before the
    first, at the last save; None before that. `learned` says whether a done network learned.
    `seconds` is the time it took (done) or is expected to take, `seconds_left` the remaining part;
    None if unknown. `why` is the reason why a network failed, was interrupted or (if done) did not
    learn; `log` is the log of a failed one. `began` is when its process started, and `changed` when
    its files last changed, in seconds since 1970.
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
    began: float | None = None
    changed: float | None = None

    @property
    def path(self) -> str:
        """Its name among the networks of the study: split/seed/network."""
        return f"{self.split}/seed{self.seed}/{self.network}"

    @property
    def share(self) -> float:
        """The trained share of the network, from 0 to 1."""
        return 1.0 if self.state == DONE else (self.reached or 0) / self.length


@dataclass(frozen=True)
class StudyStatus:
    """The status of a study. `seconds_left` is None if nothing runs or the time is not known yet.
    `failed_sources` are those whose weights could not be imported, or whose images could not be
    prepared (the study's images are called "images"), each with `why` and its `log`."""

    study: str
    networks: Sequence[Status]
    seconds_left: float | None
    failed_sources: Sequence[dict]

    def of(self, *states: str) -> list[Status]:
        """The networks in these states, in the order of the study."""
        return [network for network in self.networks if network.state in states]

    @property
    def counts(self) -> dict[str, int]:
        return {state: len(self.of(state)) for state in STATES}

    @property
    def share(self) -> float:
        """The trained share of the study, from 0 to 1; all networks count equally."""
        return statistics.fmean(network.share for network in self.networks)

    def as_json(self) -> dict:
        """The status as values for JSON."""
        return {**asdict(self), "counts": self.counts, "share": self.share}


def look(results: Path) -> StudyStatus:
    """The present status of the study in a folder of results. Raises StudyError if it has none."""
    file = results / targets.STUDY
    # This file is written when a run starts.
    started = file.stat().st_mtime if file.exists() else 0.0
    study = _study(file, started)
    networks = _with_time([_status(results, study, *network) for network in study.trained])
    left = _seconds_left(networks, started)
    return StudyStatus(study["study"], networks, left, _failed_sources(results, study))


def _failed_sources(results: Path, study: Study) -> list[dict]:
    stores = targets.run_folder(results / targets.STUDY) / images.STORES
    names = [images.store_name(dataset) for dataset in targets.datasets(study)]
    made = [("images", stores / name / "manifest.json", f"prepare_images/{name}") for name in names]
    for letter in study.imported.values():
        metrics = NetworkFolder(results / "sources" / letter).metrics
        made.append((letter, metrics, f"import_source/{letter}"))
    failed = []
    for source, written_last, rule in made:
        log = results / "logs" / f"{rule}.log"
        _, how = lease.last_writer(written_last.parent) or ({}, None)
        is_well = written_last.exists() or how in ("running", "interrupted")
        if not is_well and (why := _fault(how, log)):
            failed.append({"source": source, "why": why, "log": str(log)})
    return failed


@lru_cache(1)
def _study(file: Path, stamp: float) -> Study:
    """A study, read again if its time stamp changes."""
    return config.resolved(file)


def _status(results: Path, study: Study, split: str, seed: int, name: str) -> Status:
    training = study.training(split, seed, name)
    recipe = training.recipe
    unit = "iterations" if recipe["iterations"] else "epochs"
    waiting = Status(split, seed, name, WAITING, unit, recipe[unit])
    folder = NetworkFolder(results / "networks" / waiting.path)
    before = None
    if folder.metrics.exists():
        stamp = folder.metrics.stat().st_mtime
        metrics = _metrics(folder.metrics, stamp)
        wanted = {"recipe": recipe, "architecture": training.architecture}
        if wanted.items() <= metrics["identity"].items():
            kept = {key: metrics[key] for key in MEASURED}
            return replace(
                waiting,
                state=DONE,
                reached=waiting.length,
                **kept,
                why=None if metrics["learned"] else reason(metrics),
                **_times(metrics),
                changed=stamp,
            )
        before = CHANGED
    taken, how = lease.last_writer(folder.path) or ({}, None)
    # A process that has just taken the folder may not have written its name yet.
    began = datetime.fromisoformat(taken["taken"]).timestamp() if taken else time.time()
    news = _progress(folder.history, waiting, began)
    if how in ("running", "interrupted") and not news:
        news = _saved(folder.path, study, waiting)
    if how == "running":
        news["changed"] = max(began, news.get("changed", began))
        return replace(waiting, state=RUNNING, began=began, **news)
    if how == "interrupted":
        return replace(waiting, why=INTERRUPTED, **news)
    log = results / "logs" / "networks" / f"{waiting.path}.log"
    if why := _fault(how, log):
        return replace(waiting, state=FAILED, why=why, log=str(log), **news)
    return replace(waiting, why=before)


def _fault(how: str | None, log: Path) -> str | None:
    """The reason why a writer failed, if it did; `how` is how it ended (None: no writer)."""
    return (_last_error(log) if how != "finished" else None) or ENDS.get(how)


@cache
def _metrics(file: Path, stamp: float) -> dict:
    """A metrics.json, read again if its time stamp changes."""
    return json.loads(file.read_text(encoding="utf-8"))


def _times(metrics: dict) -> dict:
    """The duration and the start of a training, as values of a Status. After restarts, the duration
    is that of its loop, without the time between starts."""
    job = metrics["job"]
    if job["restarts"]:
        return {"seconds": metrics["seconds"], "seconds_left": 0.0}
    began, ended = (datetime.fromisoformat(job[key]).timestamp() for key in ("started", "ended"))
    return {"seconds": ended - began, "seconds_left": 0.0, "began": began}


def _progress(history: Path, status: Status, began: float) -> dict:
    """The last evaluation of a training whose process started at `began`, as values of a Status."""
    try:
        lines = read_history(history)
    except ValueError:
        # The file is missing before the first evaluation, and a damaged one cannot be used.
        return {}
    key = "iteration" if status.unit == "iterations" else "epoch"
    stamp, last = history.stat().st_mtime, lines[-1]
    reached = last[key]
    # Before its first evaluation a training also does one-time work, such as frozen features.
    seconds, through = (last[name] - lines[0][name] for name in ("seconds", key))
    rate = seconds / through if through else last["seconds"] / reached
    # The start of the process, which history does not count; zero after a resume.
    start = max(0.0, stamp - began - last["seconds"])
    return {
        "reached": reached,
        "top1": last["top1"],
        "images_per_second": round(last["images_seen"] / last["seconds"], 1),
        "seconds": start + last["seconds"] + rate * (status.length - reached),
        "changed": stamp,
    }


def _saved(network: Path, study: Study, status: Status) -> dict:
    """The progress of a training without evaluations from its last save, as a value of a Status;
    empty if its number of steps is not known here."""
    saved = NetworkFolder(network).saved_step()
    with suppress(ValueError):
        if saved and parse_name(status.network).target in HALVES:
            size = study.target_size(images.size(study["dataset"]))
            steps = study.steps_of(status.split, status.seed, status.network, size)
            return {"reached": status.length * saved / steps}
    return {}


def _last_error(log: Path) -> str | None:
    """The error in the last line of a log, or None. If several processes wrote it, the last error
    that one of them caused itself."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = text.rstrip().split("\n")
    if "torch.distributed.elastic." not in text:
        lines = lines[-1:]
    matches = [match[1] for match in map(ERROR.fullmatch, map(str.strip, lines)) if match]
    errors = [error for error in matches if not AFTER_ERROR.match(error)]
    return errors[-1] if errors else None


def _with_time(networks: Sequence[Status]) -> list[Status]:
    """The networks with expected seconds (in total and left) if they wait or run: the median time
    per epoch or iteration of the most similar done networks, or else running ones."""
    rates = {state: defaultdict(list) for state in (DONE, RUNNING)}
    for status in networks:
        if status.seconds and status.state in rates:
            for key in _alike(status):
                rates[status.state][key].append(status.seconds / status.length)
    medians = {
        key: statistics.median(values)
        for state in (RUNNING, DONE)
        for key, values in rates[state].items()
    }
    timed = []
    for status in networks:
        rate = next((medians[key] for key in _alike(status) if key in medians), None)
        if rate and status.state in (WAITING, RUNNING):
            seconds = rate * status.length
            since = time.time() - status.changed if status.state == RUNNING else 0
            left = max(0.0, seconds * (1 - status.share) - since)
            status = replace(status, seconds=round(seconds, 1), seconds_left=round(left, 1))
        timed.append(status)
    return timed


def _alike(status: Status) -> tuple[tuple, ...]:
    """Keys that networks of similar duration share, the most specific first."""
    network = parse_name(status.network)
    kind = (status.unit, network.treatment)
    return (*kind, network.n), kind, (status.unit,)


def _seconds_left(networks: Sequence[Status], started: float) -> float | None:
    """Seconds left for the whole study, if as many networks run at once as now or, if more, as on
    average since `started`, the start of the run; None if nothing runs or a time is unknown."""
    left = [status.seconds_left for status in networks if status.state in (WAITING, RUNNING)]
    at_once = sum(status.state == RUNNING for status in networks)
    if not left:
        return 0.0
    if None in left or not at_once:
        return None
    now = time.time()
    of_run = [status for status in networks if (status.began or 0.0) >= started]
    ends = [now if status.state == RUNNING else status.changed for status in of_run]
    if of_run and (clock := now - min(status.began for status in of_run)) > 0:
        # Between two networks there is often a pause.
        busy = sum(end - status.began for end, status in zip(ends, of_run, strict=True))
        at_once = max(at_once, busy / clock)
    return round(max(max(left), sum(left) / at_once), 1)
