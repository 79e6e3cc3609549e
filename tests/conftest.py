import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

# Before torch is imported: several processes that each use all cores slow each other down.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from cluster import Cluster, running
from laboratory import Laboratory, Trained
from project import MADE, Project

from transferability.__main__ import main

LONG = ("cluster", "finished")
"""Fixtures of tests that take long, the longest first."""
COUNTS = pytest.StashKey[tuple[int, int]]()
"""The number of tests, and the number of those that run only with --full."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run also what is marked `full`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --full, leave out the tests that are marked `full`.

    Files that wait for a cluster come first, then those that run whole studies; the short tests
    then use the remaining time of each process.
    """
    full = [item for item in items if item.get_closest_marker("full")]
    config.stash[COUNTS] = len(items), len(full)
    if not config.getoption("full"):
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]

    def turn(item: pytest.Item) -> int:
        taken = [turn for turn, name in enumerate(LONG) if name in item.fixturenames]
        return min(taken, default=len(LONG))

    turns: dict[Path, int] = {}
    for item in items:
        turns[item.path] = min(turn(item), turns.get(item.path, len(LONG)))
    items.sort(key=lambda item: turns[item.path])


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Only xdist's workers collect tests; each passes its counts to the process that reports.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counts"] = session.config.stash.get(COUNTS, (0, 0))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    node.config.stash[COUNTS] = node.workeroutput.get("counts", (0, 0))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the last line: the tests that were left out, and how to run them."""
    total, full = config.stash.get(COUNTS, (0, 0))
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if full and reporter and not config.getoption("full") and not hasattr(config, "workerinput"):
        reporter.write_line(
            f"The full set has {total:,} tests, {full:,} more than these: uv run pytest --full"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Where no test may be skipped, as in CI, a skipped test has failed."""
    report = yield
    if report.skipped and os.environ.get("TRANSFERABILITY_SKIP_NOTHING"):
        report.outcome = "failed"
        report.longrepr = f"skipped: {report.longrepr[2]}"
    return report


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread, so that sums always have the same order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def started_cluster() -> Iterator[Cluster]:
    """A SLURM without accounts; tests use `cluster`."""
    with running() as started:
        yield started


@pytest.fixture
def cluster(started_cluster) -> Iterator[Cluster]:
    """A SLURM whose nodes are idle."""
    yield started_cluster
    started_cluster.clear()


@pytest.fixture(scope="module")
def with_accounts() -> Iterator[Cluster]:
    """A SLURM with accounts and their limits; the account of root is `study`."""
    with running(accounting=True) as started:
        yield started


@pytest.fixture
def on_cluster(finished, cluster, tmp_path) -> Project:
    """A copy of the finished project that runs through profiles/slurm."""
    return Project.copied(tmp_path / "project", results_of=finished, cluster=cluster)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Project:
    """The finished tiny study, made once for all processes. For reading only: tests that change
    or run anything use `project`."""
    place = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        place = place.parent
    project = Project(place / "finished" / "project")
    with (place / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (project.folder / MADE).exists():
            shutil.rmtree(project.folder, ignore_errors=True)
            Project.copied(project.folder)
            project.write_study()
            (project.folder / MADE).write_text(project.succeed(), encoding="utf-8")
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project, to change at will."""
    return Project.copied(tmp_path / "project", results_of=finished)


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory) -> Laboratory:
    """Digits and a class split, on which networks train in a moment. For reading only."""
    return Laboratory.built(tmp_path_factory.mktemp("laboratory"))


@pytest.fixture(scope="session")
def bases(laboratory, tmp_path_factory) -> dict[str, Trained]:
    """baseA and baseB, as the laboratory trains them. For reading only."""
    folder = tmp_path_factory.mktemp("bases")
    return {name: laboratory.train(name, folder / name) for name in ("baseA", "baseB")}


@pytest.fixture
def failure(caplog) -> Callable[..., str]:
    """The single error line of a command that fails."""

    def of(*arguments: object) -> str:
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            assert main([str(argument) for argument in arguments]) == 1
        (record,) = caplog.records
        assert record.exc_info is None
        assert "\n" not in record.getMessage()
        return record.getMessage()

    return of
