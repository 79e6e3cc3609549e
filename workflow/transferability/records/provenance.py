"""Records where a training's numbers come from: command line, versions, commit, processor.

`fingerprint` detects changes of the modules that decide numbers; this record is for people who look
for the code and the machine years later.
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
"""The libraries whose version can change numbers."""
GIT_SECONDS = 5
"""The longest time to wait for git, which may be slow on the disks of a cluster."""
CPUINFO = Path("/proc/cpuinfo")


def described(arguments: Sequence[str]) -> dict:
    """Entries for the metrics of a training: the command line, for people who want to repeat it,
    and `versions`, `processor`, `commit` and `changed_files`."""
    head, changed = commit(PROJECT)
    return {
        "command": ["python", "-m", "transferability", *arguments],
        "versions": {
            "python": platform.python_version(),
            # The imported version, which may differ from the installed one.
            "transferability": transferability.__version__,
            **{library: metadata.version(library) for library in LIBRARIES},
        },
        "processor": processor(),
        "commit": head,
        "changed_files": changed,
    }


def of_job(started: str, device: str, restarts: int) -> dict:
    """Entries for the metrics of a training: the machine and the GPU, the start and the end (now),
    and the number of earlier starts that did not finish it."""
    return {
        **job.place(),
        "gpu": device.removeprefix("cuda ") if device.startswith("cuda ") else None,
        "restarts": restarts,
        "started": started,
        "ended": job.now(),
    }


def processor() -> str:
    """The model of the processor, or its architecture if the system does not name the model."""
    if CPUINFO.exists():
        for line in CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit(project: Path) -> tuple[str | None, list[str] | None]:
    """The commit of a working tree, and its tracked files that differ from it (an empty list if
    none do). Both are None if git finds no working tree there; the log then has the reason."""
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
    # Without locks: many trainings may ask at once, some without permission to write there.
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", folder, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
        check=True,
    ).stdout
