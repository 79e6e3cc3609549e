"""Where a training's numbers come from: command line, versions, commit, processor.

Modules that decide numbers are told apart by `fingerprint`; this is for people, who look for the
code and the machine years later.
"""

import logging
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import transferability
from transferability.storage import job

log = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parents[3]
LIBRARIES = ("torch", "torchvision", "numpy", "safetensors", "pillow")
"""Those whose version decides numbers."""
GIT_SECONDS = 5
"""A training waits no longer for git, which may be slow on the disks of a cluster."""
CPUINFO = Path("/proc/cpuinfo")


def described(arguments: Sequence[str]) -> dict:
    """For the metrics of a training: the command line, for people who want to run it again, and
    `versions`, `processor`, `commit` and `changed_files`."""
    head, changed = commit(PROJECT)
    return {
        "command": ["python", "-m", "transferability", *arguments],
        "versions": {
            "python": platform.python_version(),
            # As it is imported, which need not be as it is installed.
            "transferability": transferability.__version__,
            **{library: metadata.version(library) for library in LIBRARIES},
        },
        "processor": processor(),
        "commit": head,
        "changed_files": changed,
    }


def of_job(started: str, device: str, restarts: int) -> dict:
    """For the metrics of a training: where it ran, from when to now, on which GPU, after how many
    starts that did not finish it."""
    return {
        **job.place(),
        "gpu": device.removeprefix("cuda ") if device.startswith("cuda ") else None,
        "restarts": restarts,
        "started": started,
        "ended": job.now(),
    }


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
            raise ValueError(f"{project} is part of another repository, {root}")
        changed = _git(project, "diff", "--name-only", "-z", "HEAD")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reason = getattr(error, "stderr", None) or error
        log.info("no commit is recorded: %s", str(reason).strip())
        return None, None
    return head, [name for name in changed.split("\0") if name]


def _git(folder: Path, *arguments: str) -> str:
    # Without locks, since many trainings may ask at once, also where they cannot write.
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", folder, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=True,
    ).stdout
