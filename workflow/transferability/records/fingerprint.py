"""Fingerprints of the code on which a result depends: checksums of syntax, not of files.

Snakemake notices an edited module only through these. Comments, docstrings, formatting and time
stamps do not count. A module counts only if it, or a module that it imports, decides the result.
"""

import ast
import hashlib
import importlib.util
import json
import sysconfig
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

from transferability.models import custom

PACKAGE = "transferability"
ROOT = Path(__file__).parents[1]
WITHOUT_EFFECT = frozenset({f"{PACKAGE}.storage.signals", f"{PACKAGE}.training.gpus"})
"""Modules that change no result, even if a module that counts imports them."""


@cache
def fingerprint(*modules: str, templates: tuple[str, ...] = ()) -> str:
    """16 hexadecimal digits computed from the syntax trees of these modules of the package and of
    all its modules that they import, directly or not, and from the templates whose names begin with
    one of `templates`.

    Code that is chosen by name at run time (a dataset's source, an architecture) is not found as an
    import and must be listed in `modules`.
    """
    parts = _closure(modules, ROOT, f"{PACKAGE}.")
    files = [file for name in templates for file in ROOT.glob(f"*/templates/{name}*")]
    return _digest(parts | {file.name: file.read_text(encoding="utf-8") for file in files})


splits_fingerprint = partial(fingerprint, "images.class_splits")
collection_fingerprint = partial(
    fingerprint, "analysis.collect", "reports.tables", templates=("page",)
)
effects_fingerprint = partial(
    fingerprint,
    *("analysis.collect", "analysis.effects", "analysis.boost", "analysis.decision"),
    *("images.store", "reports.findings", "reports.tables"),
    templates=("findings", "page", "words"),
)
methods_fingerprint = partial(fingerprint, "reports.methods", templates=("METHODS", "words"))
figures_fingerprint = partial(
    fingerprint, "figures", "figures.interactive", templates=("interactive",)
)
table_pages_fingerprint = partial(fingerprint, "reports.tables", templates=("page",))


def images_fingerprint(source: str) -> str:
    """The fingerprint of the code that draws or reads the images of one source."""
    return fingerprint("images.build", f"images.{source}")


def training_fingerprint(
    architecture: str, build: str | None = None, module: str = "training.loop"
) -> str:
    """The fingerprint of the code that decides a network's numbers, with one architecture, and with
    the module of `build` if the user wrote that.

    Modules imported by the user's module count if they are in the same folder or, for an installed
    one, in the same package. Raises ValueError if the user's module does not exist.
    """
    code = fingerprint(module, f"models.{architecture}")
    if build is None:
        return code
    name, file = build.partition(":")[0], custom.source(build)
    root, prefix = file.parents[name.count(".") + (file.name == "__init__.py")], ""
    installed = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    if root.resolve() in installed:
        package, _, name = name.partition(".")
        root, prefix = root / package, f"{package}."
    return _digest({"": code, **_closure([name], root, prefix)})


import_fingerprint = partial(training_fingerprint, module="training.sources")
probes_fingerprint = partial(training_fingerprint, module="training.mechanism")


def of_work(settings: dict, code: str) -> str:
    """A text that identifies work in a folder: its settings and its code."""
    return hashlib.sha256(json.dumps([settings, code], sort_keys=True).encode()).hexdigest()[:16]


def _closure(modules: Iterable[str], root: Path, prefix: str) -> dict[str, str]:
    """The syntax of these modules and of all that they import, by name. The modules are in the
    folder `root`, and `prefix` is the start of their names in imports."""
    parts: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in parts or f"{prefix}{name}" in WITHOUT_EFFECT:
            continue
        file = _file(root, name)
        # Relative imports start from this package.
        package = f"{prefix}{name}"
        if file.name != "__init__.py":
            package = package.rpartition(".")[0]
        parts[name], imported = _syntax(file.read_text(encoding="utf-8"), prefix, package)
        waiting += [module for module in imported if _file(root, module).is_file()]
    return parts


def _digest(parts: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(f"{name}\n{parts[name]}\n".encode())
    return digest.hexdigest()[:16]


def _file(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    package = path / "__init__.py"
    return package if package.is_file() else path.with_suffix(".py")


@cache
def _syntax(text: str, prefix: str, package: str) -> tuple[str, list[str]]:
    """The syntax of a module in `package`, without the parts that do not count, and the modules
    below `prefix` that it may import."""
    tree = ast.parse(text)
    return repr(_shape(tree)), _imports(tree, prefix, package)


def _shape(node: object) -> object:
    """A syntax tree as plain values, equal in all versions of Python, whose printed trees differ.
    Leaves out `raise` statements (the condition is elsewhere, and the message changes no result)
    and strings as statements: docstrings, or strings used as comments."""
    match node:
        case ast.Raise():
            return "Raise"
        case ast.AST():
            fields = [(name, _shape(value)) for name, value in ast.iter_fields(node)]
            return type(node).__name__, [field for field in fields if field[1] not in (None, [])]
        case list():
            return [_shape(item) for item in node if not _is_idle(item)]
    return node


def _is_idle(node: object) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _imports(tree: ast.Module, prefix: str, package: str) -> list[str]:
    """The modules below `prefix` that a syntax tree imports, at its top or inside functions, and
    imported names that may be modules."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
