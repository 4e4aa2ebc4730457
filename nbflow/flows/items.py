"""The items of a mapped task of a graph: one run for each, judged by what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.ongoing import Later, go_on_here, when_all
from nbflow.exceptions import DefinitionError
from nbflow.running.calls import begin, run_of
from nbflow.running.inputs import Annotation, Inputs, flatten, unmapped
from nbflow.running.mapping import check_items, check_lengths, split
from nbflow.running.parked import Parked, parked
from nbflow.running.performer import Performer
from nbflow.running.steering import STEERING
from nbflow.states import Role, State
from nbflow.triggers import Edge, Gate, Trigger, judge, manual_only

if TYPE_CHECKING:
    from concurrent.futures import Future

    from nbflow.engine.effects import Await, Spawn
    from nbflow.engine.ongoing import Ongoing
    from nbflow.options import TaskOptions
    from nbflow.running.futures import TaskFuture
    from nbflow.running.runs import Run
    from nbflow.running.scope import Lane

_Upstream = Mapping[Edge, State]
_NONE: Final[_Upstream] = {}


@dataclass(frozen=True, slots=True)
class BeforeItems:
    """The trigger of a mapped task as a whole: what it is mapped over has to be there.

    Everything else is the matter of each item, which is judged by the task's own trigger.

    Args:
        options: Those of the task.
        keys: The arguments that it is mapped over.
    """

    options: TaskOptions
    keys: frozenset[str | None]

    @property
    def __name__(self) -> str:
        """The name of the task's own trigger, for messages."""
        own: Trigger = self.options.trigger
        return str(getattr(own, "name", None) or getattr(own, "__name__", own))

    def __call__(self, upstream: _Upstream) -> Gate:
        """Run where there is something to map over; else what the task's own trigger says."""
        lists = {edge: state for edge, state in upstream.items() if self._is_list(edge)}
        is_there = all(state.is_completed() and not state.is_skipped() for state in lists.values())
        if is_there and self.options.trigger is not manual_only:
            return Gate.RUN
        skips = self.options.skip_on_upstream_skip
        return judge(self.options.trigger, lists, skip_on_upstream_skip=skips).gate

    def _is_list(self, edge: Edge) -> bool:
        return edge.key is not None and edge.key in self.keys and edge.map_index is None


class ItemsPerformer(Performer):
    """Performs the run of a mapped task.

    Args:
        kept: The states that its items have already, by position; of a run that goes on.
        source: Gives the state of each upstream task's run.
        given: As for every run.
    """

    def __init__(self, kept: Sequence[State], source: Callable[[Any], State], *given: Any) -> None:
        super().__init__(*given, source=source)
        self._kept = kept
        self._known: _Upstream = _NONE
        self._items: list[TaskFuture | State] = []

    def states_of(self, sources: Mapping[Edge, Any]) -> dict[Edge, State]:
        """How the upstream runs have ended."""
        known = super().states_of(sources)
        self._known = known
        return known

    def spawn(self, effect: Spawn) -> Any:
        """Run the items, and answer when all have ended or wait for a person."""
        table = _Table(self._run.name, effect.inputs, self._known, self._inputs.mapped)
        rows = table.rows()
        for place, row in enumerate(rows):
            self._items.append(self._item(effect, place, row, table.states(place)))
        waited = when_all(item.ended for item in self._items if not isinstance(item, State))
        return self._states() if waited.done() else Later(waited, lambda _: self._states())

    def stop(self, reason: str) -> Sequence[Future[Any]]:
        """Stop the items."""
        left = super().stop(reason)
        items = [item for item in self._items if not isinstance(item, State)]
        for item in items:
            item.cancel(reason)
        return [*left, *(item.ended for item in items if not item.done())]

    def _states(self) -> list[State]:
        return [item if isinstance(item, State) else item.state for item in self._items]

    def _item(self, effect: Spawn, place: int, row: dict[str, Any], states: _Upstream) -> TaskFuture | State:
        kept = self._kept[place] if place < len(self._kept) else None
        if kept is not None and kept.is_final():
            return kept
        run = self._run_of(place)
        goes_on = parked(self._scope.records, run.id) if kept is not None and kept.is_paused() else None
        future, ongoing = begin(
            self._run.of,
            Inputs(self._run.of.collected(row)),
            self._scope,
            self._lane,
            run=run,
            performer=partial(_ItemPerformer, states),
            upstream=tuple(states),
            started_by_name=effect.spec.started_by_name or effect.spec.resumed is not None,
            **(goes_on or Parked.NEW).how(),
        )
        self._scope.note_open(future)
        start(ongoing, self._lane)
        # Nothing else of a run that has ended is kept: there may be very many.
        return future.state if future.done() else future

    def _run_of(self, place: int) -> Run:
        """A run of an item, which is found again by the identifier of the whole and its place."""
        run = run_of(self._run.of, self._scope, Role.ITEM, place)
        run.id, run.parent, run.slug = f"{self._run.id}.{place}", self._run, self._run.slug
        return run


class _ItemPerformer(Performer):
    """Performs the run of an item, whose upstream has ended before.

    Args:
        states: How that ended.
        given: As for every run.
    """

    def __init__(self, states: _Upstream, *given: Any) -> None:
        super().__init__(*given)
        self._ends = states

    def await_upstream(self, effect: Await) -> Any:
        """Answer at once, unless somebody holds the run back."""
        if not self.is_held():
            return self._ends
        return Later(STEERING.once_let_in(self._run), lambda _: self._ends)


def start(ongoing: Ongoing, lane: Lane) -> None:
    """Start a run; in threads never within another one, whose turn it would be part of."""
    if lane.runner.promises.concurrent:
        go_on_here(ongoing.start)
    else:
        ongoing.start()


class _Table:
    """The arguments of the items, a row for each, with the states beside them.

    Args:
        name: What people call the task.
        arguments: Its arguments as a whole.
        upstream: How the tasks before it have ended.
        mapped: The arguments that have one value for each item; None: also order without data.
    """

    def __init__(
        self, name: str, arguments: Mapping[str, Any], upstream: _Upstream, mapped: frozenset[str | None]
    ) -> None:
        self._name = name
        self._upstream = upstream
        self._mapped = mapped
        self._beside: dict[Edge, Sequence[State]] = {
            edge: state.map_states
            for edge, state in upstream.items()
            if edge.key is None and None in mapped and "map_states" in state.details
        }
        self._arguments = {key: self._column(key, value) for key, value in arguments.items()}

    def rows(self) -> list[dict[str, Any]]:
        """The arguments of each item.

        Raises:
            DefinitionError: If there are none, or not the same number of all.
        """
        beside = {str(_name(edge)): len(states) for edge, states in self._beside.items()}
        if beside and not any(key in self._mapped for key in self._arguments):
            check_lengths(beside, self._name)
            constants = {key: value.unwrap() for key, value in self._arguments.items()}
            return [dict(constants) for _ in range(next(iter(beside.values())))]
        rows = split(self._arguments, self._name)
        check_lengths({"its list": len(rows), **beside}, self._name)
        return rows

    def states(self, place: int) -> _Upstream:
        """How the tasks before one item have ended."""
        if not self._beside:
            return self._upstream
        return {
            edge: self._beside[edge][place] if edge in self._beside else state
            for edge, state in self._upstream.items()
        }

    def _column(self, key: str, value: Any) -> Any:
        if key not in self._mapped:
            return value if isinstance(value, unmapped) else unmapped(value)
        whole = value.value if isinstance(value, Annotation) else value
        source = self._source(key, whole)
        if isinstance(value, flatten):
            check_items(key, whole, self._name)
            value = self._flat(key, whole, source)
        elif source is not None:
            self._beside[source] = self._upstream[source].map_states
        check_items(key, value, self._name)
        return value

    def _source(self, key: str, value: Any) -> Edge | None:
        """The edge whose items these values are; None where they do not come from a mapped task."""
        for edge, state in self._upstream.items():
            if edge.key == key and state.result is value and "map_states" in state.details:
                return edge
        return None

    def _flat(self, key: str, parts: Iterable[Any], source: Edge | None) -> list[Any]:
        """The elements of the elements; what failed stands for itself, beside its state."""
        states = self._upstream[source].map_states if source is not None else None
        values: list[Any] = []
        beside: list[State] = []
        for place, part in enumerate(parts):
            made = states is None or (states[place].is_completed() and not states[place].is_skipped())
            found = self._elements(key, part) if made else [part]
            values += found
            if states is not None:
                beside += [states[place]] * len(found)
        if source is not None:
            self._beside[source] = beside
        return values

    def _elements(self, key: str, part: Any) -> list[Any]:
        if not isinstance(part, Iterable):
            kind = type(part).__name__
            raise DefinitionError(f"{self._name} cannot flatten {key}: one of its elements is of type {kind}")
        return list(cast("Iterable[Any]", part))


def _name(edge: Edge) -> object:
    return getattr(edge.upstream_task, "name", edge.upstream_task)
