"""All parts of a parsed text at once: every cell is walked through several times when it is read."""

from __future__ import annotations

import ast
from typing import Any, cast

_Parts = list[Any]


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """What `ast.walk` gives, in its order, at a fraction of its cost.

    Example:
        >>> [type(node).__name__ for node in nodes_of(ast.parse("x = [1, y]"))]
        ['Module', 'Assign', 'Name', 'List', 'Store', 'Constant', 'Name', 'Load', 'Load']
    """
    found = [tree]
    for node in found:  # which grows meanwhile
        parts: dict[str, Any] = node.__dict__
        for name in node._fields:
            value = parts.get(name)
            if isinstance(value, ast.AST):
                found.append(value)
            elif isinstance(value, list):
                found += [part for part in cast("_Parts", value) if isinstance(part, ast.AST)]
    return found
