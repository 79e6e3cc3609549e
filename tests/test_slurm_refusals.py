"""What SLURM refuses is told with the lines of the profile to change."""

import pytest
from project import ROOT

from transferability.records.slurm_refusals import advice

PROFILE = ROOT / "profiles" / "slurm" / "profile.yaml"
LOG = """Error in rule train_base:
    message: SLURM sbatch failed. The error message was 'sbatch: error: {}
sbatch: error: Batch job submission failed: {}'.
    sbatch call:
        sbatch --parsable
"""


@pytest.mark.parametrize(
    ("first", "second", "keys"),
    [
        (
            "invalid partition specified: gpus",
            "Invalid partition name specified",
            ["slurm_partition: cpu", "slurm_partition: gpu"],
        ),
        (
            "Memory specification can not be satisfied",
            "Requested node configuration is not available",
            ["mem_mb: 16000 * attempt", "mem_mb: 8000 * attempt", "mem_mb: 128000"],
        ),
        (
            "lua: too long",
            "Requested time limit is invalid (missing or exceeds some limit)",
            ["runtime: 240 * attempt", "runtime: 1440"],
        ),
    ],
)
def test_the_lines_that_a_refusal_is_about(first, second, keys):
    text = PROFILE.read_text(encoding="utf-8").splitlines()
    told = advice(LOG.format(first, second) * 3, PROFILE)
    assert told.count("SLURM refused a job:") == 1
    lines = [line.strip() for line in told.splitlines() if line.startswith("  line ")]
    assert [line.split(": ", 1)[1] for line in lines] == keys
    for line in lines:
        number, key = line.removeprefix("line ").split(": ", 1)
        assert text[int(number) - 1].strip() == key


def test_nothing_refused_nothing_told():
    assert advice("Error in rule train_base:\n    message: SLURM-job '7' failed", PROFILE) == ""
