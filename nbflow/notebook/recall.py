"""What a live view is told from the history: runs, what they have started, and how they went."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import SessionError
from nbflow.running.family import descendants_of, family_of
from nbflow.states import TERMINAL, state_of
from nbflow.views.answers import family_answer, history_answer
from nbflow.views.cards import HistoryCard, RunLine
from nbflow.views.feed import STEP, Ran, event_of
from nbflow.views.groups import counts_of, group_words
from nbflow.views.spans import seconds_running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session
    from nbflow.states import Transition
    from nbflow.store.protocol import RunRecord
    from nbflow.types import Trace
    from nbflow.views.feed import Event

FROM_HISTORY: Final = ("history", "family", "items")
"""The questions that the history answers alone, also while a cell runs."""

_PAGE: Final = 60
_MOST_RUNS: Final = 10_000
_MOST_LAST: Final = 500
_FINAL: Final = frozenset(kind.value for kind in TERMINAL)


class Recall:
    """Reads the history of a session for its live view.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def answer(self, asked: Mapping[str, Any], *, is_idle: bool = True) -> Mapping[str, Any]:
        """Answer one of the questions that the history answers.

        Args:
            asked: The page's message.
            is_idle: Whether no cell runs: then results may be read from the store.

        Raises:
            SessionError: If there is no such task or run.
        """
        if asked["ask"] == "family":
            return self._family(str(asked.get("run", "")))
        if asked["ask"] == "items":
            return {"events": list(self._items(self.step(str(asked.get("task", "")))))}
        return self._history(asked, is_idle=is_idle)

    def step(self, name: str) -> Step:
        """The step of that name.

        Raises:
            SessionError: If there is none.
        """
        steps = tuple(self._session.book.steps.values())
        found = next((step for step in reversed(steps) if step.name == name), None)
        if found is None:
            raise SessionError(f"there is no task {name!r} any more")
        return found

    # --- events --------------------------------------------------------------------------------

    def last_events(self) -> list[Event]:
        """What the newest runs of one kernel went through, oldest first, from before anybody watched."""
        around = self._session.around
        runs = around.store.history.runs(around.notebook, None, _MOST_LAST)
        known = {run.id for run in runs}
        # Of a group that is not known as a whole nothing is told: it would look as if it had come loose.
        whole = [
            run for run in runs if run.owner == runs[0].owner and (not run.parent or run.parent in known)
        ]
        events = [event for run in whole for event in self._events(run)]
        return sorted(events, key=lambda event: event.at)

    def _items(self, step: Step) -> Iterator[list[Any]]:
        """What the items of a mapped step went through, as the page is told it of those that run."""
        runs = descendants_of(self._session.report.grouping_run(step), self._session.around.store.history)
        for run in runs:
            for event in self._events(run):
                yield event.values(run.parent)

    def _events(self, run: RunRecord) -> Iterator[Event]:
        states = self._session.around.store.history.transitions(run.id)
        if not states or states[-1].type not in _FINAL:
            return
        trace = self.made(run) if states[-1].name == "Cached" else None
        role = STEP if run.step in self._session.book.steps else run.role
        of = Ran(run.name, run.number, run.id, run.parent, role, run.index if run.index >= 0 else None)
        for state in states:
            is_end = state.type in _FINAL
            yield event_of(of, state, trace.seconds if trace is not None and is_end else None)

    # --- runs ----------------------------------------------------------------------------------

    def _history(self, asked: Mapping[str, Any], *, is_idle: bool) -> Mapping[str, Any]:
        name, start = str(asked.get("task", "")), int(asked.get("start", 0))
        lines = list(self.lines(self.step(name) if name else None, start + _PAGE + 1, start, is_idle=is_idle))
        shown = HistoryCard(tuple(lines[:_PAGE]), now=self._session.around.clock())
        return history_answer(shown, is_more=len(lines) > _PAGE)

    def _family(self, run: str) -> Mapping[str, Any]:
        found = family_of(run, self._session.around.store.history)
        if found is None:
            raise SessionError("there is no such run any more")
        return family_answer(found, self._session.around.clock())

    def lines(
        self, step: Step | None, end: int, start: int = 0, *, is_idle: bool = True
    ) -> Iterator[RunLine]:
        """Runs of a step, or of the whole flow, newest first, as lines of the history."""
        for run in self.runs(step, end)[start:]:
            yield self.line(run, is_idle=is_idle)

    def runs(self, step: Step | None, most: int = _MOST_RUNS) -> list[RunRecord]:
        """Runs of the flow, newest first; plain cells, and what other runs have started, are left out."""
        around, limit = self._session.around, most + 1_000
        while True:
            found = around.store.history.runs(around.notebook, step.id if step else None, limit)
            runs = [run for run in found if run.number and not run.parent][:most]
            if len(runs) == most or len(found) < limit or limit > _MOST_RUNS:
                return runs
            limit *= 10

    def newest(self, most: int) -> Iterator[tuple[str, RunLine]]:
        """The newest runs of the steps that ran last, each with its step; at most so many of each."""
        seen = Counter[str]()
        for run in self.runs(None, _MOST_LAST):
            seen[run.step] += 1
            if seen[run.step] <= most:
                yield run.step, self.line(run, is_idle=False)

    def line(self, run: RunRecord, *, is_idle: bool = True) -> RunLine:
        """A run as a line of the history."""
        states = self._session.around.store.history.transitions(run.id)
        trace = self.made(run) if is_idle else None
        is_own = trace is not None and trace.run == run.id
        is_reuse = trace is not None and not is_own
        return RunLine(
            run.number,
            run.name,
            states[-1].name if states else "",
            run.origin,
            states[0].at if states else None,
            trace.ran if trace is not None and is_own else seconds_running(states),
            max((state.attempt for state in states), default=1),
            run.causes,
            states,
            trace.seconds if trace is not None and is_reuse else saved_by(states[-1:]),
            id=run.id,
            group=self._group(run, states),
        )

    def _group(self, run: RunRecord, states: tuple[Transition, ...]) -> str:
        """What a run has started, in words; what is no item of a map is only counted when it is asked for."""
        items = state_of(states[-1]).map_states if states else ()
        if items:
            return group_words(counts_of(item.name for item in items))
        return "its runs" if run.role == "flow" else ""

    def made(self, run: RunRecord) -> Trace | None:
        """The result that a run ended with."""
        return self._session.around.store.trace(run.trace) if run.trace else None


def saved_by(path: Sequence[Transition]) -> float | None:
    """How many seconds the run took whose result was reused, where the states of a run tell that."""
    return next((state_of(entry).details.get("saved") for entry in path if entry.name == "Cached"), None)
