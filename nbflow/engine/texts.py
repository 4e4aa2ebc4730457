"""What the text of a cell tells about task functions: where they are made and where they are read.

A function under `@flow`, too, is made without calling anything; and what it calls, or what stands in a
block `with Flow(…):`, is no read: there calls are runs, or tasks of a graph.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final, TypeGuard

from nbflow.analysis.magics import parse_cell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MAKERS: Final = ("task", "flow")
"""The names in nbflow of what makes functions tasks and flows."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Block = _Function | ast.With


def decorator_roots(source: str) -> frozenset[str]:
    r"""The names at the roots of decorators that could make task functions or flows, by their text.

    Example:
        >>> sorted(decorator_roots("@task(retries=2)\ndef f(): ...\n@nb.task\ndef g(): ..."))
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
    r"""The names by which a cell itself imports nbflow, or `task` and `flow` from it.

    Example:
        >>> sorted(imported_makers("from nbflow import task as t\nimport nbflow as prefect"))
        ['prefect', 't']
    """
    found: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module in ("nbflow", "nbflow.tasks", "nbflow.flows"):
            found |= {alias.asname or alias.name for alias in node.names if alias.name in MAKERS}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name for alias in node.names if alias.name == "nbflow"}
    return frozenset(found)


def without_makers(source: str, makers: frozenset[str]) -> str:
    """The source with decorators that only make task functions as expressions before their function."""
    body: list[ast.stmt] = []
    for statement in parse_cell(source):
        if isinstance(statement, _Function):
            made = [part for part in statement.decorator_list if _root(part) in makers]
            if made == statement.decorator_list:
                body += [ast.Expr(part) for part in made]
                statement.decorator_list = []
        body.append(statement)
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, [])))


def has_only_definitions(statements: Iterable[ast.stmt], makers: frozenset[str]) -> bool:
    """Whether all that a source does is to import and to define: it calls nothing.

    Beside task functions constants may be named, as their settings often are.
    """
    return all(_defines(statement, makers) for statement in statements)


def _defines(statement: ast.stmt, makers: frozenset[str]) -> bool:
    if isinstance(statement, _Function):
        return all(_root(part) in makers for part in statement.decorator_list)
    if makers and isinstance(statement, ast.Assign):
        named = all(isinstance(target, ast.Name) for target in statement.targets)
        return named and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _root(decorator: ast.expr) -> str:
    """The root of `task`, `nb.task`, `task(…)` and `nb.task(…)`; empty for everything else."""
    made = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(made, ast.Name):
        return made.id
    if isinstance(made, ast.Attribute) and made.attr in MAKERS and isinstance(made.value, ast.Name):
        return made.value.id
    return ""


def asks_of(source: str, nodes: Collection[ast.AST]) -> tuple[frozenset[str], frozenset[str]]:
    r"""What a source calls without arguments: the names at the roots, and those used in no other way.

    Args:
        source: The text.
        nodes: All nodes of its syntax tree.

    Example:
        >>> text = "f()\nsteps[0]()\ng() + g(1) + h(2)"
        >>> asked, only = asks_of(text, list(ast.walk(ast.parse(text))))
        >>> sorted(asked), sorted(only)
        (['f', 'g', 'steps'], ['f'])
    """
    run = _called_in_flows(nodes) if "low" in source else set[int]()
    calls = [
        node.func
        for node in nodes
        if isinstance(node, ast.Call) and not (node.args or node.keywords or id(node) in run)
    ]
    direct = {id(called) for called in calls if isinstance(called, ast.Name)}
    others = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in direct}
    asked = frozenset(name for called in calls if (name := root_of(called)))
    if _MAGIC in source:
        texts = [
            node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        # Python inside a magic: what is called there counts as used in any way.
        asked = asked.union(*(_CALLED.findall(text) for text in texts))
        others.update(*(_CALLED.findall(text) for text in texts))
    return asked, asked - others


def _called_in_flows(nodes: Iterable[ast.AST]) -> set[int]:
    """The calls that are no reads, because the text shows them to be a flow's."""
    bodies = (statement for node in nodes if _is_flow(node) for statement in node.body)
    return {id(node) for each in bodies for node in ast.walk(each) if isinstance(node, ast.Call)}


def _is_flow(node: ast.AST) -> TypeGuard[_Block]:
    if isinstance(node, _Function):
        return any(_last_name(part) == "flow" for part in node.decorator_list)
    opens = isinstance(node, ast.With) and [item.context_expr for item in node.items]
    return any(isinstance(each, ast.Call) and _last_name(each) == "Flow" for each in opens or ())


def _last_name(node: ast.expr) -> str:
    """The last name of `flow`, `nbflow.flow` and of calls of them."""
    made = node.func if isinstance(node, ast.Call) else node
    return getattr(made, "attr", "") or getattr(made, "id", "")


_MAGIC: Final = "get_ipython().run_"
_CALLED: Final = re.compile(r"([^\W\d]\w*)[\w.\[\]]*\(\s*\)")


def root_of(node: ast.expr) -> str:
    """The name that an expression of attributes and subscripts starts with; empty if it is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
