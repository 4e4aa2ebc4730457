"""How flows, tasks, runs, futures and states show themselves."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.exceptions import DefinitionError
from nbflow.flows.function import FunctionFlow
from nbflow.flows.graph import Flow, TaskStates
from nbflow.flows.picture import card_of
from nbflow.options import TaskOptions
from nbflow.running.earlier import PastRun, past_runs
from nbflow.running.family import card_of_path, family_of
from nbflow.running.futures import TaskFuture, TaskFutureList
from nbflow.running.records import records_at_hand
from nbflow.running.runs import Run
from nbflow.states import State
from nbflow.tasks import Task
from nbflow.views.cards import RunCard
from nbflow.views.shown import Shown, show_flow, show_flow_run, show_runs
from nbflow.views.values import described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbflow.store.protocol import History

_PLAIN: Final = TaskOptions()
_SAID_ELSEWHERE: Final = ("name", "description")


def show(value: object) -> Shown:
    """Return how a flow, a task, a run, a future of one, or a state shows itself.

    A graph is a picture, in the colours of a run where one is given; all other runs are a tree.

    Raises:
        DefinitionError: If it is none of these.

    Example:
        >>> from nbflow.states import Completed
        >>> show(Completed("all rows read", result=[1, 2]))
        Completed('all rows read')
        list, 2 items
    """
    for kinds, how in _HOW.items():
        if isinstance(value, kinds):
            return how(cast("Any", value))
    raise DefinitionError(f"{value!r} is no flow, task, run, future or state; print() shows it")


def _graph(flow: Flow) -> Shown:
    return replace(show_flow(card_of(flow, flow.name)), text=repr(flow))


def _function(flow: FunctionFlow) -> Shown:
    """A flow without a graph: its last run tells what it calls."""
    records = records_at_hand()
    last = past_runs(records, flow.name, 1) if records is not None else ()
    cards = [card for each in last if (card := family_of(each.id, each.history)) is not None]
    about = flow.description, "its last run:" if cards else "it has not run yet"
    return _headed(repr(flow), show_runs(cards, *about, title=f"{flow.name}{flow.signature}"))


def _task(task: Task) -> Shown:
    options = ", ".join(f"{name}={value!r}" for name, value in _options(task))
    title = repr(task).removeprefix("<Task ").removesuffix(">")
    return _headed(repr(task), show_runs((), task.description, options, title=title))


def _options(task: Task) -> Iterator[tuple[str, Any]]:
    """What was said of a task beside its body, and is not what holds for any."""
    for name in (each.name for each in fields(TaskOptions)):
        value = getattr(task.options, name)
        if name not in _SAID_ELSEWHERE and value != getattr(_PLAIN, name):
            yield name, value


def _state(state: State) -> Shown:
    history = _history()
    run = family_of(state.run, history) if history is not None and state.run else None
    if isinstance(state.result, TaskStates) and state.result.flow is not None:
        return _headed(repr(state), _flow_run(state.result.flow, state, run or _alone("", state)))
    value = described(state.result) if state.is_completed() and state.result is not None else ""
    shown = show_runs([run or _alone("", state)], value)
    if run is not None and run.runs:
        return _headed(repr(state), shown)
    return replace(shown, text="\n".join(filter(None, (repr(state), value))))


def _flow_run(flow: Flow, state: State, run: RunCard) -> Shown:
    known = dict(_by_state(state, run))
    return show_flow_run(card_of(flow, flow.name, state.result, known), run)


def _by_state(state: State, run: RunCard) -> Iterator[tuple[str, RunCard]]:
    """The runs of a flow's tasks, by the identifiers that their states bear."""
    by_id = {each.id: each for each in run.runs}
    for each in cast("Mapping[Task, State]", state.result).values():
        if each.run in by_id:
            yield each.run, by_id[each.run]


def _run(run: Run) -> Shown:
    return _headed(repr(run), show_runs([_card(run)]))


def _past_run(run: PastRun) -> Shown:
    card = family_of(run.id, run.history)
    return _headed(repr(run), show_runs([card] if card is not None else []))


def _future(future: TaskFuture) -> Shown:
    return _headed(repr(future), show_runs([_card(future.run)]))


def _futures(futures: TaskFutureList) -> Shown:
    """Themselves, without what each has started: there may be very many."""
    paths = ((each.run, each.run.history) for each in futures)
    cards = [card_of_path(run.name, history.transitions(run.id) if history else ()) for run, history in paths]
    return _headed(repr(futures), show_runs(cards))


def _card(run: Run) -> RunCard:
    """A run with all that it has started, where its history has that."""
    history = _history()
    found = family_of(run.id, history) if history is not None else None
    return found or _alone(run.name, run.state)


def _alone(name: str, state: State) -> RunCard:
    return RunCard(name, state.name, state.message, state.timestamp)


def _history() -> History | None:
    records = records_at_hand()
    return records.history if records is not None else None


def _headed(line: str, shown: Shown) -> Shown:
    """The text with a line before it that is how Python shows the value."""
    rest = shown.text.splitlines()
    return replace(shown, text="\n".join([line, *rest[rest[:1] == [line] :]]))


_HOW: Final[Mapping[Any, Callable[[Any], Shown]]] = {
    Flow: _graph,
    FunctionFlow: _function,
    Task: _task,
    State: _state,
    Run: _run,
    PastRun: _past_run,
    TaskFuture: _future,
    TaskFutureList: _futures,
}
