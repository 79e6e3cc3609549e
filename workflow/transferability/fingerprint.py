"""What a result depends on in the code: a checksum over syntax, not over files.

Snakemake sees an edited module only through this. Comments, docstrings, formatting and time stamps
do not count; a module counts for a result only if it, or a module that it imports, decides it.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "transferability"
ROOT = Path(__file__).parent


def of_images(source: str) -> str:
    """The fingerprint of the code that draws or reads the images of one source."""
    return fingerprint("images.store", f"images.{source}")


def of_splits() -> str:
    """The fingerprint of the code that parts the classes."""
    return fingerprint("classes")


def of_training(architecture: str) -> str:
    """The fingerprint of the code that decides a network's numbers, with one architecture."""
    return fingerprint("training", f"architectures.{architecture}")


def of_collection() -> str:
    """The fingerprint of the code that gathers the networks in tables."""
    return fingerprint("results")


def of_published() -> str:
    """The fingerprint of the code that reads the published networks."""
    return fingerprint("published")


def of_effects() -> str:
    """The fingerprint of the code that estimates effects."""
    return fingerprint("results", "effects", "boost")


def of_findings() -> str:
    """The fingerprint of the code that says what the numbers say."""
    return fingerprint("findings")


def of_figures() -> str:
    """The fingerprint of the code that draws the figures."""
    return fingerprint("figures")


@cache
def fingerprint(*modules: str) -> str:
    """16 hexadecimal digits over the syntax trees of these modules of the package and of all those
    of the package that they import, directly or not.

    What is chosen by name at run time (a dataset's source, an architecture) is not imported in
    this sense and has to be named.
    """
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name], imported = _syntax(_file(name).read_text(encoding="utf-8"))
            waiting += [module for module in imported if _file(module).is_file()]
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(f"{name}\n{found[name]}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _syntax(text: str) -> tuple[str, list[str]]:
    """What of a module's text counts, and the modules of the package that it may import."""
    tree = ast.parse(text)
    imported = list(_imports(tree))
    return repr(_shape(_without_docstrings(tree))), imported


def _shape(node: object) -> object:
    """A syntax tree as plain values, without the texts of errors; the same in all versions of
    Python, which print one each in their own way."""
    if isinstance(node, ast.Raise):
        # Whether it is raised is decided elsewhere, and what it says changes no result.
        return "Raise"
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
        return type(node).__name__, [(name, _shape(value)) for name, value in fields]
    return [_shape(item) for item in node] if isinstance(node, list) else node


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(tree: ast.Module) -> Iterator[str]:
    """What a syntax tree imports from the package, at its top or inside functions: modules, and
    names that may be modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            candidates = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        elif isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        else:
            continue
        for candidate in candidates:
            name = candidate.removeprefix(f"{PACKAGE}.")
            if name != candidate:
                yield name


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        # A text that stands alone, as a docstring or below a field, is a comment in all but name.
        node.body = [statement for statement in body if not _is_text(statement)] or [ast.Pass()]
    return tree


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
