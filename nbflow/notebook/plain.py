"""Plain cells, which IPython runs by itself: the session only looks on from their beginning to their end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from nbflow.analysis.names import BUILTINS
from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.observation import refusal
from nbflow.exceptions import CellSyntaxError, SessionError
from nbflow.notebook.cells import (
    does_wait,
    ends_with_call,
    ends_with_ours,
    hides_all,
    is_only_ours,
    missed_header,
    read_header,
)

if TYPE_CHECKING:
    from nbflow.engine.action import Action
    from nbflow.engine.book import Step
    from nbflow.engine.requests import Execution, Working
    from nbflow.notebook.asked import Asked
    from nbflow.notebook.places import Cell
    from nbflow.notebook.session import Session


@dataclass
class _Pending:
    """A plain cell that IPython is running: the work that waits for its end."""

    cell: Cell
    work: Working[Action]
    execution: Execution
    awaiting: asyncio.Task[object] | None = None

    def was_stopped(self, error: BaseException | None) -> bool:
        """Whether Stop has ended it: kernels cancel a cell that awaits, whose own code may cancel, too."""
        is_cancelled = isinstance(error, asyncio.CancelledError)
        return is_cancelled and self.awaiting is not None and bool(self.awaiting.cancelling())


class PlainCells:
    """Follows the plain cells of a session.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pending: _Pending | None = None

    @property
    def is_running(self) -> bool:
        """Whether one is followed now."""
        return self._pending is not None

    def begin(self, asked: Asked, source: str | None = None) -> None:
        """Follow a plain cell that is about to run.

        Args:
            asked: The cell.
            source: It as plain Python, where that is known already.
        """
        self._pending, session = None, self._session
        session.around.screen.note_publisher()
        session.background.follow()
        session.left_settings.begin()
        if is_only_ours(asked.text):
            session.places.retire(asked.id)  # what it held before is in no cell now
            return
        if read_header(asked.text) is not None:
            return
        try:
            cell = session.places.take(asked, source)
        except CellSyntaxError:
            return
        if self._misses_a_name(cell.step):
            session.remember()
        # What functions show that it has run appears above what it shows itself.
        if hides_all(asked.text):
            with session.around.routes.captured(shows=False):
                session.functions.reading.begin_plain(cell.step)
        else:
            session.functions.reading.begin_plain(cell.step)
        session.trunk.runs.number = 0
        work = session.work.run_cell(cell.step)
        if does_wait(cell.step.body.source):
            with session.left_settings.noted():  # what is put back for it
                self._pending = _Pending(cell, work, cast("Execution", next(work)), _current_task())
        else:
            self._pending = _Pending(cell, work, cast("Execution", next(work)))

    def _misses_a_name(self, step: Step) -> bool:
        """Whether the cell reads what is not there: a task of an earlier kernel may have made it."""
        names = self._session.around.names
        return any(name not in names and name not in BUILTINS for name in step.body.reads)

    def end(self, error: BaseException | None) -> None:
        """The plain cell ended, by itself or with an error."""
        self._session.left_settings.bring()  # of one that awaits, the end is seen outside its context
        pending, self._pending = self._pending, None
        if pending is not None:
            self._end(pending, error)
        self._session.background.follow()

    def _end(self, pending: _Pending, error: BaseException | None) -> None:
        refused = self._session.functions.reading.end_plain()
        error = KeyboardInterrupt() if pending.was_stopped(error) else error or refused
        attempt = pending.execution.call.attempt
        ended = (
            Outcome(attempt, Ended.RAISED, error) if error is not None else Outcome(attempt, Ended.RETURNED)
        )
        with suppress(StopIteration):
            pending.work.send(ended)
        for told in filter(None, (missed_header(pending.cell.text), refusal(error))):
            self._session.around.screen.say(told)
        if error is None:
            self._session.functions.follow(pending.cell.step, by_user=True)
            self._session.after_plain(pending.cell)
        elif self._session.places.has_tasks:
            self._session.refresh_badges()

    def finish(self, line: str) -> None:
        """End the observation of a cell from whose line `%flow line` on all code is ours.

        Raises:
            SessionError: If other code follows, which nobody would see.
        """
        if self._pending is None:
            return
        if not ends_with_ours(self._pending.cell.text, line):
            raise SessionError(
                f"`%flow {line}` runs tasks; give it a cell of its own, or the last line of one"
            )
        self.end(None)

    def finish_call(self, name: str, line: int) -> None:
        """End the observation of a cell whose last line is a call of ours that changes names.

        Args:
            name: What is called.
            line: In which line of the cell it stands; 0: in code that a cell calls.

        Raises:
            SessionError: If other code follows, which nobody would see.
        """
        if self._pending is None:
            return
        if not ends_with_call(self._pending.cell.step.body.source, name, line):
            raise SessionError(f"session().{name} changes names; let it be the last line of its cell")
        self.end(None)

    def forget(self) -> None:
        """After a fault of ours: no live object is believed to be the version that it was."""
        self._pending = None
        self._session.functions.reading.end_plain()
        for key in tuple(self._session.trunk.workspace.labels):
            self._session.trunk.workspace.label(key, None)


def _current_task() -> asyncio.Task[object] | None:
    """The task in which a cell awaits; None where no loop runs."""
    with suppress(RuntimeError):
        return asyncio.current_task()
    return None
