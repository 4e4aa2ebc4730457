"""Task functions of plain cells: where a notebook reads their values, `main` calls them once before."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nbflow.engine.texts import MAKERS
from nbflow.exceptions import ExportError
from nbflow.export.cells import CellText
from nbflow.export.units import Unit, bound_by, imported, last_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_FROM: Final = ("nbflow", "nbflow.tasks", "nbflow.flows")


@dataclass(frozen=True)
class TaskFunction:
    """A function under `@task` in a plain cell.

    Args:
        name: Its name.
        place: The unit that defines it.
        parameters: Those that are wired by name.
        waits: Whether it is asynchronous.
        value: The name in main of what it has returned.
    """

    name: str
    place: int
    parameters: tuple[str, ...]
    waits: bool
    value: str


def with_values(units: Sequence[Unit], taken: Collection[str], named: Collection[str] = ()) -> list[Unit]:
    """The units with the values of task functions as variables, and the calls that make them.

    Args:
        units: The units of a notebook.
        taken: Names that are in use.
        named: The functions that run although nothing reads them.

    Raises:
        ExportError: If a function's value is read where main cannot hand it.
    """
    functions = functions_in(units, taken)
    if not functions:
        return list(units)
    read = {name for unit in units for name in _reads_of(unit, functions)} | (set(named) & functions.keys())
    read = _with_wired(read, functions)
    for unit in units:
        _refuse_inner_reads(unit, functions)
    changed = [_with_reads_replaced(unit, functions) for unit in units]
    return _with_calls(changed, [functions[name] for name in functions if name in read], functions)


def functions_in(units: Sequence[Unit], taken: Collection[str]) -> dict[str, TaskFunction]:
    """The task functions that units define, by their names.

    Args:
        units: The units of a notebook.
        taken: Names that are in use.
    """
    makers = frozenset(name for unit in units for name in _makers_in(unit))
    found: dict[str, TaskFunction] = {}
    for place, unit in enumerate(units):
        for line in unit.tree if unit.kind == "plain" else ():
            if isinstance(line, _Function) and any(_makes_task(each, makers) for each in line.decorator_list):
                value = f"{line.name}_value"
                while value in taken:
                    value += "_"
                is_async = isinstance(line, ast.AsyncFunctionDef)
                found[line.name] = TaskFunction(line.name, place, _wired(line.args), is_async, value)
    return found


def _makers_in(unit: Unit) -> Iterator[str]:
    """The names by which a unit imports nbflow, or `task` from it."""
    for line in unit.tree:
        if isinstance(line, ast.Import):
            yield from (bound_by(each) for each in imported(line) if each.startswith("import nbflow"))
        elif isinstance(line, ast.ImportFrom) and line.module in _FROM:
            yield from (alias.asname or alias.name for alias in line.names if alias.name == MAKERS[0])


def _makes_task(decorator: ast.expr, makers: Collection[str]) -> bool:
    made = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(made, ast.Attribute) and isinstance(made.value, ast.Name):
        return made.attr == MAKERS[0] and made.value.id in makers
    return isinstance(made, ast.Name) and made.id in makers


def _wired(arguments: ast.arguments) -> tuple[str, ...]:
    """The parameters without default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    free = positional[: len(positional) - len(arguments.defaults)]
    by_name = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return tuple(each.arg for each in free) + tuple(each.arg for each, default in by_name if default is None)


def _with_wired(read: set[str], functions: Mapping[str, TaskFunction]) -> set[str]:
    """These functions, and those that they are wired to."""
    found, open_names = set(read), list(read)
    while open_names:
        wired = {name for name in functions[open_names.pop()].parameters if name in functions} - found
        found |= wired
        open_names += wired
    return found


# --- reads ----------------------------------------------------------------------------------------


def _calls_in(unit: Unit, functions: Collection[str]) -> Iterator[tuple[ast.Call, bool]]:
    """The calls without arguments of these functions, and whether they stand in code that runs later."""
    for line in unit.tree:
        yield from _calls_below(line, functions, inner=False)


def _calls_below(
    node: ast.AST, functions: Collection[str], *, inner: bool
) -> Iterator[tuple[ast.Call, bool]]:
    if _is_of_flow(node):  # there calls are runs, or tasks of a graph
        return
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and not (node.args or node.keywords)
        and node.func.id in functions
    ):
        yield node, inner
    deeper = inner or isinstance(node, (*_Function.__args__, ast.Lambda))
    for child in ast.iter_child_nodes(node):
        yield from _calls_below(child, functions, inner=deeper)


def _is_of_flow(node: ast.AST) -> bool:
    if isinstance(node, _Function):
        return any(last_name(each) == "flow" for each in node.decorator_list)
    items = node.items if isinstance(node, ast.With) else ()
    return any(
        isinstance(item.context_expr, ast.Call) and last_name(item.context_expr) == "Flow" for item in items
    )


def _reads_of(unit: Unit, functions: Collection[str]) -> Iterator[str]:
    return (call.func.id for call, _ in _calls_in(unit, functions) if isinstance(call.func, ast.Name))


def _refuse_inner_reads(unit: Unit, functions: Mapping[str, TaskFunction]) -> None:
    for call, inner in _calls_in(unit, functions):
        if inner:
            name = ast.unparse(call.func)
            raise ExportError(
                f"{unit.label} reads {name}() inside a function, where main cannot hand its value over; "
                f"give the function a parameter {name}"
            )


def _with_reads_replaced(unit: Unit, functions: Mapping[str, TaskFunction]) -> Unit:
    calls = [call for call, _ in _calls_in(unit, functions)]
    if not calls:
        return unit
    lines = [line.encode() for line in unit.text.split("\n")]
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset), reverse=True):
        value = functions[ast.unparse(call.func)].value.encode()
        first, last = call.lineno - 1, (call.end_lineno or call.lineno) - 1
        behind = lines[last][call.end_col_offset :]
        lines[first : last + 1] = [lines[first][: call.col_offset] + value + behind]
    return replace(unit, text=b"\n".join(lines).decode())


# --- calls ----------------------------------------------------------------------------------------


def _with_calls(
    units: Sequence[Unit], called: Iterable[TaskFunction], functions: Mapping[str, TaskFunction]
) -> list[Unit]:
    """The units with each call behind the definition, and behind the calls that it is wired to."""
    behind: dict[int, list[Unit]] = {}
    placed: dict[str, int] = {}
    for function in _in_order_of_wires(list(called), functions):
        place = max([function.place, *(placed[each] for each in function.parameters if each in placed)])
        placed[function.name] = place
        behind.setdefault(place, []).append(_call_of(function, functions, units[function.place]))
    _refuse_early_reads(units, placed, functions)
    return [each for place, unit in enumerate(units) for each in (unit, *behind.get(place, ()))]


def _in_order_of_wires(
    called: list[TaskFunction], functions: Mapping[str, TaskFunction]
) -> Iterator[TaskFunction]:
    done: set[str] = set()
    while called:
        ready = [
            each for each in called if not (set(each.parameters) & functions.keys() - done - {each.name})
        ]
        if not ready:
            names = ", ".join(each.name for each in called)
            raise ExportError(f"the task functions {names} are wired in a circle")
        yield ready[0]
        done.add(ready[0].name)
        called.remove(ready[0])


def _call_of(function: TaskFunction, functions: Mapping[str, TaskFunction], unit: Unit) -> Unit:
    others = {name: each.value for name, each in functions.items() if name != function.name}
    given = ", ".join(f"{each}={others.get(each, each)}" for each in function.parameters)
    text = f"{function.value} = {'await ' if function.waits else ''}{function.name}({given})"
    return Unit(CellText("plain", function.name, text), "plain", text, is_value=True)


def _refuse_early_reads(
    units: Sequence[Unit], placed: Mapping[str, int], functions: Mapping[str, TaskFunction]
) -> None:
    values = {functions[name].value: name for name in placed}
    for place, unit in enumerate(units):
        early = next(
            (values[each] for each in unit.reads & values.keys() if placed[values[each]] >= place), ""
        )
        if early:
            raise ExportError(f"{unit.label} reads {early}() above what makes its value; move it below that")
