"""The analysis of a cell: one walk in the order of execution, then the answer as a value."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nbflow.analysis.aliases import related, spread
from nbflow.analysis.calls import visit_call
from nbflow.analysis.compounds import visit_branch
from nbflow.analysis.constants import constants_of
from nbflow.analysis.flow import GONE, OUTSIDE, Cell, Defined, Frame
from nbflow.analysis.functions import changes_when_called, find_functions, still_loaded, summary_of
from nbflow.analysis.magics import parse_cell
from nbflow.analysis.names import BUILTINS, is_managed, of_the_user
from nbflow.analysis.result import EVERYTHING, Analysis, Call, Definition
from nbflow.analysis.scopes import Bindings, Scope, ScopeKind
from nbflow.analysis.seeding import seeds_of
from nbflow.analysis.statements import visit_assignment
from nbflow.analysis.summaries import Pending, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WALKED = (visit_call, visit_branch, visit_assignment)
"""One visitor of each file that has some: they register themselves when they are imported."""


def analyze(source: str) -> Analysis:
    r"""Say what a cell may read, write and change, by its text alone.

    Args:
        source: Python; calls of IPython's `run_line_magic`, `run_cell_magic`, `system` and `getoutput`
            are looked into, and lines that are still in IPython's own syntax are understood.

    Raises:
        CellSyntaxError: If the text is not Python.

    Example:
        >>> found = analyze("total = price * count\nprint(total)")
        >>> sorted(found.reads), sorted(found.writes), sorted(found.builtins)
        (['count', 'price'], ['total'], ['print'])
    """
    return analysis_of(source, parse_cell(source))


def analysis_of(source: str, statements: list[ast.stmt]) -> Analysis:
    """What `analyze` says of a source that is parsed already.

    Args:
        source: The text.
        statements: It as `parse_cell` gives it; left as they are.
    """
    cell = Cell(source, walrus=":=" in source, stringized_annotations=_stringized(statements))
    frame = Frame(cell, Scope(ScopeKind.MODULE, None, Bindings(), next(cell.serials)))
    try:
        find_functions(cell, statements, frame.scope)
        frame.visit_all(statements)
        return _Answer(cell, frame).of(statements)
    except RecursionError:
        return _by_names(statements)


def _stringized(statements: Iterable[ast.stmt]) -> bool:
    return any(
        isinstance(line, ast.ImportFrom)
        and line.module == "__future__"
        and any(alias.name == "annotations" for alias in line.names)
        for line in statements
    )


class _Answer:
    """What was collected, put into the words of `Analysis`."""

    def __init__(self, cell: Cell, frame: Frame) -> None:
        self.cell = cell
        self.frame = frame
        self.written = frame.stored

    def of(self, statements: Sequence[ast.stmt]) -> Analysis:
        """Give the analysis of the cell that these statements are."""
        frame, cell = self.frame, self.cell
        deferred = self._deferred()
        reads = self._inputs(frame.reads)
        maybe = self._inputs(frame.maybe) - reads
        unsure = {name for name in frame.stored if frame.state.get(name, OUTSIDE) & (OUTSIDE | GONE)}
        definitions = {name: self._definition(name, known) for name, known in frame.defined.items()}
        return Analysis(
            reads=reads,
            maybe_reads=maybe,
            deferred_reads=self._inputs(deferred),
            code_reads=self._inputs(name for each in self._summaries() for name in each.loads),
            writes=of_the_user(frame.stored - unsure),
            maybe_writes=of_the_user(unsure),
            deletes=of_the_user(frame.deleted),
            mutates=of_the_user(self._globals(spread(frame, frame.mutations))),
            definitions=definitions,
            constants=self._constants(statements),
            calls=self._calls(frame.calls),
            attributes=self._attributes(reads | maybe | self._inputs(deferred)),
            imports=tuple(dict.fromkeys(cell.imports)),
            paths=frozenset(cell.paths),
            environment=frozenset(cell.environment),
            seeds=seeds_of(statements),
            effects=frozenset(frame.effects),
            builtins=frozenset((frame.reads | frame.maybe | deferred) & BUILTINS - self.written),
            shows=frozenset(filter(_is_shown, cell.shown)),
            complete=cell.complete,
            notes=tuple(cell.notes),
        )

    def _constants(self, statements: Iterable[ast.stmt]) -> frozenset[str]:
        """Leave out functions and classes that the cell changes, or hands to somebody who may."""
        if not self.cell.complete:
            return frozenset()
        imported = {name for name, known in self.frame.defined.items() if known.kind == "import"}
        handed = self.frame.defined.keys() & self.cell.shown - imported
        changed = self._globals(spread(self.frame, self.frame.mutations))
        return of_the_user(constants_of(statements) & self.frame.stored) - handed - changed

    def _deferred(self) -> set[str]:
        names = set(self.frame.late)
        for summary in self._summaries():
            names |= still_loaded(summary, self.frame.state)
        return names

    def _summaries(self) -> list[Summary]:
        return [summary_of(self.cell, function) for function in {*self.cell.function_of.values()}]

    def _inputs(self, names: Iterable[str]) -> frozenset[str]:
        """Leave out managed names, and builtins unless the cell itself binds them."""
        return frozenset(
            name for name in names if not is_managed(name) and (name not in BUILTINS or name in self.written)
        )

    def _globals(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if "." not in key and key.isidentifier()}

    def _calls(self, calls: Iterable[Pending]) -> tuple[Call, ...]:
        return tuple(dict.fromkeys(self._call(call) for call in calls))

    def _call(self, call: Pending) -> Call:
        reached = related(self.frame, call.arguments)
        callee = call.callee
        if "." in callee:
            callee = min(self._globals(related(self.frame, [callee])), default="")
        return Call(callee, call.path, frozenset(self._globals(reached)))

    def _attributes(self, read: frozenset[str]) -> Mapping[str, frozenset[str] | None]:
        imported = {name for name, known in self.frame.defined.items() if known.kind == "import"}
        wanted = read | imported
        return {
            name: None if used is None else frozenset(used)
            for name, used in self.cell.attributes.items()
            if name in wanted
        } | dict.fromkeys(read - self.cell.attributes.keys())

    def _definition(self, name: str, known: Defined) -> Definition:
        whole = Summary()
        for function in known.functions:
            whole.include(summary_of(self.cell, function))
        return Definition(
            name,
            known.kind,
            reads=self._inputs(whole.loads),
            writes=of_the_user(whole.may_bind | whole.deletes),
            mutates=of_the_user(self._globals(whole.mutates)),
            changes_arguments=whole.changes_arguments
            or any(changes_when_called(self.cell, function) for function in known.functions),
            calls=tuple(dict.fromkeys(Call(c.callee, c.path, self._arguments(c)) for c in whole.calls)),
            conditional=known.conditional,
            effects=frozenset(whole.effects),
            origin=self.cell.origins.get(name, "") if known.kind == "import" else "",
        )

    def _arguments(self, call: Pending) -> frozenset[str]:
        return frozenset(key for key in call.arguments if "." not in key)


def _is_shown(key: str) -> bool:
    return key == EVERYTHING or all(part.isidentifier() for part in key.split("."))


def _by_names(statements: Iterable[ast.stmt]) -> Analysis:
    """Answer for code nested too deeply to follow: every name mentioned may be read and written."""
    loaded: set[str] = set()
    stored: set[str] = set()
    for statement in statements:
        for part in ast.walk(statement):
            if isinstance(part, ast.Name):
                (loaded if isinstance(part.ctx, ast.Load) else stored).add(part.id)
    return Analysis(
        reads=of_the_user(loaded - stored - BUILTINS),
        maybe_reads=of_the_user(loaded & stored),
        maybe_writes=of_the_user(stored),
        mutates=of_the_user(loaded - BUILTINS),
        builtins=frozenset(loaded & BUILTINS - stored),
        shows=frozenset((EVERYTHING,)),
        complete=False,
        notes=("the cell is nested too deeply to be followed",),
    )
