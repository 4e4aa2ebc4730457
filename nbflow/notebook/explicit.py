"""Explicit flows as their live views need them: a graph with its tasks, or a function with what it calls.

What a page asks is answered by the history and from what this process remembers, while a flow runs as well;
only values that nobody holds any more are read from the store, between two cells.
"""

from __future__ import annotations

import inspect
import threading
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import SessionError
from nbflow.flows.gallery import show
from nbflow.flows.graph import Flow
from nbflow.flows.picture import card_of
from nbflow.notebook.contents import Contents
from nbflow.notebook.pausing import FlowPausing
from nbflow.notebook.recall import Recall, saved_by
from nbflow.running.family import card_of_path
from nbflow.running.runs import Run
from nbflow.running.steering import STEERING
from nbflow.states import TERMINAL, Role, StateType, state_of
from nbflow.views import FlowCard, HistoryCard, Shown, TaskCard, show_flow
from nbflow.views.answers import details_answer, history_answer, page_answer
from nbflow.views.cards import DetailsCard
from nbflow.views.feed import STEP, Event, Ran, event_of
from nbflow.views.groups import counts_of, is_bad
from nbflow.views.markup import placed
from nbflow.views.words import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbflow.engine.drive import Entered
    from nbflow.flows.function import FunctionFlow
    from nbflow.notebook.session import Session
    from nbflow.states import Transition
    from nbflow.store.protocol import RunRecord
    from nbflow.tasks import Task


_PAGE: Final = 60
_OF_ONE: Final = 8
_MOST_RUNS: Final = 50_000
_MOST_LAST: Final = 2_000
_ENDS: Final = frozenset({*TERMINAL, StateType.PAUSED})


def subject_of(session: Session, flow: Flow | FunctionFlow) -> ExplicitFlow:
    """Return a flow as its live view needs it.

    Raises:
        DefinitionError: If a flow that is built has tasks that wait for each other.
    """
    return GraphFlow(session, flow) if isinstance(flow, Flow) else CallingFlow(session, flow)


class ExplicitFlow:
    """A flow between its live view and its runs.

    Args:
        session: The session of the notebook.
        flow: The flow; one of its name that takes its place is shown as soon as it runs.
    """

    does: Sequence[str] = ()
    tab = "graph"

    def __init__(self, session: Session, flow: Any) -> None:
        self._session = session
        self._recall, self._contents = Recall(session), Contents(session)
        self._history = session.around.store.history
        self._flow = flow
        self._run: str = ""
        self._is_here = True
        self._paths: dict[str, list[Transition]] = {}
        self._is_seen = False

    @property
    def mark(self) -> tuple[str, ...]:
        """Its name: what is shown is found again by that, as its history is."""
        return ("flow", self._flow.name)

    # --- what the page shows -------------------------------------------------------------------

    def card(self) -> FlowCard:
        """The flow in the colours of its last run."""
        self._look_back()
        tasks = self._tasks()
        return replace(tasks, notices=tuple(self._notices()), now=self._session.around.clock())

    def _tasks(self) -> FlowCard:
        raise NotImplementedError

    def still(self, card: FlowCard, key: str) -> Shown:
        """Its static view, under the mark by which a page finds it."""
        raise NotImplementedError

    def _notices(self) -> Iterator[str]:
        """How the last run went."""
        path = self._paths.get(self._run, [])
        record = self._history.run(self._run) if path else None
        if record is not None:
            took, last = duration(path[-1].at - path[0].at), path[-1]
            said = f": {last.message}" if is_bad(last.name) and last.message else ""
            yield f"run {record.number} {last.name.lower()} · {took}{said}"

    def _box_of(self, run: Run, top: Run) -> str:
        """The name of the box that stands for a run; empty where none does."""
        raise NotImplementedError

    def last_events(self) -> list[Event]:
        """What its last run went through, where that was not watched."""
        self._look_back()
        events = [event for record in self._records() for event in self._events(record)]
        return sorted(events, key=lambda event: event.at)

    def begins(self, entered: Entered) -> FlowCard | None:
        """The flow as a new run finds it: nothing has run."""
        run = entered.spec.body
        if entered.state.type is not StateType.PENDING or not isinstance(run, Run):
            return None
        if run.id == self._run or self._top_of(run) is not run:
            return None
        self._flow, self._run, self._paths, self._is_seen = run.of, run.id, {}, True
        return self._tasks()

    def sees(self, entered: Entered) -> bool:
        """Whether it is entered in the thread that runs cells."""
        return threading.current_thread() is threading.main_thread()

    def event(self, entered: Entered, seen: bool) -> Event | None:
        """What the page is told of a state of one of its runs."""
        spec, run = entered.spec, entered.spec.body
        top = self._top_of(run) if isinstance(run, Run) else None
        if top is None:
            return None
        box = self._box_of(run, top)
        if run is top:
            self._is_here = seen
        if run is top or run.parent is top:
            self._paths.setdefault(run.id, []).append(entered.transition)
        of = Ran(spec.name, spec.flow_run, spec.id, spec.parent, spec.role.value, spec.index)
        return event_of(_in_box(of, box), entered.transition, saved_by([entered.transition]))

    def joins(self, entered: Entered, card: FlowCard) -> None:
        """All tasks of a graph have their places; those that a function calls are told within its box."""

    def ends(self, entered: Entered) -> bool:
        """Whether a run of the flow is over, or waits for a person."""
        run = entered.spec.body
        return entered.state.type in _ENDS and self._top_of(run) is run

    def _top_of(self, run: Run | None) -> Run | None:
        """The outermost run of this flow that a run belongs to."""
        found = None
        while run is not None:
            if type(run.of) is type(self._flow) and run.of.name == self._flow.name:
                found = run
            run = run.parent
        return found

    # --- what was before -----------------------------------------------------------------------

    def _look_back(self) -> None:
        """Know the last run of the flow from the history, if none was seen."""
        if self._is_seen:
            return
        last = next(self._flow_runs(1), None)
        self._run = last.id if last is not None else ""
        records = [each for each in self._records() if each.id == self._run or each.parent == self._run]
        self._paths = {each.id: list(self._history.transitions(each.id)) for each in records}

    def _flow_runs(self, most: int) -> Iterator[RunRecord]:
        found = self._history.runs(self._session.around.notebook, f"{self._flow.name}()", _MOST_LAST)
        runs = (run for run in found if run.role == Role.FLOW.value and not run.parent)
        return (run for run, _ in zip(runs, range(most), strict=False))

    def _records(self) -> list[RunRecord]:
        """The runs of the last flow run, oldest first; none where there are too many to ask for each."""
        last = self._history.run(self._run) if self._run else None
        if last is None:
            return []
        found = self._history.runs(last.notebook, limit=_MOST_LAST, number=last.number)
        return list(reversed(found)) if len(found) < _MOST_LAST else []

    def _events(self, record: RunRecord) -> Iterator[Event]:
        box = self._recorded_box(record)
        index = record.index if record.index >= 0 else None
        of = Ran(record.name, record.number, record.id, record.parent, record.role, index)
        of = _in_box(of, box)
        path = self._history.transitions(record.id)
        return (event_of(of, entry, saved_by([entry])) for entry in path)

    def _recorded_box(self, record: RunRecord) -> str:
        raise NotImplementedError

    # --- what the page asks --------------------------------------------------------------------

    def knows_now(self, asked: Mapping[str, Any]) -> bool:
        """Whether the store is not needed for an answer."""
        if asked.get("ask") != "value":
            return True
        run = self._asked_run(asked)
        return run is None or self._contents.is_at_hand(run, asked.get("side", ""), asked.get("name", ""))

    def answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer a question.

        Raises:
            SessionError: If there is no such task or run, or its value cannot be had.
        """
        what, name = asked.get("ask"), str(asked.get("task", ""))
        if what == "family":
            return self._recall.answer(asked)
        if what == "items":
            return {"events": list(self._members_of(name))}
        if what == "history":
            return self._past(name, int(asked.get("start", 0)))
        if what == "details":
            number, run = int(asked.get("number") or 0), str(asked.get("run") or "")
            return details_answer(self._details(name, number, run))
        run, side, named = self._asked_run(asked), str(asked.get("side", "")), str(asked.get("name", ""))
        if run is None:
            raise SessionError(f"there is no such run of {name} any more")
        return page_answer(self._contents.page(run, side, named, int(asked.get("start", 0))))

    def answer_in_part(self, asked: Mapping[str, Any]) -> None:
        """Nothing: what has to wait is a value."""

    def _asked_run(self, asked: Mapping[str, Any]) -> RunRecord | None:
        """The run whose value is asked for: by default the newest of a box."""
        id, number = str(asked.get("run") or ""), int(asked.get("number") or 0)
        if id:
            return self._history.run(id)
        runs = self._runs_of(str(asked.get("task", "")))
        return next((run for run in runs if number in (0, run.number)), None)

    def _members_of(self, name: str) -> Iterator[list[Any]]:
        """What the runs within a box went through."""
        return iter(())

    def _past(self, name: str, start: int) -> Mapping[str, Any]:
        """Runs of the flow, or of one of its tasks, newest first."""
        end = start + _PAGE + 1
        records = list(self._runs_of(name) if name else self._flow_runs(end))[start:end]
        lines = tuple(self._recall.line(run, is_idle=False) for run in records[:_PAGE])
        history = HistoryCard(lines, now=self._session.around.clock())
        return history_answer(history, is_more=len(records) > _PAGE)

    def _runs_of(self, name: str) -> Iterator[RunRecord]:
        """The runs of what has a box, newest first."""
        raise NotImplementedError

    def _details(self, name: str, number: int, id: str) -> DetailsCard:
        found = self._history.run(id) if id else None
        runs = [found] if found else list(self._runs_of(name))
        chosen = [run for run in runs if run.number == number] if number else runs[:_OF_ONE]
        if (id and found is None) or (number and not chosen):
            raise SessionError(f"{name} has no such run any more")
        lines = tuple(self._recall.line(run, is_idle=False) for run in chosen)
        title, source = (found.name, "") if found else (name, self._source_of(name))
        past = HistoryCard(lines, now=self._session.around.clock())
        if not chosen:
            return DetailsCard(title, source=source, runs=past)
        (inputs, outputs), said = self._contents.values(chosen[0]), self._contents.said(chosen[0])
        lost = self._contents.lost(chosen[0])
        return DetailsCard(title, None, inputs, outputs, source, past, **said._asdict(), lost=lost)

    def _source_of(self, name: str) -> str:
        """The code behind a box, as it is now."""
        raise NotImplementedError

    # --- what its buttons do -------------------------------------------------------------------

    def pausing(self, tell: Callable[[str], object]) -> FlowPausing:
        """What holds back the runs of this flow."""
        return FlowPausing(tell, lambda: self._run, lambda run: self._top_of(run) is not None)

    def stop(self) -> None:
        """Stop the flow run: in the thread of the cells as the front end does, in another one by itself."""
        if self._is_here:
            self._session.around.link.stop()
        else:
            STEERING.stop(self._run, "stopped in its view")

    def act(self, asked: Mapping[str, Any]) -> str:
        """Do what a button stands for.

        Raises:
            SessionError: If it stands for nothing that can be done with this flow.
        """
        raise SessionError(f"{asked.get('do')} is nothing that can be done with this flow")


class GraphFlow(ExplicitFlow):
    """A graph: each task has a box."""

    does = ("resume",)
    _slugs: Mapping[Task, str] = MappingProxyType({})

    def _tasks(self) -> FlowCard:
        self._slugs = self._flow.slugs()
        known = {task: self._paths[run] for task, run in self._latest().items() if self._paths.get(run)}
        states = {task: state_of(path[-1]) for task, path in known.items()}
        runs = {path[-1].run: card_of_path(task.name, path) for task, path in known.items()}
        return card_of(self._flow, self._flow.name, states, runs)

    def _latest(self) -> Mapping[Task, str]:
        """The tasks and their runs in the last flow run, also of an earlier kernel."""
        if self._run and set(self._flow.latest.values()) & self._paths.keys():
            return self._flow.latest
        tasks = {f"{slug}()": task for task, slug in self._flow.slugs().items()}
        records = (each for each in self._records() if self._is_of_task(each) and each.step in tasks)
        return {tasks[each.step]: each.id for each in records}

    def _task(self, slug: str) -> Task:
        """The task of a box."""
        found = next((task for task, each in self._flow.slugs().items() if each == slug), None)
        if found is None:
            raise SessionError(f"flow {self._flow.name!r} has no task {slug!r} any more")
        return found

    def _is_of_task(self, record: RunRecord) -> bool:
        return record.parent == self._run and record.index < 0

    def still(self, card: FlowCard, key: str) -> Shown:
        """The picture, in the colours of the last run."""
        return replace(show_flow(card, key), text=repr(self._flow)) if card.tasks else show(self._flow)

    def _box_of(self, run: Run, top: Run) -> str:
        return self._slugs.get(run.of, "") if run.parent is top and run.index is None else ""

    def _recorded_box(self, record: RunRecord) -> str:
        return next((self._slugs[task] for task, run in self._latest().items() if run == record.id), "")

    def _members_of(self, name: str) -> Iterator[list[Any]]:
        run = self._latest().get(self._task(name))
        for record in self._records():
            if run in (record.id, record.parent):
                yield from (event.values(record.parent) for event in self._events(record))

    def _runs_of(self, name: str) -> Iterator[RunRecord]:
        """Those of the task in runs of this flow."""
        own = {run.id for run in self._flow_runs(_MOST_LAST)}
        found = self._history.runs(self._session.around.notebook, f"{name}()", _MOST_LAST)
        return (run for run in found if run.index < 0 and run.parent in own)

    def _source_of(self, name: str) -> str:
        return _source(self._task(name).fn)

    def act(self, asked: Mapping[str, Any]) -> str:
        """Let a task run that waits for a person."""
        if asked.get("do") not in self.does:
            return super().act(asked)
        state = self._flow.resume(self._task(str(asked.get("task", ""))))
        return f"{self._flow.name}: {state.name.lower()}"


class CallingFlow(ExplicitFlow):
    """A function: its box holds the runs that it has started."""

    tab = "timeline"

    def _tasks(self) -> FlowCard:
        path = self._paths.get(self._run, [])
        run = card_of_path(self._flow.name, path)
        others = [each[-1].name for id, each in self._paths.items() if id != self._run and each]
        options = self._flow.options
        card = TaskCard(
            self._flow.name,
            None,
            run.state if path else "",
            seconds=run.seconds,
            attempt=run.attempts,
            error=run.message if is_bad(run.state) else "",
            items=counts_of(others),
            description=self._flow.description,
            tags=options.tags,
        )
        return FlowCard((card,), (), self._flow.name)

    def still(self, card: FlowCard, key: str) -> Shown:
        """Its last run, with all that it has started."""
        shown = show(self._flow)
        return replace(shown, html=placed(shown.html, key))

    def _box_of(self, run: Run, top: Run) -> str:
        return self._flow.name if run is top else ""

    def _recorded_box(self, record: RunRecord) -> str:
        return self._flow.name if record.id == self._run else ""

    def _members_of(self, name: str) -> Iterator[list[Any]]:
        for record in self._records():
            yield from (event.values(record.parent) for event in self._events(record))

    def _runs_of(self, name: str) -> Iterator[RunRecord]:
        return self._flow_runs(_MOST_LAST)

    def _source_of(self, name: str) -> str:
        return _source(self._flow.fn)


def _in_box(of: Ran, box: str) -> Ran:
    """A run as the page knows it: what has a box is called as that is, and belongs to nothing else."""
    return replace(of, task=box, parent="", role=STEP, index=None) if box else of


def _source(fn: object) -> str:
    try:
        return inspect.getsource(fn)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""
