"""What a notebook shows by the last line of a cell, which a module does not."""

from __future__ import annotations

import ast
from typing import Final

_GIVE_NOTHING: Final = frozenset(
    [
        "print",
        "display",
        "show",
        "savefig",
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "clear",
        "remove",
        "sort",
        "reverse",
        "setdefault",
        "close",
        "write",
        "writelines",
        "flush",
        "seed",
        "run",
        "main",
        "mkdir",
        "start",
        "join",
        "put",
        "sleep",
    ]
)
"""Functions and methods that are called for what they do."""


def shows_its_last_line(source: str) -> bool:
    r"""Whether a cell ends in an expression that a notebook shows.

    Of a call nobody can tell; one whose name is that of a deed is taken to give nothing.

    Args:
        source: The cell as plain Python.

    Example:
        >>> [shows_its_last_line(text) for text in ("x = 1\ndf.head()", "df.head();", "print(1)", "x = 1")]
        [True, False, False, False]
    """
    body = ast.parse(source).body
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr) or _after(source, last).strip().startswith(";"):
        return False
    value = last.value.value if isinstance(last.value, ast.Await) else last.value
    is_none = isinstance(value, ast.Constant) and value.value in (None, ...)
    return not is_none and not (isinstance(value, ast.Call) and _name_of(value.func) in _GIVE_NOTHING)


def _after(source: str, node: ast.Expr) -> str:
    line = source.split("\n")[(node.end_lineno or 1) - 1]
    return line.encode()[node.end_col_offset or 0 :].decode()


def _name_of(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
