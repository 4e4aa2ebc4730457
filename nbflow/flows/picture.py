"""How a graph flow is drawn, with the states of one of its runs or without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbflow.views.cards import Edge, FlowCard, RunCard, TaskCard
from nbflow.views.groups import counts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.flows.structure import Structure
    from nbflow.states import State
    from nbflow.tasks import Task


_NOT_RUN: Final[Mapping[Task, State]] = {}
_UNKNOWN: Final[Mapping[str, RunCard]] = {}


def card_of(
    structure: Structure,
    title: str,
    states: Mapping[Task, State] = _NOT_RUN,
    runs: Mapping[str, RunCard] = _UNKNOWN,
) -> FlowCard:
    """What the views are given of a flow.

    Args:
        structure: Its tasks.
        title: What to call it.
        states: The states of the tasks' runs; what is not there is drawn as not run.
        runs: The runs by their identifiers, as far as the history has them.

    Example:
        >>> from nbflow.flows.structure import Structure
        >>> from nbflow.tasks import Task
        >>> structure = Structure()
        >>> structure.chain(Task("raw"), Task("clean"))
        >>> card_of(structure, "etl").edges
        (Edge(source='raw', target='clean', names=()),)
    """
    slugs = structure.slugs()
    found = {task: (states[task], runs.get(states[task].run)) for task in states}
    tasks = (_task(task, slugs[task], structure, *found.get(task, (None, None))) for task in structure.tasks)
    return FlowCard(tuple(tasks), tuple(_edges(structure, slugs)), title)


def _task(task: Task, slug: str, structure: Structure, state: State | None, run: RunCard | None) -> TaskCard:
    inputs = structure.inputs[task]
    return TaskCard(
        slug,
        None,
        state.name if state is not None else "",
        seconds=run.seconds if run is not None else None,
        attempt=run.attempts if run is not None else 1,
        notes=_items(bool(inputs.mapped), state),
        items=counts_of(item.name for item in state.map_states) if state is not None else (),
        error=_error(state),
        description=task.options.description,
        tags=task.options.tags,
        reads=tuple(inputs.template),
    )


def _items(is_mapped: bool, state: State | None) -> tuple[str, ...]:
    """What is said of a mapped task: how many items it had, if it ran."""
    if not is_mapped:
        return ()
    return (f"{len(state.map_states)} items",) if state is not None and state.map_states else ("mapped",)


def _error(state: State | None) -> str:
    return state.message if state is not None and (state.is_failed() or state.is_crashed()) else ""


def _edges(structure: Structure, slugs: Mapping[Task, str]) -> Iterator[Edge]:
    """One edge between two tasks, with the arguments that it fills."""
    for task, inputs in structure.inputs.items():
        names: dict[Any, list[str]] = {}
        for edge in inputs.edges:
            names.setdefault(edge.upstream_task, []).extend([edge.key] if edge.key is not None else [])
        for upstream, keys in names.items():
            yield Edge(slugs[upstream], slugs[task], tuple(keys))
