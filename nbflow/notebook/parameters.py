"""Parameters: the names of a `%%params` cell, and the values given for them from outside."""

from __future__ import annotations

import ast
import json
import os
from typing import Any, Final

from nbflow.exceptions import OptionError

PARAMETERS: Final = "NBFLOW_PARAMETERS"
"""The environment variable by which whoever starts a kernel gives parameters, as JSON."""


def defaults_of(source: str) -> dict[str, object]:
    r"""The literal defaults of a cell of simple assignments; what is no literal is left out.

    Example:
        >>> defaults_of("LATE = 15\nPLACE = 'JFK'\nNOW = time()")
        {'LATE': 15, 'PLACE': 'JFK'}
    """
    found: dict[str, object] = {}
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name):
                value = literal(ast.unparse(statement.value))  # type: ignore[union-attr]
                found |= {target.id: value[0]} if value else {}
    return found


def literal(text: str) -> tuple[Any] | None:
    """The value of a Python literal, in a tuple; None where the text is none."""
    try:
        return (ast.literal_eval(text),)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def as_default(name: str, text: str, default: object) -> object:
    """The value that a text stands for, of the type of the parameter's default.

    Example:
        >>> as_default("LATE", "30", 15), as_default("PLACE", "30", "JFK"), as_default("SHARE", "1", 0.5)
        (30, '30', 1.0)

    Raises:
        OptionError: If the text is no value of that type.
    """
    if isinstance(default, str):
        return text
    value = literal(text)
    given = value[0] if value else text
    if isinstance(default, float) and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if default is None or type(given) is type(default):
        return given
    raise OptionError(f"parameter {name} takes {type(default).__name__}, and {text!r} is none")


def parameters_given() -> dict[str, str]:
    """The parameters that the one who started this kernel has given, as texts."""
    try:
        given: dict[str, str] = json.loads(os.environ.get(PARAMETERS, "{}"))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in given.items()}
