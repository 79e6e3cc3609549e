"""The executor of profiles/slurm: Snakemake's SLURM plugin, changed where it would lose a study.

It replaces four methods of snakemake-executor-plugin-slurm, only in the version TESTED. A method is
no longer needed if a later version of that plugin

- submits a job again that SLURM refuses temporarily, without using up an attempt, and says what to
  change after a permanent refusal: `_report_job_error_threadsafe`;
- submits no other job in the meantime: `run_job`;
- continues a job that SLURM ended without using up an attempt, and loses no job while the
  controller is away or after it forgot the job: `check_active_jobs`. squeue is enough for this: a
  job that is not listed any more has ended, and its files show how;
- asks neither for MinJobAge (to choose between sacct and squeue) nor for an account (with a call of
  sacct that has a wrong option): `__init__`.
"""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import snakemake_executor_plugin_slurm as plain
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

# Snakemake expects these names in an executor.
ExecutorSettings, common_settings = plain.ExecutorSettings, plain.common_settings
PACKAGE, TESTED = "snakemake-executor-plugin-slurm", "2.8.0"
PROFILE, ALLOCATION = "profiles/slurm/profile.yaml", "profiles/slurm/allocation.sh"
LONGEST_PAUSE = 60
"""The longest pause in seconds between checks of the jobs, and between tries of a submission."""
GONE = "no longer listed"
ENDED_BY_SLURM = {"NODE_FAIL", "PREEMPTED", "TIMEOUT", GONE}
FAILED = {*ENDED_BY_SLURM, "BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "OUT_OF_MEMORY"}
TEMPORARY = re.compile(
    "SubmitJob|temporarily un|try again|Unable to contact|Connection refused|connect failure"
    "|timed out|Zero Bytes|standby mode|not establish a configuration source",
    re.IGNORECASE,
)
"""SLURM's messages if it could accept the same job later: limits on submitted jobs (such as
AssocMaxSubmitJobLimit), a full controller (MaxJobCount), or an absent one."""
KEYS = {
    # First, because the name of the partition follows in the message.
    r"partition specified": "slurm_partition",
    r"feature": "constraint",
    r"node configuration": "gres, constraint, mem_mb and set-threads; no node has as much",
    r"\bgres\b|gres\w*Per": "gres",
    r"time limit is|Wall": "runtime in `resources`",
    r"memory|Mem\w*Per": "mem_mb",
    r"processors|cpu": "set-threads",
    r"policy": "runtime, mem_mb, gres or set-threads; one of them exceeds a limit of the account",
    r"qos": "a line `qos: …` beside slurm_partition",
    r"account": "slurm_account, and remove the # before it",
    r"partition": "slurm_partition",
}
"""The line of the profile to change, by a part of SLURM's message; the first match counts."""


class Executor(plain.Executor):
    """Submits, watches and continues the jobs of a study."""

    def __init__(self, workflow, logger):
        if version(PACKAGE) != TESTED:
            raise WorkflowError(
                f"profiles/slurm is made for {PACKAGE} {TESTED}, but {version(PACKAGE)} is "
                "installed: run `uv sync`"
            )
        if workflow.group_settings.overwrite_groups:
            raise WorkflowError(
                "--groups: the jobs of a group would run one after another, but reserve the cores "
                f"and memory of all; run many trainings in one allocation instead: {ALLOCATION}"
            )
        workflow.executor_settings.status_command = None
        self._refused: list[JobExecutorInterface] = []
        self._told: set[str] = set()
        self._steps: dict[Path, int | None] = {}
        super().__init__(workflow, logger)
        self._fallback_account_arg = ""

    def run_job(self, job: JobExecutorInterface) -> None:
        try:
            # Imported here because every start of Snakemake imports this module.
            from transferability.storage.network_folder import NetworkFolder

            with self.lock:
                waits = bool(self._refused)
                if waits:
                    self._refused.append(job)
            if not waits:
                self._steps[_folder(job)] = NetworkFolder(_folder(job)).saved_step()
                super().run_job(job)
        except Exception as error:
            # This runs in a pool, where an error would be lost and Snakemake would wait forever.
            message = f"The job was not submitted: {type(error).__name__}: {error}\n"
            self._report_job_error_threadsafe(SubmittedJobInfo(job), message)

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        said, call, _ = msg.partition("\n    sbatch call:")
        if TEMPORARY.search(said):
            self._tell(f"{said}\nThese jobs are submitted again until SLURM accepts them.")
            with self.lock:
                self._refused.append(job_info.job)
            return
        line = next((key for text, key in KEYS.items() if re.search(text, said, re.I)), None)
        if line or call:
            msg += f"What to change in {PROFILE}: {line or 'the block at its top'}.\n"
        super()._report_job_error_threadsafe(job_info, msg)

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncIterator[SubmittedJobInfo]:
        with self.lock:
            refused, self._refused = self._refused, []
        for job in refused:
            self._submit_again(job)
        ended, states = False, {}
        if active_jobs:
            async with self.status_rate_limiter:
                command = plain.query_job_status_squeue(self.run_uuid)
                states, _ = await plain.query_job_status(command, self.logger)
        if states is None:
            self._tell("SLURM does not answer squeue; squeue is repeated until it does.")
        for job_info in active_jobs:
            state = "UNKNOWN" if states is None else states.get(job_info.external_jobid, GONE)
            if self._goes_on(job_info, state):
                number = job_info.external_jobid
                self.logger.info(f"SLURM job {number} is {state}; training continues in another.")
                self._submit_again(job_info.job)
            elif state in ("COMPLETED", GONE):
                # Snakemake checks the files; if they are missing, the job has failed.
                keeps = self.workflow.executor_settings.keep_successful_logs
                if state != GONE and not keeps:
                    job_info.aux["slurm_logfile"].unlink(missing_ok=True)
                self.report_job_success(job_info)
            elif state in FAILED:
                message = f"SLURM job {job_info.external_jobid} is {state}. "
                logs = [str(job_info.aux["slurm_logfile"])]
                self.report_job_error(job_info, msg=message, aux_logs=logs)
            else:
                yield job_info
                continue
            ended = True
        first = self.workflow.executor_settings.init_seconds_before_status_checks
        waiting = bool(active_jobs or refused) and not ended
        longer = min(self.next_seconds_between_status_checks + 10, LONGEST_PAUSE)
        self.next_seconds_between_status_checks = longer if waiting else first

    def _goes_on(self, job_info: SubmittedJobInfo, state: str) -> bool:
        """Whether a training was ended from outside (SLURM or a signal) and has made progress."""
        from transferability.storage import lease
        from transferability.storage.network_folder import NetworkFolder

        if state not in ENDED_BY_SLURM and state != "FAILED":
            return False
        folder = _folder(job_info.job)
        step = NetworkFolder(folder).saved_step()
        # Before a time limit, a training saves and exits, which SLURM reports as FAILED.
        taken, how = lease.last_writer(folder) or ({}, None)
        is_saved = how == "interrupted" and taken["slurm_job_id"] == job_info.external_jobid
        return step not in (None, self._steps.get(folder)) and (state != "FAILED" or is_saved)

    def _submit_again(self, job: JobExecutorInterface) -> None:
        # Raised if Snakemake is ending.
        with suppress(RuntimeError):
            self._job_submission_executor.submit(self.run_job, job)

    def _tell(self, message: str) -> None:
        """Log a warning, each message only once."""
        if message not in self._told:
            self._told.add(message)
            self.logger.warning(message)


def _folder(job: JobExecutorInterface) -> Path:
    """The folder that a job writes to."""
    return Path(next(iter(job.output), "")).parent
