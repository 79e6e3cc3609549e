"""How far a training has come, read where torch would take too long to import."""

import json
from contextlib import suppress
from pathlib import Path

import safetensors

from transferability.storage.network_folder import NetworkFolder


def saved_step(network: Path) -> int | None:
    """The iteration after which an interrupted training goes on; None if it starts new.

    The file's checksum is not compared, as `NetworkFolder.load_resume` does.
    """
    unreadable = (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError)
    with (
        suppress(*unreadable),
        safetensors.safe_open(NetworkFolder(network).resume, "numpy") as file,
    ):
        entry = json.loads(file.metadata()["checkpoint"])
        return json.loads(entry["header"])["state"]["step"]
    return None
