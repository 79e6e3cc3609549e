"""Where a command runs: which process of which machine, and which job of a batch system."""

import os
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
NUMBERING = Path("/proc/self/ns/pid")


def place() -> dict:
    """The host, the process, and what SLURM and CUDA say of them; None where they say nothing."""
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "slurm_partition": os.environ.get("SLURM_JOB_PARTITION"),
        "slurm_node": os.environ.get("SLURMD_NODENAME"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def machine() -> str:
    """The same for processes that know each other by their numbers: those of one kernel since it
    started, and of one container."""
    if BOOT.exists():
        return f"{BOOT.read_text(encoding='ascii').strip()} {NUMBERING.stat().st_ino}"
    return f"{socket.gethostname()} {uuid.getnode():012x}"


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
