"""The past of a notebook, as its history tells it: runs of tasks and flows, and the results they left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.slots import NAME
from nbflow.exceptions import CacheError, SessionError, UnknownTaskError
from nbflow.notebook.moments import moment_of
from nbflow.states import Role
from nbflow.types import UNBOUND
from nbflow.views import RunLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session
    from nbflow.store.protocol import RunRecord
    from nbflow.types import Output, Trace

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

    def trace_of(self, step: Step, run: str) -> Trace:
        """The trace that a run of a step ended with.

        Args:
            step: The step.
            run: `#12`, `-1` for the result before the present one, or a time such as `yesterday 14:00`.

        Raises:
            SessionError: If there is no such run.
        """
        store, now = self._session.around.store, self._session.around.clock()
        found = store.history.runs(self._session.around.notebook, step.id, _MOST_RUNS)
        runs = [record for record in found if record.trace]
        if run.startswith("-") and run[1:].isdecimal():
            results = list(dict.fromkeys(record.trace for record in runs))
            present = step.bound_trace.id if step.bound_trace is not None else ""
            earlier = results[results.index(present) + 1 :] if present in results else results
            chosen = earlier[int(run[1:]) - 1 : int(run[1:])]
        elif run.lstrip("#").isdecimal():
            chosen = [record.trace for record in runs if str(record.number) == run.lstrip("#")]
        else:
            at = moment_of(run, now)
            chosen = [record.trace for record in runs if self._ended(record) <= at]
        trace = store.trace(chosen[0]) if chosen else None
        if trace is None:
            raise SessionError(
                f"{step.name} has no result of run {run}; `%flow history {step.name}` lists its runs"
            )
        return trace

    def _ended(self, run: RunRecord) -> float:
        transitions = self._session.around.store.history.transitions(run.id)
        return transitions[-1].at if transitions else 0.0

    def value(self, name: str, run: str = "-1") -> object:
        """The value that a task had after an earlier run; the session stays as it is.

        Returns:
            Its value; name to value, if it makes several.

        Raises:
            SessionError: If there is no such run, or its values are no longer stored.
        """
        trace, store = self.trace_of(self._session.places.named(name).step, run), self._session.around.store
        try:
            values = {
                each.slot.locator: store.load(each.unit)[each.members.index(each.slot.locator)]
                for each in names_made(trace)
            }
        except CacheError as error:
            raise SessionError(
                f"the values of run {run} of {name} are not stored any more: {error}"
            ) from None
        return next(iter(values.values())) if len(values) == 1 else values

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


def names_made(trace: Trace) -> list[Output]:
    """The outputs of a trace that are values of names."""
    return [each for each in trace.outputs if each.slot.kind == NAME and each.digest != UNBOUND]
