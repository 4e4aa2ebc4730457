"""How a graph flow is drawn, with the states of one of its runs or without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.views.cards import Edge, FlowCard, TaskCard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.flows.structure import Structure
    from nbflow.states import State
    from nbflow.tasks import Task


def card_of(structure: Structure, title: str, states: Mapping[Task, State] | None = None) -> FlowCard:
    """What the views are given of a flow.

    Args:
        structure: Its tasks.
        title: What to call it.
        states: The states of the tasks' runs; what is not there is drawn as not run.

    Example:
        >>> from nbflow.flows.structure import Structure
        >>> from nbflow.tasks import Task
        >>> structure = Structure()
        >>> structure.chain(Task("raw"), Task("clean"))
        >>> card_of(structure, "etl").edges
        (Edge(source='raw', target='clean', names=()),)
    """
    slugs = structure.slugs()
    tasks = (_task(task, slugs[task], structure, (states or {}).get(task)) for task in structure.tasks)
    return FlowCard(tuple(tasks), tuple(_edges(structure, slugs)), title)


def _task(task: Task, slug: str, structure: Structure, state: State | None) -> TaskCard:
    inputs = structure.inputs[task]
    return TaskCard(
        slug,
        None,
        state.name if state is not None else "",
        notes=_items(bool(inputs.mapped), state),
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
