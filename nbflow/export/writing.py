"""The text of the module's parts: the functions of tasks, `main`, and what stands above them."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.export.decorators import Decorator, decorator_of, waits_for_a_person
from nbflow.export.layout import STEP, apart, broken, indented, literal
from nbflow.export.units import bound_by, imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbflow.export.placing import Handed, Placed
    from nbflow.export.units import Unit


@dataclass(frozen=True)
class Words:
    """What nbflow's names are called in the module.

    Args:
        before: What stands before each of them: nothing, or `nbflow.`.
        functions: The function of each task, by its place among the units.
        items: What holds the results of a mapped task's items, by its place.
        main: The function that runs all.
    """

    before: str
    functions: Mapping[int, str]
    items: Mapping[int, str]
    main: str


@dataclass(frozen=True)
class TaskText:
    """The function of a task.

    Args:
        text: Its text.
        decorator: What stands above it.
    """

    text: str
    decorator: Decorator


# --- tasks ----------------------------------------------------------------------------------------


def task_text(placed: Placed, place: int, words: Words, top: Iterable[str]) -> TaskText:
    """The function of the task at a place.

    Raises:
        ExportError: If an option decides whether it runs at all.
    """
    unit, handed = placed.units[place], placed.handed[place]
    shares = sorted((unit.writes | unit.deletes) & placed.shared)
    given = parameters_of(unit, handed)
    hands_all = not (shares or unit.analysis.mutates - (unit.writes - set(given)))
    made = decorator_of(unit, words.functions[place], frozenset(top), given, hands_all=hands_all)
    arguments, docstring = _docstring(made, unit)
    head = f"@{words.before}task"
    lines = [broken(f"{head}(", arguments, ")") if arguments else head]
    word = "async def" if unit.waits else "def"
    lines.append(broken(f"{word} {words.functions[place]}(", given, "):"))
    body = [docstring] if docstring else []
    body += [f"global {', '.join(shares)}" + ("\n" if defines(unit) else "")] if shares else []
    body += [unit.text] if unit.text.strip() else []
    body += [f"return {', '.join(handed.makes)}"] if handed.makes else []
    if not (docstring or handed.makes or unit.tree):
        body.append("pass")
    return TaskText("\n".join([*lines, indented("\n".join(body))]), made)


def parameters_of(unit: Unit, handed: Handed) -> list[str]:
    """The parameters of a task's function: the elements that it is mapped over, then what it needs."""
    mapped = unit.elements.values()
    return [
        *unit.elements,
        *(name for name in handed.needs if name not in mapped or name in unit.analysis.reads),
    ]


def _docstring(made: Decorator, unit: Unit) -> tuple[list[str], str]:
    """The arguments of the decorator and the docstring; what documents itself keeps its own text."""
    text = made.docstring
    if not text:
        return [*made.arguments], ""
    first = unit.tree[0] if unit.tree else None
    has_own = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    if has_own or '"' in text or "\\" in text or "\n" in text:
        return [*made.arguments, f"description={literal(text)}"], ""
    return [*made.arguments], f'"""{text}{"" if text.endswith((".", "?", "!")) else "."}"""'


# --- main -----------------------------------------------------------------------------------------


def main_text(placed: Placed, words: Words, notebook: str, *, waits: bool) -> str:
    """The function that does what the notebook does from top to bottom."""
    inside = [(place, unit) for place, unit in placed.inside if place not in placed.parameters]
    runs_in_order = any(unit.elements and not unit.waits for _, unit in inside)
    options = [f"name={literal(notebook)}"] + (['task_runner="inline"'] if runs_in_order else [])
    lines = [broken(f"@{words.before}flow(", options, ")"), _head(placed, words, waits=waits)]
    plain = [unit for _, unit in inside if unit.kind != "task"]
    bound = frozenset[str]().union(*(unit.writes | unit.deletes for unit in plain))
    shares = sorted(bound & placed.shared)
    body = list(_body(placed, inside, words))
    if not any(unit.tree for _, unit in inside if not waits_for_a_person(unit)) and not any(
        unit.kind == "task" and not waits_for_a_person(unit) for _, unit in inside
    ):
        body.append(("pass", 0))
    text = apart(body)
    return "\n".join([*lines, *([f"{STEP}global {', '.join(shares)}\n"] if shares else []), indented(text)])


def _head(placed: Placed, words: Words, *, waits: bool) -> str:
    """The line, or lines, with the parameters: each with the comments that the notebook has for it."""
    units = [placed.units[place] for place in sorted(placed.parameters)]
    told = [each for unit in units for each in _parameters(unit)]
    start = f"{'async def' if waits else 'def'} {words.main}("
    if not any(comment or above for _, comment, above in told):
        return broken(start, [text for text, _, _ in told], "):")
    lines = [line for text, comment, above in told for line in (*above, f"{text},{comment}")]
    return "\n".join([start, indented("\n".join(lines)), "):"])


def _parameters(unit: Unit) -> Iterator[tuple[str, str, list[str]]]:
    """Each parameter with its default, the comment behind it, and those above it."""
    (line,) = unit.tree
    if not isinstance(line, ast.Assign | ast.AnnAssign) or line.value is None:
        return
    targets = line.targets if isinstance(line, ast.Assign) else [line.target]
    value = ast.get_source_segment(unit.text, line.value) or ast.unparse(line.value)
    rows = unit.text.split("\n")
    above = [row.strip() for row in rows[: line.lineno - 1] if row.strip()]
    rest = rows[(line.end_lineno or 1) - 1].encode()[line.end_col_offset or 0 :].decode().strip()
    comment = f"  {rest}" if rest.startswith("#") else ""
    for target in targets:
        yield f"{ast.unparse(target)}={value}", comment, above
        comment, above = "", []


def _body(placed: Placed, inside: Sequence[tuple[int, Unit]], words: Words) -> Iterator[tuple[str, int]]:
    """The lines of main, with the blank lines that each wants around it."""
    before: Unit | None = None
    for place, unit in inside:
        text = unit.text if unit.kind != "task" else _call(placed, place, words)
        is_call = unit.kind == "task" or unit.is_value
        goes_on = before is not None and (unit.cell is before.cell or (is_call and _is_call(before)))
        above = 1 if (unit.gap and unit.cell is (before and before.cell)) or not goes_on else 0
        is_apart = above or (before is not None and _is_definition(before)) or _is_definition(unit)
        yield f"\n{text}" if is_apart and before is not None else text, 0
        before = unit


def _is_call(unit: Unit) -> bool:
    return unit.kind == "task" or unit.is_value


def _is_definition(unit: Unit) -> bool:
    return unit.kind != "task" and defines(unit)


def defines(unit: Unit) -> bool:
    """Whether a unit is a function or a class."""
    return any(isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for line in unit.tree)


def _call(placed: Placed, place: int, words: Words) -> str:
    """How main calls a task."""
    unit, handed = placed.units[place], placed.handed[place]
    name, given = words.functions[place], parameters_of(unit, handed)
    wait = "await " if unit.waits else ""
    if unit.elements:
        return _mapped_call(placed, place, words)
    target = f"{', '.join(handed.makes)} = " if handed.makes else ""
    text = broken(f"{target}{wait}{name}(", given, ")", 96)
    if not waits_for_a_person(unit):
        return text
    lines = [
        f"{unit.label} waits for a person: call it here if it is to run with the rest",
        *text.split("\n"),
    ]
    return "\n".join(f"# {line}" for line in lines)


def _mapped_call(placed: Placed, place: int, words: Words) -> str:
    """How main runs a task once for each element, and makes of the items what the notebook has."""
    unit, handed, items = placed.units[place], placed.handed[place], words.items[place]
    elements = unit.elements
    rest = parameters_of(unit, handed)[len(elements) :]
    lists = list(elements.values())
    if unit.waits:
        rows = lists[0] if len(lists) == 1 else f"zip({', '.join(lists)}, strict=True)"
        pairs = f"{', '.join(elements)} in {rows}"
        made = f"[await {words.functions[place]}({', '.join([*elements, *rest])}) for {pairs}]"
    else:
        given = [*lists, *(f"{words.before}unmapped({name})" for name in rest)]
        made = f"[item.result() for item in {words.functions[place]}.map({', '.join(given)})]"
    if not handed.makes:
        return made
    of = lists[0] if len(lists) == 1 else f"zip({', '.join(lists)})"
    result = f"{words.before}MapResult"
    lines = [f"{items} = {made}"]
    if len(handed.makes) == 1:
        return "\n".join([*lines, f"{handed.makes[0]} = {result}({items}, {of})"])
    rows = enumerate(handed.makes)
    return "\n".join(
        [*lines, *(f"{name} = {result}([item[{at}] for item in {items}], {of})" for at, name in rows)]
    )


# --- the top --------------------------------------------------------------------------------------


def import_texts(units: Iterable[Unit]) -> list[tuple[str, bool]]:
    """The imports of a module, each once, and whether a blank line stands above them."""
    seen: set[str] = set()
    found: list[tuple[str, bool]] = []
    for unit in units:
        entries = [
            each
            for line in unit.tree
            if isinstance(line, ast.Import | ast.ImportFrom)
            for each in imported(line)
        ]
        new = [each for each in entries if each not in seen]
        if not new:
            continue
        seen |= {*new}
        found.append((unit.text if len(new) == len(entries) else "\n".join(new), unit.gap))
    return found


def with_imports(lines: list[str], ours: list[str]) -> list[str]:
    """The notebook's imports with ours at their place among those of other packages.

    Example:
        >>> with_imports(["import os", "", "import numpy", "from pandas import DataFrame"], ["import nbflow"])
        ['import os', '', 'import numpy', 'import nbflow', 'from pandas import DataFrame']
        >>> with_imports(["import os"], ["import nbflow"])
        ['import os', '', 'import nbflow']
    """
    start = max((at + 1 for at, line in enumerate(lines) if not line), default=0)
    group = lines[start:]
    if not group or all(map(_is_of_python, group)):
        return [*lines, *([""] if group else []), *ours]
    behind = [at for at, line in enumerate(group) if line.startswith("from ") and line > "from nbflow"]
    at = start + (behind[0] if behind else len(group))
    return [*lines[:at], *ours, *lines[at:]]


def _is_of_python(text: str) -> bool:
    """Whether an import, with the comments above it, is of Python's own library."""
    line = next((line for line in text.split("\n") if line.startswith(("import ", "from "))), "")
    return line == "" or line.split()[1].partition(".")[0].rstrip(",;") in sys.stdlib_module_names


def top_blocks(units: Iterable[Unit]) -> Iterator[tuple[str, int]]:
    """What stands at the top level below the imports, with the blank lines that each wants around it."""
    before: Unit | None = None
    for unit in units:
        if defines(unit):
            yield unit.text, 2
        elif before is not None and not defines(before) and _stands_apart(unit, before):
            yield f"\n{unit.text}", 0
        else:
            yield unit.text, 0
        before = unit


def _stands_apart(unit: Unit, before: Unit) -> bool:
    """Whether a blank line stands between two units: as in their cell, and where a cell or imports end."""
    if unit.imports and before.imports:
        return False
    return unit.gap or unit.cell is not before.cell or bool(before.imports)


def names_bound(units: Iterable[Unit]) -> frozenset[str]:
    """The names that units bind."""
    return frozenset[str]().union(*(unit.writes for unit in units))


def imports_same(unit: Unit, entry: str) -> bool:
    """Whether a unit imports this, under this name."""
    return any(each == entry and bound_by(each) == bound_by(entry) for each in unit.imports)
