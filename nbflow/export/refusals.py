"""What a module cannot do as a notebook does: refused in one line that names the cell."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis.names import is_managed
from nbflow.exceptions import ExportError
from nbflow.export.decorators import waits_for_a_person
from nbflow.export.units import last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbflow.export.units import Unit

_BY_NAME: Final = frozenset({"globals", "locals", "vars", "eval", "exec"})
_ENDS_WELL: Final = frozenset({"SKIP", "SUCCESS"})
_OF_A_SESSION: Final = frozenset({"session", "past", "view"})
"""What nbflow has that means nothing without a session."""


def check(units: Sequence[Unit]) -> None:
    """Refuse what a module cannot do.

    Raises:
        ExportError: If a cell binds or reads names that no text tells or that only IPython keeps, waits for
            a person and others read what it makes, or stands above what it is to follow.
    """
    for place, unit in enumerate(units):
        nodes = [node for line in unit.tree for node in ast.walk(line)]
        _check_names(unit, nodes)
        _check_ipythons(unit, nodes)
        _check_session(unit, nodes)
        _check_signals(unit, nodes)
        if waits_for_a_person(unit):
            _check_manual(unit, units[place + 1 :])
    _check_order(units)


def without_session(units: Iterable[Unit]) -> list[Unit]:
    """The units but for statements of plain cells that only ask the session something, as `%flow` does."""
    return [unit for unit in units if unit.kind == "task" or not _only_asks(unit)]


def _only_asks(unit: Unit) -> bool:
    return bool(unit.tree) and all(map(_asks_session, unit.tree))


def _asks_session(line: ast.stmt) -> bool:
    node = line.value if isinstance(line, ast.Expr) else None
    while isinstance(node, ast.Call | ast.Subscript | ast.Attribute):
        called = node.func if isinstance(node, ast.Call) else node
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            return called.value.id == "nbflow" and called.attr in _OF_A_SESSION
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def _check_names(unit: Unit, nodes: Iterable[ast.AST]) -> None:
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            raise ExportError(
                f"{unit.label}: `{ast.unparse(node)}` binds names that no text tells; import them by name"
            )
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if isinstance(node, ast.Call) and called in _BY_NAME and not _has_names_of_its_own(node, called):
            raise ExportError(
                f"{unit.label} calls {called}(…), which reads or binds names that no text tells; "
                "write these names down"
            )


def _has_names_of_its_own(call: ast.Call, called: str) -> bool:
    """Whether `vars(x)` looks at an object, or `eval` is given its names."""
    return len(call.args) >= {"vars": 1, "eval": 2, "exec": 2}.get(called, len(call.args) + 1)


def _check_ipythons(unit: Unit, nodes: Sequence[ast.AST]) -> None:
    """Refuse `_`, `Out` and their like, unless the cell itself binds them."""
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    kept = next((name.id for name in names if _is_ipythons(name.id) and name.id not in own), "")
    if kept:
        raise ExportError(f"{unit.label} uses {kept}, which only IPython keeps; give it a name of your own")


def _is_ipythons(name: str) -> bool:
    is_pythons = (name.startswith("__") and name.strip("_")) or name in ("exit", "quit")
    return is_managed(name) and not is_pythons


def _check_session(unit: Unit, nodes: Iterable[ast.AST]) -> None:
    """Refuse what asks the session for anything: a module has none."""
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="nbflow"), attr=name) if name in _OF_A_SESSION:
                raise ExportError(f"{unit.label} uses nbflow.{name}, and a module has no session")
            case ast.ImportFrom(module="nbflow", names=aliases):
                name = next((alias.name for alias in aliases if alias.name in _OF_A_SESSION), "")
                if name:
                    raise ExportError(f"{unit.label} imports {name} of nbflow, and a module has no session")
            case _:
                pass


def _check_signals(unit: Unit, nodes: Iterable[ast.AST]) -> None:
    """Refuse what ends a task well without the values that its cell makes."""
    for node in nodes:
        name = last_name(node.exc) if isinstance(node, ast.Raise) and node.exc is not None else ""
        if name in _ENDS_WELL and unit.kind == "task":
            raise ExportError(
                f"{unit.label} may raise {name}, which leaves what it makes unbound; "
                "main cannot go on without it"
            )


def _check_manual(unit: Unit, below: Iterable[Unit]) -> None:
    changes = unit.writes | unit.analysis.mutates
    reader = next((each for each in below if changes & (each.reads | each.code)), None)
    if reader is not None:
        raise ExportError(
            f"{unit.label} waits for a person under --manual, and {reader.label} reads what it makes; "
            "a module cannot wait"
        )


def _check_order(units: Iterable[Unit]) -> None:
    seen: set[str] = set()
    for unit in units:
        if unit.kind != "task":
            continue
        seen.add(unit.label)
        late = next((name for name in unit.cell.options.after if name not in seen), "")
        if late:
            raise ExportError(
                f"{unit.label}: --after {late}, which stands below it; move its cell below that"
            )
