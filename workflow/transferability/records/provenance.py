"""Where a training's numbers come from: command line, versions, commit, processor.

Modules that decide numbers are told apart by `fingerprint`; this is for people, who look for the
code and the machine years later.
"""

import logging
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import transferability
from transferability.storage import job

log = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parents[3]
PROGRAM = ("python", "-m", "transferability")
LIBRARIES = ("torch", "torchvision", "numpy", "safetensors", "pillow")
"""Those whose version decides numbers."""
GIT_SECONDS = 5
"""So long a training waits for git, which may be slow where the disks of a cluster are."""
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""By these git's own hooks, which may have started this, speak of another repository."""
CPUINFO = Path("/proc/cpuinfo")


def described(arguments: Sequence[str]) -> dict:
    """For the metrics of a training: the command line, for people who want to run it again, and
    `versions`, `processor`, `commit` and `changed_files`."""
    head, changed = commit(PROJECT)
    return {
        "command": [*PROGRAM, *arguments],
        "versions": versions(),
        "processor": processor(),
        "commit": head,
        "changed_files": changed,
    }


def of_job(started: str, device: str, restarts: int, seconds_lost: float) -> dict:
    """For the metrics of a training: where it ran, from when to now, on which GPU, after how many
    starts that did not finish it, and how many seconds these lost."""
    return {
        **job.place(),
        "gpu": device.removeprefix("cuda ") if device.startswith("cuda ") else None,
        "restarts": restarts,
        "seconds_lost": seconds_lost,
        "started": started,
        "ended": job.now(),
    }


def versions() -> dict[str, str | None]:
    """The versions of Python, of this software and of LIBRARIES, None for what is not installed."""
    found: dict[str, str | None] = {
        "python": platform.python_version(),
        # As it is imported, which need not be as it is installed.
        "transferability": transferability.__version__,
    }
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = None
    return found


def processor() -> str:
    """The model of the processor, or its architecture where the system does not tell."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit(project: Path) -> tuple[str | None, list[str] | None]:
    """The commit of a working tree, and those of its tracked files that have changed since: none if
    the tree is clean. Both None where git knows no such tree; the reason is in the log."""
    try:
        root, head = _git(project, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        if not Path(root).samefile(project):
            log.info("no commit is recorded: %s is a part of another repository, %s", project, root)
            return None, None
        changed = _git(project, "diff", "--name-only", "-z", "HEAD")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reason = getattr(error, "stderr", None) or error
        log.info("no commit is recorded: %s", str(reason).strip())
        return None, None
    return head, [name for name in changed.split("\0") if name]


def faults(recorded: object, identity: dict) -> Iterator[str]:
    """What is wrong with a provenance, read from a network's metrics, beside the identity there.

    Raises KeyError or TypeError where it is not what `described` gives.
    """
    if recorded is None:
        yield (
            "it does not say by which command, versions and commit it was made; an earlier version "
            "of this software trained it"
        )
        return
    # A build for one kind of GPU is named after a +, in the version of the imported module alone.
    torch = {
        str(version).partition("+")[0]
        for version in (recorded["versions"]["torch"], identity["torch"])
    }
    if len(torch) > 1:
        yield f"its versions of torch are {' and '.join(sorted(torch))}"
    commit = recorded["commit"]
    if commit is not None and not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit):
        yield f"its commit, {commit!r}, is none"


def _git(folder: Path, *arguments: str) -> str:
    # Without locks, since many trainings may ask at once, also where they cannot write.
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", folder, *arguments],
        env={name: value for name, value in os.environ.items() if name not in ELSEWHERE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=GIT_SECONDS,
        check=True,
    ).stdout
