"""What to change in a profile when SLURM refuses a job."""

import re
from pathlib import Path

REFUSAL = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.$", re.DOTALL | re.M)
# What SLURM's words are about, the more telling first.
KEYS = {
    "partition": ["slurm_partition"],
    "account": ["slurm_account"],
    "feature": ["constraint"],
    "generic resource": ["gres"],
    "time limit": ["runtime"],
    "Memory specification": ["mem_mb"],
    "CPU count": ["prepare_images"],
    "node configuration": ["slurm_partition", "gres", "constraint", "mem_mb", "prepare_images"],
}


def advice(log: str, profile: Path) -> str:
    """What SLURM said when it refused jobs, each thing once, with the profile's lines about it.

    `log` is Snakemake's. Empty if no job was refused.
    """
    refusals = []
    for message in dict.fromkeys(REFUSAL.findall(log)):
        lines = "\n".join(_lines_about(message, profile))
        refusals.append(
            f"SLURM refused a job:\n{message}\n"
            f"What jobs ask for stands in {profile}; change what this cluster does not have, and "
            f"run the same command again:\n{lines}\n"
            "(sinfo -o '%P %l %c %m %G %f' lists partitions, their time limits, and the "
            "processors, memory, GPUs and features of their nodes.)"
        )
    return "\n\n".join(refusals)


def _lines_about(message: str, profile: Path) -> list[str]:
    keys = next((keys for words, keys in KEYS.items() if words in message), [])
    lines = [line.strip() for line in profile.read_text(encoding="utf-8").splitlines()]
    numbered = enumerate(lines, 1)
    return [f"  line {k}: {line}" for k, line in numbered if line.split(":")[0] in keys]
