"""How a mapped run ends, by how its items have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.states import Cancelled, Crashed, Failed, Mapped, NamedState, Paused, State

if TYPE_CHECKING:
    from collections.abc import Callable


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
