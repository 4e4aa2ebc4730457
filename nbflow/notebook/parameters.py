"""Parameters: the names of a `%%params` cell, and the values given for them from outside."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import OptionError, SessionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.trunk import Overrides

PARAMETERS: Final = "NBFLOW_PARAMETERS"
"""The environment variable by which whoever starts a kernel gives parameters, as JSON."""


_SIMPLE: Final = (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.Expr, ast.Pass)
"""What may stand in a cell of parameters."""


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


def parameters_of(body: Body) -> frozenset[str]:
    """The names that a cell of parameters assigns; what it imports for that is none."""
    kinds = {name: definition.kind for name, definition in body.analysis.definitions.items()}
    return frozenset(name for name in body.analysis.writes if kinds.get(name) != "import")


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


def check_parameters(source: str, names: Collection[str]) -> None:
    r"""Let pass a cell of simple assignments, none of which makes a parameter of another.

    Raises:
        OptionError: If it is none.

    Example:
        >>> check_parameters("A = 2\nB = 3", {"A", "B"})
    """
    for statement in ast.parse(source).body:
        if not isinstance(statement, _SIMPLE):
            line, *_ = ast.unparse(statement).splitlines()
            raise OptionError(
                f"`{line}` makes no parameter: their cell holds simple assignments; put it in a plain cell"
            )
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            loaded = (node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name))
            other = next((name for name in loaded if name in names), None)
            if other is not None:
                line = ast.unparse(statement)
                raise OptionError(
                    f"`{line}` is no parameter: it is made of {other}, and would keep its value when that "
                    "is overridden; put it in a plain cell below"
                )


def parameters_given() -> dict[str, str]:
    """The parameters that the one who started this kernel has given, as texts."""
    try:
        given: dict[str, str] = json.loads(os.environ.get(PARAMETERS, "{}"))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in given.items()}


@dataclass(frozen=True, slots=True)
class Given:
    """The values given for parameters, by hand or by whoever started the kernel.

    Args:
        book: The steps.
        overrides: The values that count instead of the defaults.
        at_start: Name to value as text, from whoever started the kernel.
    """

    book: Book
    overrides: Overrides
    at_start: Mapping[str, str]

    def set(self, texts: Mapping[str, str]) -> set[str]:
        """Override parameters; return their names.

        Raises:
            SessionError: If there are no parameters.
            OptionError: If none has such a name, or a text is no value of the default's type.
        """
        known = {name: step for step in self.book for name in step.parameters}
        unknown = sorted(texts.keys() - known.keys())
        if unknown:
            if not known:
                raise SessionError(
                    f"there is no parameter {unknown[0]!r}; a cell that begins with `# @params` makes some"
                )
            raise OptionError.unknown("parameter", unknown[0], known)
        values = {name: _value_of(known[name], name, text) for name, text in texts.items()}
        self.overrides.values.update(values)
        return set(values)

    def reset(self) -> set[str]:
        """Take back what was set by hand; return the names."""
        before = set(self.overrides.values)
        self.overrides.values.clear()
        for step in self.book:
            self.take(step)
        return before

    def take(self, step: Step) -> None:
        """Let values given at the start override the defaults of a step's parameters."""
        for name in step.parameters & self.at_start.keys() - self.overrides.values.keys():
            self.overrides.values[name] = _value_of(step, name, self.at_start[name])


def _value_of(step: Step, name: str, text: str) -> object:
    return as_default(name, text, defaults_of(step.body.source).get(name))
