"""What a mapped run comes to by its items: how it ends, and what it has looked at and made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.engine.keeping import name_in
from nbflow.engine.slots import is_kept_in_memory
from nbflow.states import Cancelled, Crashed, Failed, Mapped, NamedState, Paused, State
from nbflow.types import FILE, Entry, Looked, Output, Slot, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbflow.engine.each import Done, Plan

PLACE: Final = Slot("context", "map_index")
"""The position of an item, which its body may ask for; for all of them together it follows from the list."""


def ended_by_items(found: tuple[State, ...]) -> State:
    """Mapped if all items completed, else the worst of them; a failed item is never hidden.

    Args:
        found: The states of the items, by position.

    Example:
        >>> from nbflow.states import Completed
        >>> ended_by_items((Completed(result=1), Failed("no file")))
        Failed('1 of 2 items are Failed: [1]')
    """
    results = [state.value(raise_on_failure=False) if state.is_final() else None for state in found]
    for maker, matches in _WORST_FIRST:
        bad = [f"[{index}]" for index, state in enumerate(found) if matches(state)]
        if bad:
            which = ", ".join(bad[:5]) + (" …" if len(bad) > 5 else "")
            message = f"{len(bad)} of {len(found)} items are {maker.name}: {which}"
            return maker(message, results, map_states=found)
    return Mapped(f"{len(found)} items", results, map_states=found)


_WORST_FIRST: Final[tuple[tuple[NamedState, Callable[[State], bool]], ...]] = (
    (Failed, State.is_failed),
    (Crashed, State.is_crashed),
    (Cancelled, State.is_cancelled),
    (Paused, lambda state: not state.is_final()),
)


def joined_by_items(trace: Trace, done: Sequence[Done], plan: Plan) -> Trace:
    """The trace of a mapped step, with what its items have looked at and written outside.

    Args:
        trace: What was seen of the step as a whole.
        done: Its items, by position; earlier results among them.
        plan: What they have in common.
    """
    traces = [each.trace for each in done if each.trace is not None]
    written = {output.slot: output for each in traces for output in each.outputs if output.slot.kind == FILE}
    looked = {entry.looked: entry for entry in trace.entries}
    unknowns = dict.fromkeys(trace.unknowns)
    unknowns |= dict.fromkeys(
        f"[{at}] was skipped" for at, each in enumerate(done) if each.state.is_skipped()
    )
    for each in traces:
        unknowns |= dict.fromkeys((*each.unknowns, *_disagreements(each, looked, written, plan.ignored)))
    # A result may only be so old, and it is as old as its oldest item.
    started = (each.started for each in traces) if plan.step.keeping.at_most is not None else ()
    return msgspec.structs.replace(
        trace,
        entries=tuple(looked.values()),
        outputs=(*trace.outputs, *written.values()),
        unknowns=tuple(unknowns),
        flags=trace.flags.union(*(each.flags for each in traces)),
        started=min((trace.started, *started)),
        seconds=sum(each.seconds for each in traces),
        reused=sum(each.trace.seconds for each in done if each.trace is not None and each.state.is_cached()),
    )


def _disagreements(
    item: Trace, looked: dict[Looked, Entry], written: Mapping[Slot, Output], ignored: frozenset[str]
) -> Iterator[str]:
    """Add what an item has looked at outside; yield in what it saw something else than the others."""
    for entry in item.entries:
        slot = entry.looked.slot
        if slot in written:
            yield f"reads {slot.locator}, which it writes itself"
            continue
        if not is_kept_in_memory(slot) and slot != PLACE:
            looked.setdefault(entry.looked, entry)
        elif name_in(slot) not in ignored:
            continue
        if looked.get(entry.looked, entry).digest != entry.digest:
            yield f"{slot.locator} changed between two items"
