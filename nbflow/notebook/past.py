"""The past of a notebook, as its history tells it: runs of tasks and flows, and the results they left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.exceptions import UnknownTaskError
from nbflow.states import Role
from nbflow.views import RunLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.notebook.session import Session
    from nbflow.store.protocol import RunRecord

_MOST_RUNS: Final = 1000


class Past:
    """Reads a session's history.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def lines(self, name: str = "") -> tuple[RunLine, ...]:
        """The runs of a task, or of a flow with all that it called; without a name all, newest first.

        Raises:
            UnknownTaskError: If nothing of that name has run.
        """
        return tuple(self._line(run) for run in self._runs_of(name) if run.number)

    def _runs_of(self, name: str) -> Sequence[RunRecord]:
        session = self._session
        history, notebook = session.around.store.history, session.around.notebook
        try:
            step = session.places.named(name).step.id if name else None
        except UnknownTaskError:
            runs = history.runs(notebook, limit=_MOST_RUNS)
            numbers = {run.number for run in runs if run.name == name and run.role == Role.FLOW.value}
            found = [run for run in runs if run.number in numbers or run.name == name]
            if not found:
                raise
            return found
        return history.runs(notebook, step, _MOST_RUNS)

    def _line(self, run: RunRecord) -> RunLine:
        store = self._session.around.store
        transitions = store.history.transitions(run.id)
        last = transitions[-1] if transitions else None
        started = transitions[0].at if transitions else None
        trace = store.trace(run.trace) if run.trace else None
        seconds = trace.seconds if trace is not None and trace.run == run.id else None
        attempts = max((transition.attempt for transition in transitions), default=1)
        state = last.name if last else ""
        return RunLine(
            run.number, run.name, state, run.origin, started, seconds, attempts, run.causes, transitions
        )
