"""Texts that may be paths and that a cell only has at hand: nothing in it could open them.

`OUT = "out/result.csv"` opens nothing, nor does a function that nobody calls there. Who is handed that name,
or calls that function, has these texts among its own.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis.aliases import last_part
from nbflow.analysis.facts import JOINS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GIVE_AT_HAND: Final = JOINS | {
    "dict", "list", "tuple", "set", "str", "expanduser", "abspath", "dirname", "resolve", "getcwd", "cwd",
    "home",
}  # fmt: skip
"""What may be called for a value that holds paths: it opens none of them."""

_SEEN: Final = frozenset({
    "mkdir", "makedirs", "exists", "is_file", "is_dir", "isfile", "isdir", "parent", "parents", "name",
    "stem", "suffix", "parts", "unlink", "touch", "stat", "glob", "rglob", "iterdir", "listdir", "rmtree",
    "remove", "dirname", "basename", "abspath", "chdir", "print",
})  # fmt: skip
"""What is done to a path without reading a file, or is seen where it happens."""

_KEEP: Final = frozenset({
    "task", "flow", "cache", "lru_cache", "wraps", "contextmanager", "property", "cached_property",
    "dataclass", "staticmethod", "classmethod", "singledispatch", "jit", "njit",
})  # fmt: skip
"""Decorators that do not call the function at once."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def running(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    r"""Leave out what only gives values to names, or defines functions, that nothing else in the cell uses.

    Args:
        statements: The cell.

    Example:
        >>> cell = ast.parse("OUT = 'a.csv'\nIN = 'b.csv'\ndf = read(IN)").body
        >>> [ast.unparse(statement) for statement in running(cell)]
        ["IN = 'b.csv'", 'df = read(IN)']
    """
    idle: list[ast.stmt] = [each for each in statements if _is_at_hand(each)]
    found = [each for each in statements if each not in idle]
    todo = list(found)
    while todo and idle:
        used = frozenset(name for each in todo for name in _used(each))
        todo = [each for each in idle if not used.isdisjoint(_bound(each))]
        idle = [each for each in idle if each not in todo]
        found += todo
    return [each for each in statements if each in found]


def _is_at_hand(statement: ast.stmt) -> bool:
    if isinstance(statement, _Function):
        return all(last_part(_called(each)) in _KEEP for each in statement.decorator_list)
    if isinstance(statement, ast.ClassDef):
        decorated = all(last_part(_called(each)) in _KEEP for each in statement.decorator_list)
        return decorated and all(map(_is_at_hand, statement.body))
    if isinstance(statement, ast.Assign):
        named = all(isinstance(target, ast.Name) for target in statement.targets)
        return named and _opens_nothing(statement.value)
    if isinstance(statement, ast.AnnAssign):
        named = isinstance(statement.target, ast.Name)
        return named and (statement.value is None or _opens_nothing(statement.value))
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass))


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _opens_nothing(value: ast.expr) -> bool:
    calls = (part for part in ast.walk(value) if isinstance(part, (ast.Call, ast.Await, ast.NamedExpr)))
    return all(isinstance(call, ast.Call) and last_part(call.func) in _GIVE_AT_HAND for call in calls)


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _used(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement loads for more than what opens no file, or is seen to."""
    seen = {id(part) for part in ast.walk(statement) for part in _harmless(part)}
    for part in ast.walk(statement):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and id(part) not in seen:
            yield part.id


def _harmless(part: ast.AST) -> Iterator[ast.expr]:
    if isinstance(part, ast.Attribute) and part.attr in _SEEN:
        yield part.value
    elif isinstance(part, ast.Call) and last_part(part.func) in _SEEN:
        yield from part.args
