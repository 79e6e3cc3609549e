"""The accounts of a SLURM that tests start: slurmdbd and its MariaDB."""

import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from waiting import wait_until

OF_CONTROLLER = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge/munge.socket
AccountingStoreFlags=job_comment
AccountingStorageEnforce=limits
AccountingStorageTRES=gres/gpu,gres/gpu:fake,gres/shard
"""
CONFIGURATION = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.socket
DbdHost=localhost
DbdPort={port}
SlurmUser=root
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounts
"""


@dataclass
class Accounting:
    """The database daemons of a cluster whose files are in `folder`."""

    PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "sacctmgr")

    folder: Path
    port: int = field(init=False)
    _daemons: list[subprocess.Popen] = field(default_factory=list)

    def __post_init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]

    @property
    def of_controller(self) -> str:
        """The lines of slurm.conf about the accounts."""
        return OF_CONTROLLER.format(folder=self.folder, port=self.port)

    def start(self) -> None:
        data, database = self.folder / "database", self.folder / "run" / "mariadb.socket"
        subprocess.run(
            f"mariadb-install-db --datadir={data} --user=root --skip-test-db"
            " --auth-root-authentication-method=normal".split(),
            check=True,
            capture_output=True,
        )
        self._daemon(
            f"mariadbd --no-defaults --datadir={data} --user=root --socket={database}"
            f" --pid-file={self.folder}/run/mariadbd.pid --skip-networking",
        )
        wait_until(database.exists, 60, "the database")
        configuration = self.folder / "slurmdbd.conf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder, port=self.port))
        configuration.chmod(0o600)
        log = self.folder / "log" / "slurmdbd.log"
        self._daemon("slurmdbd -D", MYSQL_UNIX_PORT=str(database))
        wait_until(lambda: log.exists() and "started" in log.read_text(), 60, "slurmdbd")

    def register(self, ask: Callable[[str], str]) -> None:
        """Give root an account, as the staff of a site does for its users."""
        listed = ask("sacctmgr --noheader --parsable2 list cluster format=cluster")
        if "ci" not in listed.split():
            ask("sacctmgr --immediate add cluster ci")
        ask("sacctmgr --immediate add account study Cluster=ci")
        ask("sacctmgr --immediate add user root Account=study Cluster=ci")

    def stop(self) -> None:
        for daemon in self._daemons:
            daemon.kill()
            daemon.wait()

    def _daemon(self, command: str, **environment: str) -> None:
        self._daemons.append(
            subprocess.Popen(
                command.split(),
                env={
                    **os.environ,
                    "SLURM_CONF": str(self.folder / "slurm.conf"),
                    **environment,
                },
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
