"""A run and all that it has started, as its history has it, for the views."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbflow.states import Role
from nbflow.views.cards import RunCard
from nbflow.views.groups import counts_of, is_bad
from nbflow.views.spans import seconds_running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbflow.states import Transition
    from nbflow.store.protocol import History, RunRecord

_FIRST: Final = 500
_MOST: Final = 50_000


def family_of(id: str, history: History) -> RunCard | None:
    """Return a run with the runs that it has started, and theirs; None if the history does not know it.

    Example:
        >>> from nbflow.store.memory import MemoryStore
        >>> from nbflow.store.protocol import RunRecord
        >>> history = MemoryStore().history
        >>> for record in (RunRecord("a", name="etl"), RunRecord("b", name="raw", parent="a")):
        ...     history.begin(record)
        >>> [run.name for run in family_of("a", history).runs]
        ['raw']
    """
    record = history.run(id)
    return _card(record, _families(_since(record, history)), history) if record is not None else None


def descendants_of(id: str, history: History) -> list[RunRecord]:
    """Return a run and all that it has started, and those have, parents before their children."""
    record = history.run(id)
    if record is None:
        return []
    found, families = [record], _families(_since(record, history))
    for each in found:
        found += families.get(each.id, ())
    return found


def _since(record: RunRecord, history: History) -> Sequence[RunRecord]:
    """The runs since a run, newest first: what it has started is among them."""
    limit = _FIRST
    found = history.runs(record.notebook, limit=limit)
    while len(found) == limit < _MOST and all(each.id != record.id for each in found):
        limit *= 10
        found = history.runs(record.notebook, limit=limit)
    return found


def _families(newest_first: Sequence[RunRecord]) -> Mapping[str, Sequence[RunRecord]]:
    """Who has started whom: identifier of each run to those, oldest first."""
    families: dict[str, list[RunRecord]] = {}
    for each in reversed(newest_first):
        if each.parent:
            families.setdefault(each.parent, []).append(each)
    return families


def _card(record: RunRecord, families: Mapping[str, Sequence[RunRecord]], history: History) -> RunCard:
    started = families.get(record.id, ())
    cards = [_card(each, families, history) for each in started]
    own = card_of_path(record.name, history.transitions(record.id))
    index = record.index if record.index >= 0 else None
    runs = _with_groups(started, cards) if record.role == Role.FLOW.value else cards
    return replace(own, index=index, runs=tuple(runs), id=record.id)


def _with_groups(started: Sequence[RunRecord], cards: Sequence[RunCard]) -> Iterator[RunCard]:
    """What a flow has started by `.map()` as groups, one for each map, which has no run of its own."""
    groups: dict[str, list[RunCard]] = {}
    order: list[RunCard | list[RunCard]] = []
    for record, card in zip(started, cards, strict=True):
        if card.index is None:
            order.append(card)
            continue
        if card.index == 0 or record.step not in groups:
            groups[record.step] = []
            order.append(groups[record.step])
        groups[record.step].append(card)
    for each in order:
        yield each if isinstance(each, RunCard) else _group(each)


def _group(items: list[RunCard]) -> RunCard:
    name = items[0].name.removesuffix(f"[{items[0].index}]")
    state, _ = counts_of(item.state for item in items)[0]
    seconds = sum(item.seconds or 0.0 for item in items)
    return RunCard(
        name, state if is_bad(state) else "Mapped", "", items[0].started, seconds, runs=tuple(items)
    )


def card_of_path(name: str, path: Sequence[Transition]) -> RunCard:
    """Return a run by the states that it went through.

    Example:
        >>> card_of_path("clean", ()).state
        'Pending'
    """
    last = path[-1] if path else None
    return RunCard(
        name,
        last.name if last else "Pending",
        last.message if last else "",
        path[0].at if path else None,
        seconds_running(path),
        max((each.attempt for each in path), default=1),
    )
