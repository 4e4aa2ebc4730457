"""Sources of the user's own modules, found as the import system would, without importing anything."""

from __future__ import annotations

import ast
import importlib.machinery
import time
from functools import lru_cache
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

from nbflow.analysis.computed_imports import ALL, computed_imports
from nbflow.analysis.packages import spec_within
from nbflow.analysis.reach import Home, Import, absolute_name, home_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTLED_NS: Final = 2_000_000_000
"""How long ago a file must have been written for its time to tell that it is the same."""


def sources_of(module: str) -> dict[str, str]:
    """Return the source structure of a local module, and of those it imports.

    Nothing is imported. The result is empty for installed packages and the standard library.

    Args:
        module: A dotted name; `plugins.*` stands for all modules in a package.
    """
    found: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        if name.endswith(f".{ALL}"):
            todo += modules_within(name.removesuffix(f".{ALL}"))
            continue
        path = None if name in found else _source_file(name)
        if path is not None and home_of_file(str(path)) is Home.LOCAL:
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            found[name], imports = _structure_at(path, package)
            todo += imports
    return dict(sorted(found.items()))


def _structure_at(path: Path, package: str) -> tuple[str, tuple[str, ...]]:
    try:
        stat = path.stat()
    except OSError:
        return "", ()
    is_settled = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_NS
    mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return _known_structure(path, package, mark) if is_settled else _structure(path, package)


def _structure(path: Path, package: str) -> tuple[str, tuple[str, ...]]:
    """What a source says, but for comments and blanks, and the modules that it imports."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text, ()
    return ast.dump(tree), (*_imported_by(tree, package), *computed_imports(text, tree, package))


@lru_cache(maxsize=1_000)
def _known_structure(path: Path, package: str, _: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
    return _structure(path, package)


def _imported_by(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_name(Import(node.module or "", node.level, ()), package)
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _source_file(module: str) -> Path | None:
    spec = _spec_of(module)
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def modules_within(package: str) -> list[str]:
    """Return the names of the modules in the folders of a package; nothing is imported."""
    spec = _spec_of(package)
    folders = spec.submodule_search_locations if spec is not None else None
    return [f"{package}.{each.name}" for each in iter_modules(folders or [])]


def _spec_of(module: str) -> importlib.machinery.ModuleSpec | None:
    """Find a module without importing its parents."""
    top, *rest = _with_parents(module)
    spec = importlib.machinery.PathFinder.find_spec(top) if top else None
    for name in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = spec_within(name, list(spec.submodule_search_locations))
    return spec
