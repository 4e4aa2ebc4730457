"""Variables that stand in texts: what pandas, SQL and formulas of models look up for their caller."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbflow.analysis.effects import parts_of
from nbflow.analysis.facts import dotted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nbflow.analysis.flow import Frame

_ASKS: Final = frozenset(("query", "eval"))
"""Methods of frames; in their texts `@name` is a variable, and other names are columns."""

_EVALUATES: Final = frozenset(("pandas.eval", "numexpr.evaluate"))
"""Functions that take every name in their text for a variable."""

_EVALUATE: Final = frozenset(("evaluate",))
_OF_MODULES: Final = frozenset(("pd", "pandas", "ne", "numexpr", "evaluate"))
"""How code calls these functions, or the modules that have them."""

_SQL: Final = frozenset(("sql", "query", "execute", "execute_global"))
"""What takes SQL; DuckDB and polars look for tables among the variables of their caller."""

_OF_SQL: Final = ("duckdb", "polars")
_STATEMENT: Final = re.compile(
    r"[\s(]*(?:select|with|from|create|insert|copy|describe|summarize|pivot)\b", re.IGNORECASE
)
_TABLES: Final = re.compile(
    r'\b(?:from|join|describe|summarize|pivot|copy)\s+((?:"?[^\W\d]\w*"?(?:\s+(?:as\s+)?\w+)?\s*,\s*)*"?[^\W\d]\w*)',
    re.IGNORECASE,
)
"""The list of tables behind a keyword, with the names that they are given there."""

_NO_TABLES: Final = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'", re.DOTALL)
_WORD: Final = re.compile(r"[^\W\d]\w*")
_OF_ASKS: Final = frozenset(("inplace", "engine", "parser"))
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_VARIABLE: Final = re.compile(r"@\s*([^\W\d]\w*)")


def note_formula(frame: Frame, node: ast.Call, name: str) -> None:
    """Record the variables that a call looks up by its text.

    Args:
        frame: Where the call stands.
        node: The call.
        name: The last part of what is called.
    """
    path = dotted(node.func)
    parts = parts_of(path, frame.cell.origins)
    evaluates = ".".join(parts) in _EVALUATES
    if evaluates or (name in _ASKS and isinstance(node.func, ast.Attribute)):
        _look_up(frame, node, path, evaluates=evaluates)
    elif parts[-1] in _SQL and (isinstance(node.func, ast.Attribute) or parts[0] in _OF_SQL):
        for text in map(_text_of, _told(node)):
            _load(frame, _tables_in(text or ""))
    elif name == "SQLContext" and any(word.arg in ("register_globals", None) for word in node.keywords):
        frame.effects.add(f"names: {path}")
    elif name == "from_formula" or _is_model(node):
        for text in map(_text_of, _told(node)):
            _load(frame, _functions_in(text or ""))


def names_for(text: str, used: Collection[str]) -> list[str]:
    """The variables that a text names for what code hands it to, given the names that this code uses.

    Example:
        >>> names_for("delay > @LATE", ("df", "query")), names_for("delay > @LATE", ("df", "append"))
        (['LATE'], [])
        >>> names_for("a * b", ("numexpr", "evaluate")), names_for("late ~ cut(delay)", ("ols", "df"))
        (['a', 'b'], ['cut'])
        >>> names_for("select sum(delay) from flights join planes using (tail)", ("duckdb", "sql"))
        ['flights', 'planes']
    """
    if _is_sql(text):
        return _tables_in(text) if not _SQL.isdisjoint(used) else []
    if "~" in text:
        return _functions_in(text)
    if not _ASKS.union(_EVALUATE).isdisjoint(used) and not _OF_MODULES.isdisjoint(used):
        return _names_in(text)
    return _variables_in(text) if "@" in text and not _ASKS.isdisjoint(used) else []


def _look_up(frame: Frame, node: ast.Call, path: str, *, evaluates: bool) -> None:
    told = next(iter(_told(node)), None)
    if told is None:
        return
    text = _text_of(told)
    if text is not None:
        _load(frame, _names_in(text) if evaluates else [*_variables_in(text), *_tables_in(text)])
    elif evaluates or _may_be_text(node, told):
        frame.effects.add(f"names: {path}")


def _told(node: ast.Call) -> list[ast.expr]:
    named = [word.value for word in node.keywords if word.arg in ("expr", "ex", "formula")]
    return [*named, *node.args[:2]]


def _text_of(node: ast.expr) -> str | None:
    """The text that an argument is, without what is filled in; None where it is computed."""
    match node:
        case ast.Constant(value=value):
            return value if isinstance(value, str) else ""
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else " 0 " for part in parts)
        case _:
            return None


def _may_be_text(node: ast.Call, told: ast.expr) -> bool:
    """Whether an argument that is no text itself may hold one: trees are queried, too."""
    if len(node.args) > 1 or any(word.arg not in _OF_ASKS | {"expr"} for word in node.keywords):
        return False
    if isinstance(told, ast.Call):
        return isinstance(told.func, ast.Attribute) and told.func.attr in ("format", "join", "strip")
    return isinstance(told, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp)


def _is_model(node: ast.Call) -> bool:
    """Whether a call is given a formula, as `ols("y ~ np.log(x)", df)` is."""
    return any("~" in (_text_of(told) or "") for told in _told(node))


def _variables_in(text: str) -> list[str]:
    return _VARIABLE.findall(_QUOTED.sub("", text))


def _names_in(text: str) -> list[str]:
    return [part.id for part in _parts(text) if isinstance(part, ast.Name)]


def _tables_in(text: str) -> list[str]:
    """What stands where SQL names tables; it counts as a variable where the notebook has one of that name."""
    if not _is_sql(text):
        return []
    found = " ".join(_TABLES.findall(_NO_TABLES.sub("''", text)))
    return [name for name in _WORD.findall(found) if name.lower() != "as"]


def _is_sql(text: str) -> bool:
    return _STATEMENT.match(_NO_TABLES.sub(" ", text)) is not None


def _functions_in(text: str) -> list[str]:
    """What a formula calls, or takes an attribute of: its other names are columns first of all."""
    held = [part.func for part in _parts(text) if isinstance(part, ast.Call)]
    held += [part.value for part in _parts(text) if isinstance(part, ast.Attribute)]
    return [part.id for part in held if isinstance(part, ast.Name)]


def _parts(text: str) -> Iterable[ast.AST]:
    """The parts of a formula; each side of `~` is an expression."""
    for side in text.replace("@", "").split("~"):
        try:
            yield from ast.walk(ast.parse(side.strip()))
        except (SyntaxError, ValueError, RecursionError):
            yield from (ast.Name(word) for word in re.findall(r"[^\W\d]\w*", side))


def _load(frame: Frame, names: Iterable[str]) -> None:
    with frame.uncertain():
        for name in names:
            frame.load(name)
