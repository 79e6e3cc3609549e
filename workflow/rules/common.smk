# Imports and paths for all rules.
import json
import os
import shlex
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

# The Snakefile and its jobs use the library next to the Snakefile, also if not installed. Jobs
# use the Python that runs Snakemake, also if its environment is not activated, unless conda or a
# container provides another. The commands that Snakemake prints do not show this prefix.
# If another workflow uses this one as a module, its folder is not workflow.basedir.
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
