"""Steps that set environment variables, before or after others, or modules, have asked for them.

A module asks once, when it is imported first: what a step above that place sets, it finds, and nothing of
what a step further down sets. Where steps ran in another order, or one above has not run in this kernel,
nobody can tell what it would have found.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.engine.keeping import CHANGES
from nbflow.store.at_import import AT_IMPORT, is_around, parted, take_as_imported
from nbflow.store.importing import ALL, asked_at, set_last
from nbflow.types import Cause, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.book import Book, Step
    from nbflow.engine.observation import Observation
    from nbflow.types import Trace

_SETS: Final = "sets "
"""How the flag of a trace begins that names a variable that its body sets, and the module that did it."""

_turns: Final[dict[tuple[str, str, str], tuple[int, int]]] = {}
"""When steps of notebooks have set variables in this process: the first time, and the last one."""


def with_sets(trace: Trace, observation: Observation) -> Trace:
    """A trace that says which variables its body has set, be it to what they were already."""
    names = observation.watch.trail.touched if observation.watch is not None else ()
    if not names:
        return trace
    sets = {f"{_SETS}{name}={set_last(name)[1]}" for name in names}
    return msgspec.structs.replace(trace, flags=trace.flags | sets)


def note_run(trace: Trace) -> None:
    """Note, of a body that has run, which variables it has set, and which modules are imported by now."""
    for name, _ in _sets(trace.flags):
        key, turn = (trace.notebook, trace.step, name), set_last(name)[0]
        _turns[key] = _turns.get(key, (turn, turn))[0], turn
    take_as_imported(trace.entries)  # they may have been in a worker


@lru_cache(maxsize=2_000)
def _sets(flags: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """The variables that flags name, each with the module that set it."""
    told = (flag.removeprefix(_SETS).partition("=") for flag in flags if flag.startswith(_SETS))
    return tuple((name, by) for name, _, by in told)


def _only_defines(step: Step) -> bool:
    """Whether a step only makes functions, which import when they are called."""
    told = step.ran.analysis if step.ran is not None else None
    if told is None or not step.plain or not told.writes:
        return False
    return told.writes <= told.definitions.keys() and all(item.deferred for item in told.imports)


def set_below(step: Step, trace: Trace, book: Book) -> list[Cause]:
    """The environment variables that a body has asked for, and that a step below it has set in this kernel.

    Since then nobody can tell what they were at the place of the body.
    """
    asked = {entry.looked.slot.locator for entry in trace.entries if entry.looked.slot.kind == "environment"}
    place = book.place(step.id)
    if not asked or place is None:
        return []
    below = (book.steps[each] for each in book.order[place + 1 :])
    return [
        Cause("outside", f"{each.name} below sets {name}", origin=each.name)
        for each in below
        if each.trace is not None and each.standing is Standing.HERE
        for name in sorted(asked)
        if f"{CHANGES}environment changed: {name}" in each.trace.unknowns
    ]


class Setters:
    """The steps of a notebook that set variables.

    Args:
        book: The steps.
        notebook: The identifier of the notebook.
    """

    def __init__(self, book: Book, notebook: str) -> None:
        self._book, self._notebook = book, notebook

    def cast_doubt_on(self, locator: str) -> bool:
        """Whether a module may have found another value than it would where it is imported first."""
        module, name, makers = parted(locator)
        setters = [
            (step, each)
            for step, trace in self._traces()
            for each, by in _sets(trace.flags)
            if name in (each, ALL) and not (by and (by in makers or is_around(by, module)))
        ]
        if not setters:
            return False
        place, asked = self._first_place(module), asked_at(module)
        # Who was loaded before nbflow was has asked before all of them.
        return asked > 0 and any(self._is_out_of_order(step, each, place, asked) for step, each in setters)

    def _traces(self) -> Iterator[tuple[Step, Trace]]:
        for step in self._book:
            trace = step.bound_trace or step.earlier
            if trace is not None:
                yield step, trace

    def _first_place(self, module: str) -> int:
        """The place of the first step that imports a module."""
        beginning = f"{module}:"
        importers = (
            place
            for place, (step, trace) in self._places()
            if not _only_defines(step)
            and any(
                entry.looked.slot.kind == AT_IMPORT and entry.looked.slot.locator.startswith(beginning)
                for entry in trace.entries
            )
        )
        return next(importers, len(self._book))

    def _places(self) -> Iterator[tuple[int, tuple[Step, Trace]]]:
        return ((self._book.place(each[0].id) or 0, each) for each in self._traces())

    def _is_out_of_order(self, step: Step, name: str, importer: int, asked: int) -> bool:
        """Whether a step has set a variable after a module below it asked, or before one above it did."""
        place = self._book.place(step.id) or 0
        turns = _turns.get((self._notebook, step.id, name))
        if turns is None:
            return place <= importer
        first, last = turns
        is_early = 0 < first < asked
        if place == importer:
            return is_early and last > asked
        return last > asked if place < importer else is_early
