"""Constants of a cell: names of which its text alone tells what they hold when it has ended."""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

from nbflow.analysis.nodes import nodes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def constants_of(statements: Iterable[ast.stmt]) -> frozenset[str]:
    r"""Name what a cell binds once, always, and to what no input can change.

    These are numbers, texts and tuples of them, imports, and functions and classes that no decorator,
    default or base computes.

    Example:
        >>> cell = "import time\nK = (1, -2)\ndef f(a, b=3): return K\nnow = time.time()\nL = 1\nL += 1"
        >>> sorted(constants_of(ast.parse(cell).body))
        ['K', 'f', 'time']
    """
    statements = list(statements)
    bound = Counter(name for part in statements for node in nodes_of(part) for name in _bound_by(node))
    told = (name for statement in statements for name in _told_by(statement))
    return frozenset(name for name in told if bound[name] == 1)


def _bound_by(node: ast.AST) -> Iterable[str | None]:
    """The names that a node binds or deletes, in whatever scope."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return (name,)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
            return (node.name,)
        case ast.MatchAs() | ast.MatchStar():
            return (node.name,)
        case ast.MatchMapping():
            return (node.rest,)
        case ast.Global():
            return node.names
        case ast.alias():
            return (_imported(node),)
        case _:
            return ()


def _imported(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _told_by(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds to what stands there."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            yield from map(_imported, statement.names)
        case ast.Assign(value=value) if _is_constant(value):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if _is_constant(value):
            yield name
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if _is_plain(statement):
            yield statement.name
        case _:
            return


def _is_constant(value: ast.expr) -> bool:
    """Whether an expression is a number, a text, or a tuple of such; nobody can change these in place."""
    match value:
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=operand):
            return _is_constant(operand)
        case ast.Tuple(elts=parts):
            return all(map(_is_constant, parts))
        case _:
            return False


def _is_plain(statement: ast.stmt) -> bool:
    """Whether nothing is computed where a function or class is made."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            arguments = statement.args
            defaults = (*arguments.defaults, *filter(None, arguments.kw_defaults))
            return not statement.decorator_list and all(map(_is_constant, defaults))
        case ast.ClassDef(bases=[], keywords=[], decorator_list=[], body=body):
            return all(map(_is_plain, body))
        case ast.Assign(value=value) | ast.Expr(value=value):
            return _is_constant(value)
        case _:
            return isinstance(statement, ast.Pass)
