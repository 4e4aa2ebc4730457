"""The task functions of a session: steps made of what plain cells define, brought up to date where read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nbflow.engine.reading import Reading
from nbflow.engine.wiring import follow, rewire, step_ids, value_steps
from nbflow.exceptions import SessionError
from nbflow.flows.function import flow
from nbflow.notebook.named import naming, telling_of
from nbflow.notebook.places import Cell
from nbflow.states import Origin
from nbflow.tasks import Task, task
from nbflow.types import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session
    from nbflow.types import Trace


class Functions:
    """Keeps the steps of task functions in line with their cells.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.reading = Reading(session.work, self._bring, self._why)

    def is_maker(self, name: str) -> bool:
        """Whether a name of the notebook stands for nbflow, or for its `task` or `flow`."""
        value = self._session.around.names.get(name)
        return value is task or value is flow or (value is not None and value is sys.modules.get("nbflow"))

    def follow(self, definer: Step, trace: Trace | None = None, *, by_user: bool = False) -> bool:
        """Make, change and remove the steps of the functions that a plain cell defines.

        Args:
            definer: The cell's step, after it ran or was remembered.
            trace: The run of it that tells; by default the one that it stands at.
            by_user: Whether the user ran the cell, which ends every hold on its functions.

        Returns:
            Whether some are new.
        """
        session = self._session
        steps, gone = follow(session.book, session.trunk.sweep, definer, trace)
        if not steps and not gone:
            return False
        new = [step for step in steps if step.id not in session.places.cells]
        self._remove(gone)
        rewire(session.book, session.trunk.sweep)
        for step in steps:
            self._fill(session.places.cells.setdefault(step.id, Cell(step, "")))
            step.hold = None if by_user else step.hold
        return bool(new)

    def follow_all(self, ids: Iterable[str]) -> bool:
        """Follow the plain cells among these steps; whether some functions are new."""
        steps = [self._session.book.steps[id] for id in ids]
        new = [self.follow(step) for step in steps if step.plain]
        return any(new)

    def drop(self, definer: Step) -> None:
        """Remove the functions of a cell that is no plain one any more."""
        ids = step_ids(self._session.book, definer.id).values()
        self._remove([self._session.book.steps[id] for id in ids])

    def _fill(self, cell: Cell) -> None:
        step, wiring = cell.step, cell.step.body.wiring
        held = self._session.around.names.get(wiring.function) if wiring is not None else None
        if isinstance(held, Task) and step.standing is Standing.HERE:
            cell.options = held.options
            told, named = telling_of(held), naming(held.options, self._session.around.names)
            self._session.book.let(step.id, **held.options.rules, told=told, named=named)
            self._session.trunk.sweep.touch(step)
        if wiring is not None:
            self._session.places.call(cell, cell.options.name or wiring.function)

    def _remove(self, steps: Sequence[Step]) -> None:
        if not steps:
            return
        session = self._session
        for step in steps:
            session.places.forget(session.places.cells[step.id])
        left = {step.body.wiring for step in value_steps(session.book)}
        for wiring in {step.body.wiring for step in steps} - left:
            if wiring is not None:
                session.trunk.workspace.unbind(wiring.key)

    # --- reads ---------------------------------------------------------------------------------

    def _bring(self, steps: Sequence[Step], force: bool) -> Mapping[str, BaseException]:
        session = self._session
        try:
            action = session.perform(session.run_steps(steps, force=force, origin=Origin.CATCH_UP))
        except (KeyboardInterrupt, SessionError) as stop:
            return dict.fromkeys((step.id for step in steps), stop)
        if not action.errors:
            return {}
        first = next(iter(action.errors.values()))
        done = {*action.executed, *action.reused} - action.errors.keys()
        return {step.id: action.errors.get(step.id, first) for step in steps if step.id not in done}

    def _why(self, step: Step) -> str:
        session = self._session
        if step.body.wiring is not None and session.book.place(step.id) is None:
            return "its cell is gone"
        return session.report.waiting_words(session.trunk.sweep.judgement(step).causes)
