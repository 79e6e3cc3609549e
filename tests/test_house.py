"""Code format, lint, and the same versions in all files that name them."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from project import ROOT

EXPORT = (
    "uv export --locked --no-dev --no-emit-project --format requirements-txt --no-header"
    " --no-annotate"
)


def checked(*command: str) -> str:
    """The output of a command that must succeed."""
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout}{run.stderr}"
    return run.stdout


@pytest.mark.parametrize(
    "command",
    [
        "ruff check",
        "ruff format --check",
        "snakefmt --check Snakefile workflow",
        "snakemake --lint",
        pytest.param("snakemake --lint --configfile studies/digits.yaml", marks=pytest.mark.full),
    ],
)
def test_format_and_lint(command):
    tool, *arguments = command.split()
    checked(sys.executable, "-m", tool, *arguments)


def locked_versions() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE))


def lines(text: str) -> list[str]:
    """Lines without comments, which may differ."""
    return [line.rstrip() for line in text.splitlines() if line.strip() and "#" not in line]


def requirements(text: str) -> list[str]:
    """Versions and markers, without hashes and comments."""
    return [line.removesuffix("\\").rstrip() for line in lines(text) if not line.startswith(" ")]


def test_requirements_lock_contains_all_requirements():
    uv = shutil.which("uv")
    if uv is None:
        assert "CI" not in os.environ, "uv is not installed"
        pytest.skip("uv is not installed")
    file = ROOT / "requirements.lock"
    # Fixed to the lock's own versions: a registry may show a release later than its date.
    command = "pip compile --universal --quiet --no-header --no-annotate pyproject.toml"
    found = checked(uv, *command.split(), "--constraint", str(file))
    assert requirements(file.read_text(encoding="utf-8")) == requirements(found), (
        f"requirements.lock is out of step; write it again: {EXPORT} -o requirements.lock"
    )


def test_requirements_lock_has_hashes_and_no_addresses():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    with_a_hash = re.findall(r"(?m)^[\w.-]+==.*\\\n +--hash=sha256:", text)
    assert len(with_a_hash) == len(requirements(text)) > 50
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("name", ["training", "analysis"])
def test_environments_name_the_locked_versions(name):
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    locked = locked_versions()
    assert pip
    for requirement in pip:
        package, _, version = requirement.partition("==")
        assert version == locked.get(package), requirement


def test_the_slurm_profile_requests_gpus_for_rules_that_use_them():
    """Snakemake looks up resources by the name of each rule."""
    rules = (ROOT / "workflow" / "rules" / "networks.smk").read_text(encoding="utf-8")
    blocks = re.findall(r"^rule (\w+):\n((?: .*\n|\n)*)", rules, re.MULTILINE)
    takes = {name for name, block in blocks if " gpu=" in block}
    takes |= {*re.findall(r"^use rule train_base as (\w+)", rules, re.MULTILINE)}
    profile = ROOT / "profiles" / "slurm" / "profile.yaml"
    resources = yaml.safe_load(profile.read_text(encoding="utf-8"))["set-resources"]
    assert {rule for rule, of in resources.items() if "gres" in of} == takes


def test_the_profiles_agree_except_for_cluster_settings():
    """Each profile is complete: Snakemake does not combine two profiles."""
    default, slurm = (
        yaml.safe_load((ROOT / "profiles" / name / "profile.yaml").read_text(encoding="utf-8"))
        for name in ("default", "slurm")
    )
    style = default.pop("report-stylesheet")
    slurms = slurm.pop("report-stylesheet")
    # SLURM keeps Snakemake's own text.
    (plain,) = [key for key in default if key.startswith("?if")]
    default.pop(plain)
    default.pop("__definitions__")
    assert slurms == style.replace('"report.css"', '"../default/report.css"')
    assert default.items() <= slurm.items()
