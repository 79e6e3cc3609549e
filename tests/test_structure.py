"""The packages of the library import only from lower levels, and files stay short."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from project import ROOT

LIBRARY = ROOT / "workflow" / "transferability"
RULES = ROOT / "workflow" / "rules"
# Each start of Snakemake imports its plugins, even if it does not use them.
PLUGIN = ROOT / "workflow" / "snakemake_executor_plugin_slurm_resume" / "__init__.py"
# In shell commands: words without special characters, and flags that are already quoted.
WITHOUT_BLANKS = {
    *("wildcards.split", "wildcards.seed", "wildcards.network", "threads"),
    *("resources.download", "params.command"),
}
# docs/contributing.md shows the same levels, the highest first.
LEVELS = (
    ("storage", "models"),
    ("images",),
    ("study",),
    ("training", "analysis"),
    ("figures", "reports", "records"),
    ("cli",),
    ("__main__",),
)
LEVEL = {package: number for number, packages in enumerate(LEVELS, 1) for package in packages}
LONGEST_FILE, LONGEST_COPY, MOST_RULE_LINES = 350, 7, 535


def modules() -> dict[str, Path]:
    """The file of each module, by its name in the library, e.g. `images.store`."""
    found = {}
    for file in sorted(LIBRARY.rglob("*.py")):
        *parents, name = file.relative_to(LIBRARY).with_suffix("").parts
        found[".".join(parents if name == "__init__" else [*parents, name])] = file
    del found[""]
    return found


MODULES = modules()


def imports(file: Path) -> Iterator[str]:
    """The library's modules that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import; write the whole name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            below = name.removeprefix("transferability.")
            # A name that is not a module is defined in one.
            module = below if below in MODULES else below.rpartition(".")[0]
            if module in MODULES:
                yield module


def test_the_library_contains_the_levels_and_nothing_else():
    entries = {path.stem for path in LIBRARY.iterdir() if path.name != "__pycache__"}
    assert entries == {*LEVEL, "__init__"}


@pytest.mark.parametrize("module", MODULES)
def test_a_package_imports_only_from_lower_levels(module):
    package = module.partition(".")[0]
    for name in imports(MODULES[module]):
        imported = name.partition(".")[0]
        assert imported == package or LEVEL[imported] < LEVEL[package], (
            f"{module} imports {name}, which is not on a lower level"
        )


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: set(imports(file)) - {module} for module, file in MODULES.items()}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_too_long(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_the_plugin_imports_the_library_only_when_it_runs_jobs():
    code = ast.parse(PLUGIN.read_text(encoding="utf-8"))
    assert list(imports(PLUGIN)), "it needs the library no more"
    for node in code.body:
        assert "transferability" not in (getattr(node, "module", None) or "")


def test_the_rules_are_short():
    files = RULES.glob("*.smk")
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    assert lines <= MOST_RULE_LINES


@pytest.mark.parametrize("file", sorted(RULES.glob("*.smk")), ids=lambda file: file.stem)
def test_shell_arguments_of_a_rule_are_quoted(file):
    text = file.read_text(encoding="utf-8")
    shells = re.findall(r"^ +shell:\n((?: +\".*\"\n)+)", text, re.MULTILINE)
    assert len(shells) == text.count("shell:\n")
    handed = {name for lines in shells for name in re.findall(r"\{(.+?)\}", lines)}
    assert {name for name in handed if not name.endswith(":q")} <= WITHOUT_BLANKS


def test_no_lines_are_copied():
    """Blank lines and imports do not count."""
    seen: dict[tuple[str, ...], str] = {}
    copies = []
    for module, file in MODULES.items():
        lines = [
            (number, line.strip())
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
            if line.strip() and not line.startswith(("import ", "from "))
        ]
        for start in range(len(lines) - LONGEST_COPY):
            run = tuple(line for _, line in lines[start : start + LONGEST_COPY + 1])
            place = f"{module}, line {lines[start][0]}"
            first = seen.setdefault(run, place)
            if first != place:
                copies.append(f"{first} = {place}")
    assert copies == []
