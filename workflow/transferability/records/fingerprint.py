"""What a result depends on in the code: a checksum over syntax, not over files.

Snakemake sees an edited module only through this. Comments, docstrings, formatting and time stamps
do not count; a module counts for a result only if it, or a module that it imports, decides it.
"""

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from transferability.models import custom

PACKAGE = "transferability"
ROOT = Path(__file__).parents[1]
WITHOUT_EFFECT = frozenset({f"{PACKAGE}.storage.signals", f"{PACKAGE}.training.gpus"})
"""Modules that change no result, whoever imports them."""


def images_fingerprint(source: str) -> str:
    """The fingerprint of the code that draws or reads the images of one source."""
    return fingerprint("images.build", f"images.{source}")


def splits_fingerprint() -> str:
    """The fingerprint of the code that parts the classes."""
    return fingerprint("images.class_splits")


def training_fingerprint(architecture: str, build: str | None = None) -> str:
    """The fingerprint of the code that decides a network's numbers, with one architecture, and
    with the module of `build` where it is the user's own.

    Of the modules that the user's imports, those count that lie beside it; of installed ones, those
    of the same package. Raises ValueError if there is no such module.
    """
    code = fingerprint("training.loop", f"models.{architecture}")
    if build is None:
        return code
    name, file = build.partition(":")[0], custom.source(build)
    root = file.parents[name.count(".") + (file.name == "__init__.py")]
    prefix = ""
    if root.resolve() in {
        Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")
    }:
        package, _, name = name.partition(".")
        root, prefix = root / package, f"{package}."
    return _digest({"": code, **_closure([name], root, prefix)})


def collection_fingerprint() -> str:
    """The fingerprint of the code that gathers the networks in tables."""
    return fingerprint("analysis.collect")


def published_fingerprint() -> str:
    """The fingerprint of the code that reads the published networks."""
    return fingerprint("analysis.collect")


def effects_fingerprint() -> str:
    """The fingerprint of the code that estimates effects."""
    return fingerprint("analysis.collect", "analysis.effects", "analysis.boost")


def findings_fingerprint() -> str:
    """The fingerprint of the code that says what the numbers say."""
    return fingerprint("reports.findings", templates="findings")


def methods_fingerprint() -> str:
    """The fingerprint of the code that writes the Methods section."""
    return fingerprint("reports.methods", templates="METHODS")


def figures_fingerprint() -> str:
    """The fingerprint of the code that draws the figures."""
    return fingerprint("figures", "figures.interactive")


def table_pages_fingerprint() -> str:
    """The fingerprint of the code that shows a table as a page."""
    return fingerprint("reports.tables", templates="page")


@cache
def fingerprint(*modules: str, templates: str = "") -> str:
    """16 hexadecimal digits over the syntax trees of these modules of the package and of all those
    of the package that they import, directly or not; and over the templates of reports whose names
    begin with `templates`.

    What is chosen by name at run time (a dataset's source, an architecture) is not imported in
    this sense and has to be named.
    """
    found = _closure(modules, ROOT, f"{PACKAGE}.")
    files = (ROOT / "reports" / "templates").glob(f"{templates}*") if templates else ()
    return _digest(found | {file.name: file.read_text(encoding="utf-8") for file in files})


def _closure(modules: Iterable[str], root: Path, prefix: str) -> dict[str, str]:
    """What counts of these modules and of all that they import, by name; a module lies in the
    folder `root`, and its name, as others import it, begins with `prefix`."""
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or f"{prefix}{name}" in WITHOUT_EFFECT:
            continue
        file = _file(root, name)
        # What relative imports start from.
        package = f"{prefix}{name}"
        if file.name != "__init__.py":
            package = package.rpartition(".")[0]
        text = file.read_text(encoding="utf-8")
        found[name], imported = _syntax(text, prefix, package)
        waiting += [module for module in imported if _file(root, module).is_file()]
    return found


def _digest(found: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(f"{name}\n{found[name]}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _syntax(text: str, prefix: str, package: str) -> tuple[str, list[str]]:
    """What of the text of a module in `package` counts, and the modules below `prefix` that it may
    import."""
    tree = ast.parse(text)
    imported = list(_imports(tree, prefix, package))
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


def _file(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    package = path / "__init__.py"
    return package if package.is_file() else path.with_suffix(".py")


def _imports(tree: ast.Module, prefix: str, package: str) -> Iterator[str]:
    """What a syntax tree imports from below `prefix`, at its top or inside functions: modules, and
    names that may be modules."""
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            candidates = [f"{module}.{alias.name}" for alias in node.names] + [module]
        elif isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        else:
            continue
        for candidate in candidates:
            if candidate.startswith(prefix):
                yield candidate.removeprefix(prefix)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The module and all statements in it, also inside functions; expressions, which hold none, are
    most of a tree, and are passed by."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.expr)]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in _statements(tree):
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
