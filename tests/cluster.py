"""A real SLURM on this machine: a controller, two nodes with processors and two with GPUs.

The GPUs are devices that do nothing; SLURM counts and assigns them and sets CUDA_VISIBLE_DEVICES as
with real GPUs.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from accounting import Accounting
from waiting import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
NODES = ("cpu1", "cpu2", "gpu1", "gpu2")
CONFIGURATION = """
ClusterName=ci
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,\
default_queue_depth=1000
JobAcctGatherType=jobacct_gather/linux
PropagateResourceLimits=NONE
ReturnToService=2
MinJobAge=600
KillWait=10
OverTimeLimit=0
SlurmdTimeout=10
MessageTimeout=10
UnkillableStepTimeout=30
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
SlurmdParameters=config_overrides
GresTypes=gpu,shard
PartitionName=cpu Nodes=cpu[1-2] Default=YES MaxTime=1440 DefMemPerCPU=200 State=UP
PartitionName=gpu Nodes=gpu[1-2] MaxTime=1440 DefMemPerCPU=200 State=UP
PartitionName=urgent Nodes=gpu[1-2] MaxTime=1440 DefMemPerCPU=200 State=UP PriorityTier=10
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=16 RealMemory=32000"
GPUS = " Gres=gpu:fake:2,shard:8"
NO_ACCOUNTS = "AccountingStorageType=accounting_storage/none\n"
DEVICES = """
NodeName=gpu[1-2] Name=gpu Type=fake File={folder}/dev/nvidia[0-1]
NodeName=gpu[1-2] Name=shard Count=8
"""


def missing(*programs: str) -> str | None:
    """Why no SLURM can be started here; None if one can."""
    absent = [program for program in programs if shutil.which(program) is None]
    if absent:
        return (
            f"{', '.join(absent)} not found; apt-get install slurm-wlm munge slurmdbd "
            "mariadb-server"
        )
    return None if os.geteuid() == 0 else "only root can start a SLURM with several nodes"


@contextmanager
def running(accounting: bool = False) -> Iterator["Cluster"]:
    """A cluster with four idle nodes, always stopped at the end.

    Skips the test if none can be started.
    """
    reason = missing(*PROGRAMS, *(Accounting.PROGRAMS if accounting else ()))
    if reason:
        pytest.skip(reason)
    # A short path, since the name of a socket is short; readable by all, since munge requires it.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, Accounting(folder) if accounting else None)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Cluster:
    """A SLURM whose files are in `folder`; with accounts in a database, or without."""

    folder: Path
    accounting: Accounting | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a program use this cluster and no other."""
        return {
            **os.environ,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }

    def ask(self, command: str) -> str:
        """The output of a command of SLURM, such as `squeue --noheader`."""
        run = subprocess.run(
            command.split(), env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}{self.logs()}"
        return run.stdout

    def jobs(self) -> list[dict[str, str]]:
        """The fields of each job that the controller knows, including ended jobs."""
        lines = self.ask("scontrol show jobs --oneliner").splitlines()
        return [
            dict(field.split("=", 1) for field in line.split(" ") if "=" in field)
            for line in lines
            if line.startswith("JobId=")
        ]

    def start(self) -> None:
        """Start everything and wait until all nodes are idle."""
        for name in ("bin", "dev", "log", "munge", "run", "spool", "state"):
            (self.folder / name).mkdir()
        self._write_configuration()
        munge = self.folder / "munge"
        (munge / "key").write_bytes(secrets.token_bytes(128))
        (munge / "key").chmod(0o600)
        self._call(
            f"munged --key-file {munge}/key --socket {munge}/munge.socket --seed-file {munge}/seed"
            f" --pid-file {self.folder}/run/munged.pid --log-file {self.folder}/log/munged.log"
        )
        if self.accounting:
            self.accounting.start()
        self.start_controller()
        if self.accounting:
            self.accounting.register(self.ask)
        for node in NODES:
            self.start_node(node)
        wait_until(self._all_idle, 60, "four idle nodes")

    def start_controller(self) -> None:
        self._call(f"slurmctld -f {self.folder}/slurm.conf")
        wait_until(self._controller_answers, 30, "the controller")

    def stop_controller(self) -> None:
        controller = psutil.Process(self._pid("slurmctld"))
        controller.terminate()
        _wait_for_end(controller)

    def set(self, name: str, value: object) -> None:
        """Change a number of slurm.conf while the cluster runs."""
        file = self.folder / "slurm.conf"
        text, found = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", file.read_text())
        assert found == 1, f"slurm.conf has {found} lines of {name}"
        file.write_text(text)
        self.ask("scontrol reconfigure")

    def start_node(self, name: str) -> None:
        (self.folder / "spool" / name).mkdir(exist_ok=True)
        self._call(f"slurmd -f {self.folder}/slurm.conf -N {name}")

    def kill_node(self, name: str) -> None:
        """End a node's daemon and all processes of its jobs at once, like a power failure."""
        running = self._processes_of(name)
        steps = {step for process in running for step in _steps_above(process)}
        victims = [psutil.Process(self._pid(name)), *steps, *running]
        # All are stopped before the first ends, so that none can react to it.
        for action in (psutil.Process.suspend, _kill):
            for victim in victims:
                with suppress(psutil.NoSuchProcess):
                    action(victim)

    def kill_daemon(self, name: str) -> None:
        """End a node's daemon; the processes of its jobs continue."""
        _kill(psutil.Process(self._pid(name)))

    def processes(self, node: str, *words: str) -> list[psutil.Process]:
        """The processes of a node's jobs whose command line contains these words."""
        return [p for p in self._processes_of(node) if set(words) <= set(p.cmdline()[:4])]

    def clear(self) -> None:
        """Cancel all jobs, and restore the nodes that a test took down."""
        self.ask("scancel --user=root")
        for node in NODES:
            if not self._lives(node):
                self.start_node(node)
        wait_until(self._all_idle, 120, "four idle nodes")

    def stop(self) -> None:
        """End all daemons that have started, and the processes of their jobs."""
        for pid_file in (self.folder / "run").glob("*.pid"):
            with suppress(psutil.NoSuchProcess):
                _kill(psutil.Process(self._pid(pid_file.stem)))
        for node in NODES:
            for process in self._processes_of(node):
                _kill(process)
        if self.accounting:
            self.accounting.stop()

    def logs(self) -> str:
        """The last lines of each daemon's log, for the message of a failed test."""
        return "".join(
            f"\n--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            for log in sorted((self.folder / "log").glob("*.log"))
        )

    def _write_configuration(self) -> None:
        host = socket.gethostname().split(".")[0]
        ports = _free_ports(len(NODES) + 1)
        text = CONFIGURATION.format(folder=self.folder, host=host, port=ports.pop())
        for node in NODES:
            line = NODE.format(name=node, host=host, port=ports.pop())
            text += f"{line}{GPUS if node.startswith('gpu') else ''} State=UNKNOWN\n"
        text += self.accounting.of_controller if self.accounting else NO_ACCOUNTS
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        (self.folder / "gres.conf").write_text(DEVICES.format(folder=self.folder))
        for number in range(2):
            # A second /dev/null: SLURM accepts no other kind of file as a GPU.
            os.mknod(self.folder / f"dev/nvidia{number}", 0o20666, os.makedev(1, 3))
        # The plugin's job step removes SLURM_CONF, without which srun finds no cluster.
        srun = self.folder / "bin" / "srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        srun.chmod(0o755)

    def _call(self, command: str) -> None:
        run = subprocess.run(
            command.split(),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            # A daemon would keep a pipe open forever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
        assert run.returncode == 0, f"{command} failed{self.logs()}"

    def _controller_answers(self) -> bool:
        ping = subprocess.run(["scontrol", "ping"], env=self.environment, capture_output=True)
        return ping.returncode == 0

    def _all_idle(self) -> bool:
        states = self.ask("sinfo --Node --noheader --format=%T").split()
        # SLURM drains a node whose job step does not end, for example if it lost its controller.
        if "drained" in states:
            subprocess.run(
                ["scontrol", "update", f"nodename={','.join(NODES)}", "state=resume"],
                env=self.environment,
                capture_output=True,
            )
        return states.count("idle") >= len(NODES)

    def _lives(self, daemon: str) -> bool:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._pid(daemon)).status() != psutil.STATUS_ZOMBIE
        return False

    def _pid(self, daemon: str) -> int:
        return int((self.folder / "run" / f"{daemon}.pid").read_text())

    def _processes_of(self, node: str) -> list[psutil.Process]:
        """The processes on a node, found by the variables that SLURM gives each job."""
        mine = {"SLURMD_NODENAME": node, "SLURM_CONF": str(self.folder / "slurm.conf")}
        return [p for p in psutil.process_iter() if mine.items() <= _environment(p).items()]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
        return {}


def _steps_above(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [parent for parent in process.parents() if parent.name() == "slurmstepd"]
    return []


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
    _wait_for_end(process)


def _wait_for_end(process: psutil.Process) -> None:
    # Its parent may reap it later, but its ports and files are free.
    with suppress(psutil.NoSuchProcess):
        wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, 30, f"the end of {process}")


def _free_ports(count: int) -> list[int]:
    """Unused ports; all are kept open until each is found, so that all are different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
