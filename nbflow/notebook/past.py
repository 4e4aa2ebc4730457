"""The past of a notebook, as its history tells it: runs of tasks and flows, and the results they left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.analysis import analyze
from nbflow.engine.slots import NAME
from nbflow.exceptions import CacheError, SessionError, UnknownTaskError
from nbflow.notebook.moments import moment_of
from nbflow.states import Role
from nbflow.types import UNBOUND
from nbflow.views import RunLine
from nbflow.views.spans import seconds_running
from nbflow.views.words import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session
    from nbflow.states import Transition
    from nbflow.store.protocol import Given, RunRecord
    from nbflow.types import Output, Trace

_MOST_RUNS: Final = 1000
_MOST_IN_ONE: Final = 10_000
_ITEM: Final = re.compile(r"(.+)\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose runs are meant: a task, or one item of a mapped task.

    Args:
        id: What its runs bear as their step.
        name: What people call it.
        step: The task's step; None where this kernel has none, as its cell has not run here or is gone.
        index: The item's position; None: the whole task.
    """

    id: str
    name: str
    step: Step | None = None
    index: int | None = None

    def item(self, index: int) -> Subject:
        """One of its items."""
        return Subject(f"{self.id}[{index}]", f"{self.name}[{index}]", self.step, index)

    @property
    def bound(self) -> Trace | None:
        """The result that it has now; None where there is none, or nobody knows which of an item's it is."""
        return self.step.bound_trace if self.step is not None and self.index is None else None

    def present(self) -> Step:
        """Its step.

        Raises:
            SessionError: If this kernel has none.
        """
        if self.step is None:
            raise SessionError(f"{self.name} has not run in this kernel; run its cell first")
        return self.step


class Past:
    """Reads a session's history.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    # --- who and when --------------------------------------------------------------------------

    def subject(self, name: str) -> Subject:
        """The task of a name, or the item that `name[3]` means; a name that a task had before will do.

        Raises:
            UnknownTaskError: If no task has, or had, that name.
        """
        item = _ITEM.fullmatch(name)
        if item is not None:
            return self.subject(item[1]).item(int(item[2]))
        try:
            step = self._session.places.named(name).step
        except UnknownTaskError:
            found = self._subject_of_old(name)
            if found is None:
                raise
            return found
        return Subject(step.id, step.name, step)

    def _subject_of_old(self, name: str) -> Subject | None:
        """Whoever ran by that name last, as a task of this notebook."""
        runs = (run for run in self._all_runs() if run.name == name and run.number)
        found = next((run for run in runs if run.role == Role.TASK.value and not run.parent), None)
        if found is None:
            return None
        step = self._session.book.steps.get(found.step)
        return Subject(found.step, step.name if step is not None else name, step)

    def runs_of(self, subject: Subject) -> Sequence[RunRecord]:
        """Its runs, newest first, by whatever name."""
        history = self._session.around.store.history
        return history.runs(self._session.around.notebook, subject.id, _MOST_RUNS)

    def _all_runs(self) -> Sequence[RunRecord]:
        return self._session.around.store.history.runs(self._session.around.notebook, limit=_MOST_RUNS)

    def run_of(self, subject: Subject, run: str) -> RunRecord:
        """One run, whether or not it has a result.

        Args:
            subject: Whose.
            run: `#12`, `-1` for the result before the present one, or a time such as `yesterday 14:00`.

        Raises:
            SessionError: If there is no such run.
        """
        return self._chosen(subject, self.runs_of(subject), run)

    def _chosen(self, subject: Subject, runs: Sequence[RunRecord], run: str) -> RunRecord:
        if run.startswith("-") and run[1:].isdecimal():
            chosen = self._back(subject, runs, int(run[1:]))
        elif run.lstrip("#").isdecimal():
            chosen = self._numbered(subject, runs, int(run.lstrip("#")))
        else:
            at = moment_of(run, self._session.around.clock())
            chosen = [record for record in runs if self._ended(record) <= at]
        if not chosen:
            what = "earlier result" if run == "-1" else f"result of run {run}"
            raise SessionError(f"{subject.name} has no {what}; `%flow history {subject.name}` lists its runs")
        return chosen[0]

    def _back(self, subject: Subject, runs: Sequence[RunRecord], back: int) -> list[RunRecord]:
        """The newest run with the result that is so many results before the present one."""
        bound = subject.bound
        newest: dict[str, RunRecord] = {}
        for record in runs:
            newest.setdefault(record.trace, record)
        newest.pop("", None)
        results = list(newest)
        if subject.index is not None:
            results = results[1:]
        elif bound is not None and bound.id in newest:
            results = results[results.index(bound.id) + 1 :]
        return [newest[trace] for trace in results[back - 1 : back]]

    def _numbered(self, subject: Subject, runs: Sequence[RunRecord], number: int) -> list[RunRecord]:
        """Its run in a flow run; where it did not run in that, the one whose result it had at its end."""
        found = [record for record in runs if record.number == number]
        if found or subject.index is not None:
            return found
        history = self._session.around.store.history
        taken = history.snapshots(self._session.around.notebook)
        had = [each.traces.get(subject.id, "") for each in taken if each.number == number]
        return [record for record in runs if record.trace and record.trace in had[-1:]]

    def _ended(self, run: RunRecord) -> float:
        transitions = self._session.around.store.history.transitions(run.id)
        return transitions[-1].at if transitions else 0.0

    # --- results -------------------------------------------------------------------------------

    def trace_of(self, subject: Subject, run: str) -> Trace:
        """The trace that a run ended with, see `run_of`.

        Raises:
            SessionError: If there is no such run, or it has no result.
        """
        runs = [record for record in self.runs_of(subject) if record.trace]
        trace = self._session.around.store.trace(self._chosen(subject, runs, run).trace)
        if trace is None:
            raise SessionError(f"nothing is kept of the result of run {run} of {subject.name}")
        return trace

    def made_by(self, run: RunRecord) -> RunRecord:
        """The run that executed what a run gives: itself, or, of one that was reused, an earlier one."""
        store = self._session.around.store
        trace = store.trace(run.trace) if run.trace and not run.inputs else None
        return (store.history.run(trace.run) if trace is not None and trace.run else None) or run

    def inputs_of(self, made: RunRecord) -> Mapping[str, Given]:
        """Where the store has what a run started from; an item started from what the whole task did."""
        history = self._session.around.store.history
        whole = history.run(made.parent) if made.parent and not made.inputs else None
        return (whole or made).inputs

    def lost(self, subject: Subject, trace: Trace, reason: str = "") -> SessionError:
        """What to say where values are wanted that the store does not have any more."""
        made = self._session.around.store.history.run(trace.run)
        number = f"#{made.number}" if made is not None and made.number else "-1"
        why = f" ({reason})" if reason else ""
        return SessionError(
            f"the values of run {number} of {subject.name} are not stored any more{why}; "
            f"`%flow open {subject.name} {number}` gives you its code and inputs to compute them again"
        )

    def value(self, name: str, run: str = "-1") -> object:
        """The value that a task, or an item of one, had after an earlier run; the session stays as it is.

        Returns:
            Its value; name to value, if it makes several. What it imports or defines is none, unless
            it makes nothing else.

        Raises:
            SessionError: If there is no such run, or its values are no longer stored.
        """
        subject, store = self.subject(name), self._session.around.store
        trace = self.trace_of(subject, run)
        try:
            values = {
                each.slot.locator: store.load(each.unit)[each.members.index(each.slot.locator)]
                for each in self._asked_for(trace)
            }
        except CacheError as error:
            raise self.lost(subject, trace, str(error)) from None
        return next(iter(values.values())) if len(values) == 1 else values

    def _asked_for(self, trace: Trace) -> list[Output]:
        """The outputs that are its value: what its code imports or defines is none of them."""
        history = self._session.around.store.history
        made = history.run(trace.run)
        source = history.source(made.source) if made is not None else None
        defined = analyze(source).definitions.values() if source else ()
        brought = {each.name for each in defined if not each.conditional}
        found = [each for each in values_made(trace) if each.slot.locator not in brought]
        return found or names_made(trace)

    # --- as lines ------------------------------------------------------------------------------

    def lines(self, name: str = "") -> tuple[RunLine, ...]:
        """The runs of a task, or of a flow with all that it called, or in a flow run, newest first.

        Without a name, all that somebody wanted: not the items and runs that these have started.

        Args:
            name: A task, an item of one, a flow, or `#12` for what ran in that flow run.

        Raises:
            UnknownTaskError: If nothing of that name has run.
            SessionError: If there is no such flow run.
        """
        sizes = dict(self._session.around.store.sizes())
        return tuple(self._line(run, sizes) for run in self._runs_named(name) if run.number)

    def _runs_named(self, name: str) -> Sequence[RunRecord]:
        if name.startswith("#") and name[1:].isdecimal():
            return self._runs_in(int(name[1:]))
        runs = self._all_runs()
        if not name:
            return [run for run in runs if not run.parent]
        numbers = {run.number for run in runs if run.name == name and run.role == Role.FLOW.value}
        if numbers:
            return [run for run in runs if run.number in numbers]
        try:
            return self.runs_of(self.subject(name))
        except UnknownTaskError:
            found = [run for run in runs if run.name == name]
            if not found:
                raise
            return found

    def _runs_in(self, number: int) -> Sequence[RunRecord]:
        """What ran in a flow run."""
        history = self._session.around.store.history
        found = history.runs(self._session.around.notebook, number=number, limit=_MOST_IN_ONE)
        if not number or not found:
            raise SessionError(f"there is no run #{number}; `%flow history` lists the last ones")
        return found

    def _line(self, run: RunRecord, sizes: dict[str, int]) -> RunLine:
        store = self._session.around.store
        transitions = store.history.transitions(run.id)
        last = transitions[-1] if transitions else None
        started = transitions[0].at if transitions else None
        trace = store.trace(run.trace) if run.trace else None
        attempts = max((transition.attempt for transition in transitions), default=1)
        told = run.number, run.name, last.name if last else "", run.origin
        return RunLine(
            *told,
            started,
            seconds_of(trace, transitions) if trace is None or trace.run == run.id else None,
            attempts,
            run.causes,
            transitions,
            kept=self.kept_words(trace, sizes) if run.trace else "",
        )

    def kept_words(self, trace: Trace | None, sizes: dict[str, int]) -> str:
        """Whether the values of a result are stored, and how much of the store they take.

        Small ones lie with their trace, and take nothing.
        """
        if trace is None:
            return "gone"
        made = values_made(trace)
        stored = [each for each in made if self._session.around.store.has(each.unit)]
        if made and not stored:
            return "not stored"
        units = {each.unit for each in stored}
        told = size(sum(sizes.get(unit, 0) for unit in units) or None) or "stored"
        return told if len(stored) == len(made) else f"{told}, not {_others(made, stored)}"


def _others(made: Sequence[Output], stored: Sequence[Output]) -> str:
    return ", ".join(each.slot.locator for each in made if each not in stored)


def seconds_of(trace: Trace | None, transitions: Sequence[Transition]) -> float | None:
    """How long the body of a run took; of one without a result, all its attempts together."""
    return trace.ran if trace is not None else seconds_running(transitions)


def names_made(trace: Trace) -> list[Output]:
    """The outputs of a trace that are values of names."""
    return [each for each in trace.outputs if each.slot.kind == NAME and each.digest != UNBOUND]


def values_made(trace: Trace) -> list[Output]:
    """Those of them that are no definitions, which are made again and not stored."""
    return [each for each in names_made(trace) if each.slot.locator not in trace.definitions]
