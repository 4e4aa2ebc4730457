"""How far a flow run had come when it paused: what it goes on from, also in another kernel.

All of it stands in the details of the flow run's last state: the states of the tasks, by their slugs, and
under which digests the store has the results that are still needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbflow.exceptions import CacheError
from nbflow.running.caching import STORE_LOCK
from nbflow.running.parked import Parked, parked
from nbflow.secrets import looks_secret
from nbflow.states import State, StateType
from nbflow.store.digests import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.flows.structure import Structure
    from nbflow.running.records import Records
    from nbflow.store.protocol import Store
    from nbflow.tasks import Task

DETAIL: Final = "reached"
PARAMETERS: Final = "parameters"


class Reached(NamedTuple):
    """How far one task, or one item, had come.

    Args:
        type: The type of its run's state.
        name: The name of that state.
        message: Its message.
        version: Under which digest the store has its result; empty: it has not, or nobody needs it.
        run: The run, where it waits for a person.
    """

    type: str
    name: str
    message: str = ""
    version: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the tasks of a flow had come.

    Args:
        known: Tasks that have ended, and how.
        parked: Tasks that wait for a person, and where.
        items: Mapped tasks that wait, and the states of their items.
        parameters: Those of the flow run.
    """

    known: dict[Task, State] = field(default_factory=dict["Task", State])
    parked: dict[Task, Parked] = field(default_factory=dict["Task", Parked])
    items: dict[Task, tuple[State, ...]] = field(default_factory=dict["Task", tuple[State, ...]])
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


def write_down(
    structure: Structure, states: Mapping[Task, State], runs: Mapping[Task, str], records: Records
) -> dict[str, list[str]]:
    """What the last state of a flow run keeps of the states of its tasks.

    Args:
        structure: The tasks.
        states: The states of their runs.
        runs: The identifiers of the runs.
        records: Where the results go that are still needed.
    """
    slugs = structure.slugs()
    readers = (task for task, state in states.items() if not state.is_final())
    needed = {each for task in readers for each in _before(structure, task)}
    reached: dict[str, list[str]] = {}
    for task, state in states.items():
        if state.is_pending():
            continue
        run = runs.get(task, "") if state.is_paused() else ""
        store = records.store if (task in needed or run) and not looks_secret(task.name) else None
        items = state.map_states if store is not None else ()
        reached[slugs[task]] = _written(state, None if items else store, run)
        reached |= {_item(slugs[task], place): _written(item, store) for place, item in enumerate(items)}
    return reached


def _item(slug: str, place: int) -> str:
    return f"{slug}[{place}]"


def _before(structure: Structure, task: Task) -> Iterable[Task]:
    return (edge.upstream_task for edge in structure.inputs[task].edges if edge.key is not None)


def _written(state: State, store: Store | None, run: str = "") -> list[str]:
    version = keep(state.result, store) if state.is_completed() else ""
    return list(Reached(state.type.value, state.name, state.message, version, run))


def without_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters whose values may be stored.

    Example:
        >>> without_secrets({"year": 2013, "api_key": "x"})
        {'year': 2013}
    """
    return {name: value for name, value in parameters.items() if not looks_secret(name)}


def keep(value: object, store: Store | None) -> str:
    """Put a value into a store, and return under which digest; empty where it cannot be kept."""
    if store is None:
        return ""
    try:
        version = digest(value)
    except CacheError:
        return ""
    with STORE_LOCK:
        return "" if store.put(version, (value,)) else version


def read_back(
    structure: Structure, details: Mapping[str, Any], records: Records, at_hand: Progress
) -> Progress:
    """How far the tasks had come, by what `write_down` has made.

    A task whose result is needed and cannot be had any more counts as not run.

    Args:
        structure: The tasks.
        details: Those of the flow run's last state.
        records: Where runs and results are kept.
        at_hand: What this process remembers of it.
    """
    reached = {slug: Reached(*row) for slug, row in details.get(DETAIL, {}).items()}
    parameters = at_hand.parameters or _loaded(details.get(PARAMETERS, ""), records.store, {})
    progress = Progress(parameters=parameters)
    lost: set[Task] = set()
    for task, slug in structure.slugs().items():
        if slug not in reached:
            continue
        state = at_hand.known.get(task) or _state(slug, reached, records.store)
        if reached[slug].type == StateType.PAUSED.value:
            progress.parked[task] = parked(records, reached[slug].run) or Parked.NEW
            progress.items[task] = tuple(state.map_states)
        else:
            progress.known[task] = state
            lost |= {task} if _is_lost(state) else set()
    _forget(structure, progress.known, lost)
    return progress


_LOST: Final = object()
"""The result of a run that has completed, where the store does not have it."""


def _state(slug: str, reached: Mapping[str, Reached], store: Store | None) -> State:
    had = reached[slug]
    state = State(StateType(had.type), had.name, had.message)
    if _item(slug, 0) in reached:
        items = tuple(_state(_item(slug, place), reached, store) for place in _places(slug, reached))
        results = [item.value(raise_on_failure=False) if item.is_final() else None for item in items]
        return state.with_result(results).with_details(map_states=items)
    return state.with_result(_loaded(had.version, store, _LOST)) if state.is_completed() else state


def _places(slug: str, reached: Mapping[str, Reached]) -> Iterable[int]:
    return takewhile(lambda place: _item(slug, place) in reached, count())


def _is_lost(state: State) -> bool:
    return state.result is _LOST or any(item.result is _LOST for item in state.map_states)


def _loaded(version: str, store: Store | None, otherwise: Any) -> Any:
    if not version or store is None:
        return otherwise
    try:
        return store.load(version)[0]
    except CacheError:
        return otherwise


def _forget(structure: Structure, known: dict[Task, State], lost: set[Task]) -> None:
    """Let run again what has a reader and no result; that makes readers of what it needs itself."""
    readers = [task for task in structure.inputs if task not in known]
    while readers:
        needed = list(_before(structure, readers.pop()))
        readers += [each for each in needed if each in lost and known.pop(each, None) is not None]
    for task in lost & known.keys():
        known[task] = known[task].with_result(None)
