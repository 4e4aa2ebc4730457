"""What the text of a cell tells about task functions: where they are made and where they are read."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def decorator_roots(source: str) -> frozenset[str]:
    r"""The names at the roots of decorators that could make task functions, by their text.

    Example:
        >>> sorted(decorator_roots("@task(retries=2)\ndef f(): ...\n@nb.task\\ndef g(): ..."))
        ['nb', 'task']
        >>> decorator_roots("x = a @ b")
        frozenset()
    """
    if "@" not in source:
        return frozenset()
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return frozenset()
    functions = (node for node in tree.body if isinstance(node, _Function))
    return frozenset(root for each in functions for part in each.decorator_list if (root := _root(part)))


def imported_makers(source: str) -> frozenset[str]:
    r"""The names by which a cell itself imports nbflow, or `task` from it.

    Example:
        >>> sorted(imported_makers("from nbflow import task as t\nimport nbflow as prefect"))
        ['prefect', 't']
    """
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module in ("nbflow", "nbflow.tasks"):
            found |= {alias.asname or alias.name for alias in node.names if alias.name == "task"}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name for alias in node.names if alias.name == "nbflow"}
    return frozenset(found)


def without_makers(tree: ast.Module, makers: frozenset[str]) -> str:
    """The source with decorators that only make task functions as expressions before their function."""
    body: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, _Function):
            made = [part for part in statement.decorator_list if _root(part) in makers]
            if made == statement.decorator_list:
                body += [ast.Expr(part) for part in made]
                statement.decorator_list = []
        body.append(statement)
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, [])))


def has_only_definitions(tree: ast.Module, makers: frozenset[str]) -> bool:
    """Whether all that a source does is to import, to define and to name constants: it calls nothing."""
    return all(_defines(statement, makers) for statement in tree.body)


def _defines(statement: ast.stmt, makers: frozenset[str]) -> bool:
    if isinstance(statement, _Function):
        return all(_root(part) in makers for part in statement.decorator_list)
    if isinstance(statement, ast.Assign):
        named = all(isinstance(target, ast.Name) for target in statement.targets)
        return named and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _root(decorator: ast.expr) -> str:
    """The root of `task`, `nb.task`, `task(…)` and `nb.task(…)`; empty for everything else."""
    made = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(made, ast.Name):
        return made.id
    if isinstance(made, ast.Attribute) and made.attr == "task" and isinstance(made.value, ast.Name):
        return made.value.id
    return ""


def asks_of(nodes: Iterable[ast.AST]) -> tuple[frozenset[str], frozenset[str]]:
    """The names that are called without arguments somewhere, and those of them used in no other way."""
    asked: set[str] = set()
    calls: set[int] = set()
    others: set[str] = set()
    names: list[ast.Name] = []
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if not node.args and not node.keywords:
                asked.add(node.func.id)
                calls.add(id(node.func))
        elif isinstance(node, ast.Name):
            names.append(node)
    others = {node.id for node in names if id(node) not in calls}
    return frozenset(asked), frozenset(asked - others)
