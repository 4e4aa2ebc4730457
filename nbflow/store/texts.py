"""The texts of modules: what they import, and what they ask meanwhile."""

from __future__ import annotations

import ast
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbflow.analysis.imported import at_import
from nbflow.store.watching import unwatched

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from nbflow.analysis.imported import AtImport

_MOST_TEXT: Final = 200_000


def text_of_file(path: str) -> str:
    """The text of a file; empty where it cannot be read."""
    try:
        with unwatched():
            mark = os.stat(path)
            return _text_at(path, mark.st_mtime_ns, mark.st_size)
    except OSError:
        return ""


@lru_cache(maxsize=500)
def _text_at(path: str, *_: int) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read(_MOST_TEXT)


def imports_in(path: str, package: str) -> set[str]:
    """The modules that the source in a file imports, those that its functions import included.

    Args:
        path: The file.
        package: The package that relative imports in it start from.
    """
    try:
        with unwatched(), open(path, "rb") as stream:
            return _imports_in_text(stream.read(), package)
    except OSError:
        return set()


def _imports_in_text(text: str | bytes, package: str) -> set[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return set()
    return {found for statement in _statements(tree) for found in _imports_of(statement, package)}


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, however deep; what they compute is not looked into."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            todo += getattr(node, part, ())


def _imports_of(node: ast.AST, package: str) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join((*above, *([base] if base else [])))
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


@lru_cache(maxsize=500)
def imports_of_text(text: str, package: str) -> frozenset[str]:
    """The same of a text."""
    return frozenset(_imports_in_text(text, package))


def asked_behind(paths: Mapping[str, str]) -> dict[str, AtImport]:
    """What modules ask while they are imported, also by functions of each other that they call then.

    Args:
        paths: Module to file.
    """
    return {name: _asked(name, paths, frozenset(), set()) for name in paths}


def _asked(
    name: str, paths: Mapping[str, str], called: frozenset[str], seen: set[tuple[str, str]]
) -> AtImport:
    text = text_of_file(paths[name])
    asked = at_import(text, called).beyond(at_import(text)) if called else at_import(text)
    for target in sorted(asked.calls):
        module, function = _found(_absolute(target, name, paths[name]), paths)
        if module and function and (module, function) not in seen:
            seen.add((module, function))
            asked = asked.joined(_asked(module, paths, frozenset((function,)), seen))
    return asked


def _absolute(target: str, module: str, path: str) -> str:
    """The full name of what a module calls by a relative one."""
    rest = target.lstrip(".")
    level = len(target) - len(rest)
    if not level:
        return target
    parts = module.split(".")
    above = level - 1 if os.path.basename(path) == "__init__.py" else level
    return ".".join((*parts[: len(parts) - above], rest))


def _found(target: str, modules: Collection[str]) -> tuple[str, str]:
    """The module that a full name leads into, and the rest of it."""
    parts = target.split(".")
    for count in range(len(parts) - 1, 0, -1):
        if (module := ".".join(parts[:count])) in modules:
            return module, ".".join(parts[count:])
    return "", ""
