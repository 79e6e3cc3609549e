# What all rules share.
import json
import os
import shlex
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

# The library beside the Snakefile, installed or not: for the Snakefile, and for its jobs, which run
# in the Python that runs Snakemake, activated or not, unless conda or a container brings another.
# The prefix is only in the shells of jobs, and not in the commands that Snakemake prints.
# As a module of another workflow, this one has a folder other than workflow.basedir.
ROOT = Path(str(workflow.current_basedir)).parents[1]
LIBRARY = ROOT / "workflow"
PROGRAMS = Path(sys.executable).parent
sys.path.insert(0, str(LIBRARY))
shell.prefix(
    "set -euo pipefail; export PYTHONPATH={LIBRARY:q}${{PYTHONPATH:+:$PYTHONPATH}}; "
    + "export PATH={PROGRAMS:q}:$PATH; "
    * (not workflow.deployment_settings.deployment_method)
)

from transferability import images
from transferability.records import fingerprint, status
from transferability.storage import files, network_folder, runs
from transferability.study import config as study_config
from transferability.study import design, networks, schema, targets

as_json = partial(json.dumps, sort_keys=True, ensure_ascii=False)
