"""Which cells a run of certain tasks needs: what these read, and what that reads, by the text of the cells.

Plain cells run as always, but those that read what is not made then; nobody could run them without an error.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.engine.book import Body, read_body
from nbflow.engine.declared import declared_body
from nbflow.engine.wiring import makers_in
from nbflow.exceptions import NbflowError, OptionError
from nbflow.notebook.cells import is_only_ours, read_header
from nbflow.notebook.naming import label_of
from nbflow.notebook.written import as_python, names_of, options_of
from nbflow.options import NO_OPTIONS, TaskOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from nbflow.notebook.saved import SavedCell

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)
_STARTS: Final = ("run", "resume", "audit", "auto")
"""The commands that start more than was asked for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a run of certain tasks leaves out.

    Args:
        places: The cells that are not run, counted from 0 among all code cells.
        tasks: The names of the tasks among them.
        plain: What people call the others.
        functions: The task functions that are asked for, by the place of the cell that defines them.
    """

    places: frozenset[int] = frozenset()
    tasks: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    functions: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell by its text.

    Args:
        label: What people call it.
        text: It as it is written.
        body: What it says; None where it is not Python.
        is_task: Whether it is a task.
        options: What its header says.
        functions: The task functions that it defines, with their parameters.
    """

    label: str
    text: str
    body: Body | None = None
    is_task: bool = False
    options: TaskOptions = NO_OPTIONS
    functions: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def writes(self) -> frozenset[str]:
        """The names that it may bind or change."""
        if self.body is None:
            return frozenset()
        said = self.body.analysis
        return said.writes | said.maybe_writes | said.mutates | said.deletes

    @property
    def reads(self) -> frozenset[str]:
        """The names that running it may load, or change in place."""
        if self.body is None:
            return frozenset()
        return frozenset(self.body.reads) | self.body.analysis.mutates

    @property
    def acts_unseen(self) -> bool:
        """Whether it starts programs, or seeds: no name tells who hangs on that."""
        return self.body is not None and any(map(_acts_unseen, self.body.analysis.effects))

    @property
    def starts_more(self) -> bool:
        """Whether it tells nbflow to run tasks, and does nothing else."""
        lines = (line.split() for line in self.text.splitlines() if line.startswith("%flow "))
        return is_only_ours(self.text) and any(line[1:2] and line[1] in _STARTS for line in lines)


def choose(saved: Sequence[SavedCell], names: Collection[str]) -> Chosen:
    """Say what a run of these tasks leaves out.

    Args:
        saved: The code cells of the notebook.
        names: Names of tasks.

    Raises:
        OptionError: If one is none of a task, or the header of a cell makes no sense.
    """
    cells = _cells(saved)
    places = {cell.label: place for place, cell in enumerate(cells) if cell.is_task}
    functions = {name: place for place, cell in enumerate(cells) for name, _ in cell.functions}
    for name in names:
        if name not in places and name not in functions:
            raise OptionError.unknown("task", name, (*places, *functions))
    asked = {places[name]: frozenset[str]() for name in names if name in places}
    for name in names:
        if name not in places:
            place = functions[name]
            asked[place] = asked.get(place, frozenset()) | dict(cells[place].functions)[name] | {name}
    reads = _Reads(cells)
    needed = _needed(cells, asked, reads)
    left = [place for place, cell in enumerate(cells) if cell.is_task and place not in needed]
    plain = list(_without_inputs(cells, needed, reads))
    return Chosen(
        frozenset((*left, *plain)),
        tuple(cells[place].label for place in left),
        tuple(cells[place].label for place in plain if not cells[place].starts_more),
        tuple((functions[name], name) for name in names if name not in places),
    )


# --- the cells -----------------------------------------------------------------------------------


def _cells(saved: Sequence[SavedCell]) -> list[_Cell]:
    headers = [read_header(each.source) for each in saved]
    options = [options_of(header, each.source) for header, each in zip(headers, saved, strict=True)]
    names = names_of(saved, headers, options)
    found: list[_Cell] = []
    for place, (cell, header) in enumerate(zip(saved, headers, strict=True)):
        is_task = header is not None and header.kind == "task"
        label = names[place] if is_task else label_of(cell.source)
        text = header.body if header is not None else cell.source
        found.append(_cell(label, cell.source, text, is_task=is_task, options=options[place]))
    return found


def _cell(label: str, text: str, body: str, *, is_task: bool, options: TaskOptions) -> _Cell:
    try:
        source = as_python(body)
        read = declared_body(read_body(source), options.declared)
        functions = () if is_task else tuple(_functions_in(source))
    except (NbflowError, SyntaxError):
        return _Cell(label, text, None, is_task, options)
    return _Cell(label, text, read, is_task, options, functions)


def _functions_in(source: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The task functions of a cell, each with the parameters that are wired."""
    makers = makers_in(source, lambda name: name == "task" or f"@{name}.task" in source)
    for node in ast.parse(source).body if makers else ():
        if isinstance(node, _Function) and any(_root_of(each) in makers for each in node.decorator_list):
            args = node.args
            given = [*args.posonlyargs, *args.args]
            wired = given[: len(given) - len(args.defaults)]
            wired += [
                each for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if not default
            ]
            yield node.name, frozenset(each.arg for each in wired)


def _root_of(node: ast.expr) -> str:
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


# --- what is needed ------------------------------------------------------------------------------


class _Reads:
    """What cells load when they run, what the functions load that they mention included.

    Args:
        cells: All cells.
    """

    def __init__(self, cells: Sequence[_Cell]) -> None:
        self._behind: dict[str, frozenset[str]] = {}
        for cell in cells:
            made = cell.body.analysis.definitions.values() if cell.body is not None else ()
            for name, read in (*cell.functions, *((each.name, each.reads) for each in made)):
                self._behind[name] = self._behind.get(name, frozenset()) | read

    def of(self, names: Iterable[str]) -> frozenset[str]:
        """These names, and all that the code behind them may load."""
        found, todo = set[str](), set(names)
        while todo:
            found |= todo
            todo = frozenset[str]().union(*(self._behind.get(name, ()) for name in todo)) - found
        return frozenset(found)


def _acts_unseen(effect: str) -> bool:
    return effect.startswith(("subprocess:", "random:"))


def _needed(cells: Sequence[_Cell], asked: Mapping[int, frozenset[str]], reads: _Reads) -> set[int]:
    """The places of the cells that are needed for those asked for, with what these read besides."""
    needed, wanted = set[int](), set[str]()
    after, paths = set[str](), set[str]()
    for place in range(len(cells) - 1, -1, -1):
        cell, body = cells[place], cells[place].body
        makes = cell.writes & wanted or (body is not None and body.writes_files and body.paths & paths)
        is_behind = bool(needed) and cell.acts_unseen
        if place not in asked and not makes and not is_behind and cell.label not in after:
            continue
        needed.add(place)
        after |= {*cell.options.after}
        wanted -= body.analysis.writes if body is not None else set()
        wanted |= reads.of(cell.reads | asked.get(place, frozenset()))
        paths |= {*body.paths, *body.declared.files} if body is not None else set()
    return needed


def _without_inputs(cells: Sequence[_Cell], needed: Collection[int], reads: _Reads) -> Iterator[int]:
    """The places of the plain cells that read what is not made, or start what was not asked for."""
    missing: set[str] = set()
    for place, cell in enumerate(cells):
        is_left_out = place not in needed and (
            cell.is_task or cell.starts_more or bool(reads.of(cell.reads) & missing)
        )
        if is_left_out:
            missing |= cell.writes
        elif cell.body is not None:
            missing -= cell.body.analysis.writes
        if is_left_out and not cell.is_task:
            yield place
