"""Whether tests find mistakes: small edits of the modules that decide numbers, one at a time.

    python benchmarks/mutants.py

Each mutant changes one operator, number or condition, drawn at random, in a copy of the project,
and the essential tests of its module run there. A mutant that passes all tests is printed: it is a
gap in the tests, or it does not change what the module does.
"""

import argparse
import ast
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# As in tests/conftest.py, and before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import torchvision  # noqa: F401

ROOT = Path(__file__).parents[1]
LIBRARY = Path("workflow", "transferability")
TESTS = {
    "training/transplant.py": ("test_transplant", "test_training", "faults/test_base_weights"),
    "training/loop.py": (
        *("test_training", "test_learned", "test_recipe", "test_resuming"),
        *("test_frozen_features", "test_sources"),
    ),
    "training/preprocessing.py": ("test_normalisation", "test_training"),
    "analysis/effects.py": ("test_effects", "test_source_effects", "test_boost", "test_published"),
    "analysis/intervals.py": ("test_effects", "test_boost", "test_published", "test_coverage"),
    "study/networks.py": ("test_study", "test_data", "test_search"),
}
COPIED = ("Snakefile", "config.yaml", "pyproject.toml", "studies", "tests", "workflow")
SECONDS = 600
"""Seconds; a mutant that runs longer is taken as endless, and counts as found."""

SWAPPED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Mutant:
    """A module with one expression replaced."""

    module: str
    line: int
    before: str
    after: str
    text: str


def mutated(node: ast.AST) -> ast.expr | None:
    """The expression with another operator, number or condition; None if it contains none."""
    match node:
        case ast.BinOp(op=op) if type(op) in SWAPPED:
            return ast.BinOp(node.left, SWAPPED[type(op)](), node.right)
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            return ast.Compare(node.left, [SWAPPED[type(op)]()], node.comparators)
        case ast.BoolOp(op=op):
            return ast.BoolOp(SWAPPED[type(op)](), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            return node.operand
        case ast.IfExp():
            return ast.IfExp(node.test, node.orelse, node.body)
        case ast.Constant(value=bool(value)):
            return ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            return ast.Constant(value + 1)
    return None


def decides(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module, except for decorators, annotations and the texts of messages."""
    decorators = getattr(tree, "decorator_list", [])
    for child in ast.iter_child_nodes(tree):
        is_message = isinstance(child, ast.Raise | ast.JoinedStr) or (
            isinstance(child, ast.Call) and ast.unparse(child.func).startswith("log.")
        )
        if not (is_message or child in decorators or isinstance(child, ast.arg)):
            yield child
            yield from decides(child)


def mutants(module: str) -> list[Mutant]:
    """All mutants of a module."""
    source = (ROOT / LIBRARY / module).read_text(encoding="utf-8")
    # Offsets in the tree count bytes.
    lines = source.encode().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    found = []
    for node in decides(ast.parse(source)):
        replacement = mutated(node)
        if replacement is None:
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        content = source.encode()
        after = ast.unparse(replacement)
        text = content[:start] + f"({after})".encode() + content[end:]
        found.append(Mutant(module, node.lineno, ast.unparse(node), after, text.decode()))
    return found


def survives(mutant: Mutant, folder: Path) -> bool:
    """Whether all tests of its module pass in a copy of the project with the mutant."""
    file = folder / LIBRARY / mutant.module
    whole = file.read_text(encoding="utf-8")
    file.write_text(mutant.text, encoding="utf-8")
    # A fork of this process, in which torch and pandas are already imported.
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(mutant, folder))
    process.start()
    process.join(SECONDS)
    process.kill()
    process.join()
    file.write_text(whole, encoding="utf-8")
    return process.exitcode == 0


def run_tests(mutant: Mutant, folder: Path) -> None:
    """Run the tests of a mutant's module until one fails; exit with their status."""
    os.chdir(folder)
    sys.path.insert(0, str(folder / "workflow"))
    os.environ["PYTHONPATH"] = str(folder / "workflow")
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    sys.exit(pytest.main([*options, *(f"tests/{name}.py" for name in TESTS[mutant.module])]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="mutants in all, in turns of module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", choices=TESTS, help="of this module alone")
    asked = parser.parse_args()
    modules = [asked.module] if asked.module else list(TESTS)
    drawn = {module: mutants(module) for module in modules}
    for module, found in drawn.items():
        # So that a module has the same mutants when it runs alone.
        random.Random(f"{asked.seed} {module}").shuffle(found)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "project")
        folder.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, folder / name)
        for module in modules:
            text = (ROOT / LIBRARY / module).read_text(encoding="utf-8")
            if not survives(Mutant(module, 0, "", "", text), folder):
                sys.exit(f"{module}: its tests fail without a mutant")
        survivors = 0
        for number in range(asked.count):
            mutant = drawn[modules[number % len(modules)]].pop()
            survived = survives(mutant, folder)
            survivors += survived
            print(
                f"{'SURVIVES' if survived else 'found'}: {mutant.module}:{mutant.line}: "
                f"{mutant.before}  →  {mutant.after}",
                flush=True,
            )
    print(f"{survivors} of {asked.count} mutants survive")


if __name__ == "__main__":
    main()
