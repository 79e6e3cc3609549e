"""The decisions of the executor of profiles/slurm; tests/test_slurm_faults.py runs it on SLURM."""

import threading
import tomllib
from types import SimpleNamespace

import pytest
import torch
from project import ROOT
from snakemake_interface_common.exceptions import WorkflowError

import snakemake_executor_plugin_slurm_resume as slurm
from transferability.storage import lease, signals
from transferability.storage.network_folder import NetworkFolder

JOB = "4711"
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


class Told(Exception):
    """The report about a job that SLURM refuses permanently."""


@pytest.fixture
def executor(monkeypatch) -> slurm.Executor:
    """An executor that watches nothing."""

    def told(self, job_info, msg):
        raise Told(msg)

    monkeypatch.setattr(slurm.plain.Executor, "__init__", lambda *_: None)
    monkeypatch.setattr(slurm.plain.Executor, "_report_job_error_threadsafe", told)
    groups = SimpleNamespace(overwrite_groups={})
    workflow = SimpleNamespace(executor_settings=SimpleNamespace(), group_settings=groups)
    made = slurm.Executor(workflow, None)
    made.lock, made.logger = threading.Lock(), SimpleNamespace(warning=lambda message: None)
    return made


@pytest.fixture
def job(tmp_path) -> SimpleNamespace:
    """A job that trains a network."""
    return SimpleNamespace(output=[str(tmp_path / "metrics.json")])


def refused(executor: slurm.Executor, job: SimpleNamespace, said: str) -> None:
    said = f"SLURM sbatch failed. The error message was 'sbatch: error: {said}'."
    call = "sbatch --account x --partition x --mem 8000 --gres gpu:1 --comment timed-out"
    message = f"{said}\n    sbatch call:\n        {call}\n"
    executor._report_job_error_threadsafe(SimpleNamespace(job=job), message)


@pytest.mark.parametrize(
    "said",
    [
        "AssocMaxSubmitJobLimit",
        "QOSMaxSubmitJobPerUserLimit",
        "AssocGrpSubmitJobsLimit",
        "Batch job submission failed: Resource temporarily unavailable",
        "Slurm temporarily unable to accept job, sleeping and retrying",
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Batch job submission failed: Zero Bytes were transmitted or received",
    ],
)
def test_jobs_that_slurm_would_accept_later_wait(executor, job, said):
    refused(executor, job, said)
    assert executor._refused == [job]
    # The next job does not ask.
    other = SimpleNamespace()
    executor.run_job(other)
    assert executor._refused == [job, other]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("invalid partition specified: gpus", "slurm_partition"),
        # The name does not matter.
        ("invalid partition specified: cpu", "slurm_partition"),
        ("invalid partition specified: highmemory", "slurm_partition"),
        ("Invalid account or account/partition combination specified", "slurm_account"),
        ("Invalid feature specification", "constraint"),
        ("Invalid generic resource (gres) specification", "gres"),
        ("Requested node configuration is not available", "gres, constraint, mem_mb"),
        ("Memory specification can not be satisfied", "mem_mb"),
        ("CPU count per node can not be satisfied", "set-threads"),
        ("More processors requested than permitted", "set-threads"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "runtime"),
        ("User's group not permitted to use this partition", "slurm_partition"),
        ("Required partition not available (inactive or drain)", "slurm_partition"),
        ("Invalid qos specification", "a line `qos"),
        (f"QOSMaxWallDurationPerJobLimit\n{POLICY}", "runtime in"),
        (f"AssocMaxMemPerJob\n{POLICY}", "mem_mb"),
        (f"QOSMaxGRESPerJob\n{POLICY}", "gres"),
        (f"AssocMaxCpuPerJobLimit\n{POLICY}", "set-threads"),
        (POLICY, "runtime, mem_mb, gres or set-threads"),
        ("Access/permission denied", "the block at its top"),
    ],
)
def test_a_refusal_is_reported_with_the_line_to_change(executor, job, said, line):
    with pytest.raises(Told, match=rf"profile\.yaml: {line}"):
        refused(executor, job, said)
    assert executor._refused == []


def test_an_error_before_the_submission_is_reported(executor, job, monkeypatch):
    def broken(folder):
        raise OSError("no such node")

    monkeypatch.setattr(NetworkFolder, "saved_step", broken)
    with pytest.raises(Told, match=r"^The job was not submitted: OSError: no such node\n\Z"):
        executor.run_job(job)


@pytest.mark.parametrize(
    ("state", "end", "saved", "goes_on"),
    [
        ("TIMEOUT", None, 20, True),
        ("PREEMPTED", "interrupted", 20, True),
        ("NODE_FAIL", None, 20, True),
        (slurm.GONE, None, 20, True),
        ("FAILED", "interrupted", 20, True),
        ("FAILED", "failed", 20, False),
        ("FAILED", "interrupted by another job", 20, False),
        ("CANCELLED", "interrupted", 20, False),
        ("OUT_OF_MEMORY", None, 20, False),
        # No progress since its start.
        ("TIMEOUT", None, 10, False),
        ("FAILED", "interrupted", 10, False),
        # Nothing saved.
        ("TIMEOUT", None, None, False),
    ],
)
def test_a_job_continues(executor, job, tmp_path, monkeypatch, state, end, saved, goes_on):
    folder = NetworkFolder(tmp_path)
    executor._steps[tmp_path] = 10
    if saved is not None:
        folder.save_resume({"weight": torch.zeros(2)}, {}, {"step": saved})
    monkeypatch.setenv("SLURM_JOB_ID", "4712" if end == "interrupted by another job" else JOB)
    if end is not None:
        with pytest.raises((signals.Interrupted, ValueError)), lease.sole_writer(tmp_path, "work"):
            raise ValueError if end == "failed" else signals.Interrupted
    info = SimpleNamespace(job=job, external_jobid=JOB)
    assert executor._goes_on(info, state) is goes_on


@pytest.mark.parametrize("content", [None, b"", b"half of a file"])
def test_an_unreadable_file_has_no_step(tmp_path, content):
    if content is not None:
        NetworkFolder(tmp_path).resume.write_bytes(content)
    assert NetworkFolder(tmp_path).saved_step() is None


def test_groups_of_jobs_are_refused():
    groups = SimpleNamespace(overwrite_groups={"train_base": "bases"})
    with pytest.raises(WorkflowError, match=r"profiles/slurm/allocation\.sh"):
        slurm.Executor(SimpleNamespace(group_settings=groups), None)


def test_only_the_tested_plugin_version_is_accepted(monkeypatch):
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"{slurm.PACKAGE}=={slurm.TESTED}" in pinned["project"]["dependencies"]
    monkeypatch.setattr(slurm, "version", lambda package: "2.9.0")
    with pytest.raises(WorkflowError, match=r"2\.9\.0 is installed: run `uv sync`"):
        slurm.Executor(None, None)
