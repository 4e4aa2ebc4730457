"""The texts of modules, and what they import."""

from __future__ import annotations

import ast
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbflow.store.watching import unwatched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
