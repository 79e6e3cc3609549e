"""The place where a command runs: machine, process, and job of a batch system."""

import os
import socket
from datetime import UTC, datetime


def place() -> dict:
    """The host, the process, and the variables of SLURM and CUDA; None for those not set."""
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "slurm_partition": os.environ.get("SLURM_JOB_PARTITION"),
        "slurm_node": os.environ.get("SLURMD_NODENAME"),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def now() -> str:
    """The present time in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
