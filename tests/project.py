"""A copy of the project in a new folder, and runs of Snakemake there."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cluster import Cluster

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "config.yaml", "CITATION.cff", "studies", "workflow", "profiles", "envs")
# Digits, narrow layers and few n: a second or two per network, mostly for imports.
TINY = {
    "study": "tiny",
    "dataset": {"source": "digits", "image_size": 8},
    "layers": [0, 3, 7],
    "architecture": {"name": "small", "channels": [4, 8, 8, 8, 8], "units": [16, 16]},
    "recipe": {"epochs": 10, "batch_size": 128, "evaluate_every": 1},
}
# So that a user's own settings do not affect a test.
FOREIGN = ("PYTHONPATH", "SNAKEMAKE_PROFILE")
TIMEOUT = 600
"""Seconds that a run may take on a slow machine, with several at the same time."""
MADE = ".made"
"""A file next to a complete study: the output of its run."""
JOB = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", re.MULTILINE)
WILDCARD = re.compile(r"(?:split|seed|network)=([^,\n]+)")


def program(*words: object, **options: object) -> subprocess.CompletedProcess:
    """Run `python -m transferability` with these words; options are those of subprocess.run."""
    command = [sys.executable, "-m", "transferability", *map(str, words)]
    settings = {"cwd": ROOT / "workflow", "capture_output": True, "text": True, **options}
    return subprocess.run(command, **settings)


@dataclass(frozen=True)
class Project:
    """The project's own files in `folder`, with a study next to them, ready for Snakemake.

    Its jobs run on this machine, or through profiles/slurm on `cluster`.
    """

    folder: Path
    cluster: Cluster | None = None

    @classmethod
    def copied(
        cls, folder: Path, results_of: "Project | None" = None, cluster: Cluster | None = None
    ) -> "Project":
        """A copy of the current project, with the results of another copy if one is given."""
        if results_of is not None:
            shutil.copytree(results_of.folder, folder)
            return cls(folder, cluster)
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            folder.mkdir(parents=True, exist_ok=True)
            copy(ROOT / part, folder / part)
        return cls(folder, cluster)

    @property
    def results(self) -> Path:
        return self.folder / "results" / "tiny"

    def slurm_jobs(self) -> list[dict[str, str]]:
        """The cluster's records of the jobs of this project, including ended ones."""
        jobs = self.cluster.jobs() if self.cluster else []
        return [job for job in jobs if job["WorkDir"] == str(self.folder)]

    def log(self) -> str:
        """The output of all runs of Snakemake here so far."""
        files = sorted((self.folder / ".snakemake" / "log").glob("*.log"))
        return "".join(file.read_text(encoding="utf-8") for file in files)

    def network(self, name: str) -> Path:
        return self.results / "networks" / "random0" / "seed0" / name

    def write_study(self, **changes: Any) -> None:
        """Write study.yaml: the tiny study with some sections changed."""
        text = yaml.safe_dump({**TINY, **changes}, sort_keys=False, allow_unicode=True)
        (self.folder / "study.yaml").write_text(text, encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that occurs at least once in a file of the library, everywhere in it."""
        path = self.folder / "workflow" / "transferability" / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r} any more; edit something else that it has"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def edit_profile(self, old: str, new: str) -> None:
        """Replace a line of profiles/slurm, as a site does."""
        path = self.folder / "profiles" / "slurm" / "profile.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path.name} has no {old!r} any more"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def append(self, file: str, text: str) -> None:
        """Add text at the end of a file of the library, which may be new."""
        path = self.folder / "workflow" / "transferability" / file
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)

    def date(self, moment: Callable[[], float]) -> None:
        """Set the time stamp of each file of the project and of its results to `moment()`."""
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            if ".snakemake" not in path.relative_to(self.folder).parts:
                os.utime(path, (moment(),) * 2)

    def start(self, *arguments: str, study: str | None = "study.yaml") -> subprocess.Popen:
        """Start Snakemake on a study, or on config.yaml if it is None, in a new session."""
        where = ["--workflow-profile", "profiles/slurm"] if self.cluster else ["--cores", "2"]
        command = [sys.executable, "-m", "snakemake", *where, *arguments]
        if study is not None:
            command += ["--configfile", study]
        environment = dict(self.cluster.environment if self.cluster else os.environ)
        for name in FOREIGN:
            environment.pop(name, None)
        if "--dry-run" in arguments:
            # Print each job with its reason.
            environment["PLAIN"] = "1"
        # The rules call `python`, which must be the one that runs these tests.
        environment["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), environment.get("PATH", "")]
        )
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *arguments: str, study: str | None = "study.yaml") -> tuple[int, str]:
        """Run Snakemake to its end; return its exit status and its output."""
        process = self.start(*arguments, study=study)
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output

    def succeed(self, *arguments: str, study: str | None = "study.yaml") -> str:
        """Run Snakemake, which must succeed; return its output."""
        status, output = self.run(*arguments, study=study)
        assert status == 0, output
        return output

    def jobs(self, *arguments: str, study: str | None = "study.yaml") -> set[str]:
        """The jobs to run: `<rule>` or `<rule> <split>/<seed>/<network>`, all except `all`."""
        output = self.succeed("--dry-run", *arguments, study=study)
        found = JOB.findall(output)
        total = re.search(r"^total +(\d+)$", output, re.MULTILINE)
        assert len(found) == (int(total[1]) if total else 0), output
        if not found:
            assert "Nothing to be done" in output, output
        return {
            " ".join([rule, "/".join(WILDCARD.findall(block))]).strip()
            for rule, block in found
            if rule != "all"
        }
