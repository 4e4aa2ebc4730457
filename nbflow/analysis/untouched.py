"""Which names an edit of a cell has left alone: what binds them, and all that this refers to, is the same."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from nbflow.analysis.magics import parse_cell
from nbflow.analysis.reads import analysis_of
from nbflow.analysis.source import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFINITIONS: Final = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ASSIGNMENTS: Final = (ast.Assign, ast.AnnAssign)


class _Made(NamedTuple):
    """What the statements of a cell say of one name: their texts, and the names that they refer to."""

    texts: tuple[str, ...]
    reads: frozenset[str]


@lru_cache(maxsize=500)
def untouched(before: str, after: str) -> frozenset[str]:
    r"""The names that two versions of a cell bind by the same code; comments and formatting do not count.

    Args:
        before: Plain Python.
        after: Plain Python.

    Example:
        >>> sorted(untouched("A = 1\nB = 2\ndef f(): return B", "A = 1  # one\nB = 3\ndef f(): return B"))
        ['A']
    """
    then, now = _made(before), _made(after)
    if then is None or now is None:
        return frozenset()
    same = {name for name, made in now.items() if then.get(name) == made}
    changed = (then.keys() | now.keys()) - same
    while found := {name for name in same if now[name].reads & changed}:
        same -= found
        changed |= found
    return frozenset(same)


@lru_cache(maxsize=500)
def only_names(before: str, after: str) -> bool:
    r"""Whether an edit came down to imports, definitions and plain assignments, which call nothing.

    Example:
        >>> only_names("seed(1)\nA = 1", "import os\nseed(1)\nA = 2"), only_names("seed(1)", "seed(2)")
        (True, False)
    """
    then, now = (dict(zip(_texts(source), parse_cell(source), strict=True)) for source in (before, after))
    edited = [*(then[text] for text in then.keys() - now.keys()), *(now[text] for text in now.keys() - then)]
    return all(map(_calls_nothing, edited))


@lru_cache(maxsize=500)
def rewritten(before: str, after: str) -> dict[str, str]:
    r"""The names that are certainly another thing after an edit: definitions, and plain values.

    Args:
        before: Plain Python.
        after: Plain Python.

    Returns:
        Name to the new value as text; empty for a definition.

    Example:
        >>> rewritten("A = 1\nB = f()\ndef g(): return 1", "A = 2\nB = h()\ndef g(): return 2")
        {'A': '2', 'g': ''}
    """
    then, now = _made(before), _made(after)
    if then is None or now is None:
        return {}
    values = {name: value for each in parse_cell(after) for name, value in _plainly_bound(each)}
    known = values.keys() & {name for each in parse_cell(before) for name, _ in _plainly_bound(each)}
    return {
        name: value
        for name, value in values.items()
        if name in known and len(then[name].texts) == len(now[name].texts) == 1 and then[name] != now[name]
    }


def _plainly_bound(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The name that a statement binds to a definition or to a literal, with the text of the literal."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name, ""
    elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
        yield from (
            (each.id, ast.unparse(statement.value))
            for each in statement.targets
            if isinstance(each, ast.Name)
        )


def _calls_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, _DEFINITIONS):
        return True
    return isinstance(statement, _ASSIGNMENTS) and not any(
        isinstance(node, ast.Call) for node in ast.walk(statement)
    )


def _made(source: str) -> dict[str, _Made] | None:
    """What each name is made by; None where nobody can tell."""
    found: dict[str, _Made] = {}
    for text, statement in zip(_texts(source), parse_cell(source), strict=True):
        said = analysis_of(source, [statement])
        if not said.complete:
            return None
        reads = said.reads | said.maybe_reads | said.deferred_reads
        for name in said.writes | said.maybe_writes | said.deletes | said.mutates:
            made = found.get(name, _Made((), frozenset()))
            found[name] = _Made((*made.texts, text), made.reads | reads - {name})
    return found


def _texts(source: str) -> list[str]:
    """Each statement without what does not count; `canonical` uses up what it is given."""
    return [canonical(source, [statement]) for statement in parse_cell(source)]
