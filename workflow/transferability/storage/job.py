"""Where a command runs: which process of which machine, and which job of a batch system."""

import os
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def place() -> dict:
    """The host, the process, and what SLURM and CUDA say of them; None where they say nothing."""
    said = {
        "slurm_job_id": "SLURM_JOB_ID",
        "slurm_partition": "SLURM_JOB_PARTITION",
        "slurm_node": "SLURMD_NODENAME",
        "cuda_visible_devices": "CUDA_VISIBLE_DEVICES",
    }
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        **{key: os.environ.get(variable) for key, variable in said.items()},
    }


def described(started: str, device: str, restarts: int, seconds_lost: float) -> dict:
    """What became of a training, for its metrics: where it ran, from when (`now`) to now, on which
    GPU, after how many starts that did not finish it, and how many seconds these lost."""
    return {
        **place(),
        "gpu": device.removeprefix("cuda ") if device.startswith("cuda ") else None,
        "restarts": restarts,
        "seconds_lost": seconds_lost,
        "started": started,
        "ended": now(),
    }


def machine() -> str:
    """The same for all processes that run under one kernel since it started, and for no others."""
    if BOOT.exists():
        return BOOT.read_text(encoding="ascii").strip()
    return f"{socket.gethostname()} {uuid.getnode():012x}"


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
