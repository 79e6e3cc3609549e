"""The machine on which a benchmark was run."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path


def described() -> str:
    """Date, processor, cores and versions, in one line."""
    cpuinfo, model, amx = Path("/proc/cpuinfo"), platform.machine(), ""
    if cpuinfo.exists():
        text = cpuinfo.read_text(encoding="utf-8")
        names = [line.split(":", 1)[1] for line in text.splitlines() if "model name" in line]
        model = names[0].strip() if names else model
        amx = " with AMX" if "amx_tile" in text else ""
    versions = [f"{name} {version(name)}" for name in ("torch", "torchvision", "pillow")]
    return (
        f"{datetime.date.today()}, {os.cpu_count()} cores of {model}{amx}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )
