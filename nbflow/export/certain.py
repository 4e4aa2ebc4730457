"""Which names statements have certainly bound at their end: loops may be left out, branches not taken."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Bound = frozenset[str]
_Deferred = ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_SWALLOW: Final = frozenset({"suppress", "raises", "ExitStack", "AsyncExitStack"})
"""What may end a `with` block in the middle and go on behind it."""


def certain(statements: Sequence[ast.stmt], before: Bound = frozenset()) -> Bound:
    r"""The names that are bound whenever these statements end well.

    Args:
        statements: The statements.
        before: The names that are bound when they begin.

    Example:
        >>> sorted(certain(ast.parse("a = 1\nfor b in xs: c = b\nif a: d = 2\nelse: d = 3").body))
        ['a', 'd']
        >>> sorted(certain(ast.parse("del a\nwith open(p) as f: text = f.read()").body, frozenset("ab")))
        ['b', 'f', 'text']
    """
    after = _block(statements, before)
    return after if after is not None else before


def _block(statements: Iterable[ast.stmt], bound: Bound) -> Bound | None:
    """What is bound behind a block; None where nothing behind it is ever reached."""
    now: Bound | None = bound
    for statement in statements:
        if now is None:
            return None
        now = _after(statement, now)
    return now


def _after(statement: ast.stmt, bound: Bound) -> Bound | None:
    match statement:
        case ast.Raise() | ast.Return() | ast.Break() | ast.Continue():
            return None
        case ast.If() | ast.Match() | ast.For() | ast.AsyncFor() | ast.While():
            return _after_branches(statement, bound)
        case ast.With() | ast.AsyncWith():
            return _after_with(statement, bound)
        case ast.Try() | ast.TryStar():
            return _after_try(statement, bound)
        case _:
            return _after_line(statement, bound)


def _after_line(statement: ast.stmt, bound: Bound) -> Bound:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return bound | {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return bound | {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        case ast.AnnAssign(value=None):
            return bound
        case ast.Delete():
            return bound - stored(statement, ast.Del)
        case _:
            return bound | stored(statement, ast.Store) | _walrus(statement)


def _after_branches(
    statement: ast.If | ast.Match | ast.For | ast.AsyncFor | ast.While, bound: Bound
) -> Bound | None:
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            bound |= _walrus(test)
            return _either([_block(body, bound), _block(orelse, bound)])
        case ast.Match():
            return _after_match(statement, bound)
        case _:
            return _after_loop(statement, bound)


def _either(ways: Iterable[Bound | None]) -> Bound | None:
    reached = [way for way in ways if way is not None]
    return reached[0].intersection(*reached[1:]) if reached else None


def _after_match(statement: ast.Match, bound: Bound) -> Bound | None:
    """A match may find nothing, but for a case that takes all."""
    bound |= _walrus(statement.subject)
    ways = [_block(case.body, bound | _captured(case.pattern)) for case in statement.cases]
    last = statement.cases[-1]
    takes_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
    return _either(ways if takes_all else [*ways, bound])


def _captured(pattern: ast.pattern) -> Bound:
    """The names that a pattern binds, unless it is one of several that may fit."""
    nodes = list(ast.walk(pattern))
    if any(isinstance(node, ast.MatchOr) for node in nodes):
        return frozenset()
    named = (getattr(node, "name", None) or getattr(node, "rest", None) for node in nodes)
    return frozenset(name for name in named if isinstance(name, str))


def _after_loop(statement: ast.For | ast.AsyncFor | ast.While, bound: Bound) -> Bound | None:
    if isinstance(statement, ast.While):
        bound |= _walrus(statement.test)
        is_endless = isinstance(statement.test, ast.Constant) and bool(statement.test.value)
        return bound if not is_endless or _leaves(statement.body) else None
    if not _has_items(statement.iter) or _leaves(statement.body):
        return bound
    return _block(statement.body, bound | stored(statement.target, ast.Store))


def _has_items(iterated: ast.expr) -> bool:
    """Whether a loop over this is entered for sure."""
    match iterated:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return any(not isinstance(part, ast.Starred) for part in parts)
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(count))], keywords=[]):
            return count > 0
        case _:
            return False


def _leaves(body: Iterable[ast.stmt]) -> bool:
    """Whether a loop's body may be left in the middle."""
    parts = (part for line in body for part in ast.walk(line))
    return any(isinstance(part, ast.Break | ast.Continue) for part in parts)


def _after_with(statement: ast.With | ast.AsyncWith, bound: Bound) -> Bound | None:
    inside = bound
    for item in statement.items:
        inside |= _walrus(item.context_expr)
        inside |= stored(item.optional_vars, ast.Store) if item.optional_vars is not None else frozenset()
    after = _block(statement.body, inside)
    words = {_last_word(node) for item in statement.items for node in ast.walk(item.context_expr)}
    return inside if words & _SWALLOW else after


def _last_word(node: ast.AST) -> str:
    return getattr(node, "attr", "") or getattr(node, "id", "")


def _after_try(statement: ast.Try | ast.TryStar, bound: Bound) -> Bound | None:
    inside = _block(statement.body, bound)
    well = _block(statement.orelse, inside) if inside is not None else None
    start = bound - frozenset().union(*(stored(line, ast.Del) for line in statement.body))
    handled = [_after_handler(handler, start) for handler in statement.handlers]
    after = _either([well, *handled])
    if not statement.finalbody:
        return after
    last = _block(statement.finalbody, after if after is not None else start)
    return last if after is not None else None


def _after_handler(handler: ast.ExceptHandler, bound: Bound) -> Bound | None:
    own = frozenset({handler.name} if handler.name else ())
    after = _block(handler.body, bound | own)
    return after - own if after is not None else None


def stored(node: ast.AST, how: type[ast.expr_context]) -> Bound:
    """The names that a node binds (`ast.Store`) or deletes (`ast.Del`) where it stands."""
    return frozenset(
        part.id for part in _here(node) if isinstance(part, ast.Name) and isinstance(part.ctx, how)
    )


def _here(node: ast.AST) -> Iterable[ast.AST]:
    """A node and what is in it, but for what is bound in scopes of their own or on some ways only."""
    yield node
    if isinstance(node, (*_Deferred.__args__, ast.NamedExpr, ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    for child in ast.iter_child_nodes(node):
        yield from _here(child)


def _walrus(node: ast.AST) -> Bound:
    """The names that `:=` binds in an expression whichever way that is evaluated."""
    if isinstance(node, ast.BoolOp):
        return _walrus(node.values[0])
    if isinstance(node, ast.IfExp):
        return _walrus(node.test)
    if isinstance(node, _Deferred) or (isinstance(node, ast.Compare) and len(node.ops) > 1):
        return frozenset()
    own = node.target.id if isinstance(node, ast.NamedExpr) else ""
    inner = (_walrus(child) for child in ast.iter_child_nodes(node))
    return frozenset({own} if own else ()).union(*inner)
