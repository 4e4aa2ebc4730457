"""How a mapped run ends, by how its items have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow import states
from nbflow.states import State

if TYPE_CHECKING:
    from collections.abc import Callable


def summed_up(found: tuple[State, ...]) -> State:
    """Mapped if all items completed, else the worst of them; a failed item is never hidden.

    Example:
        >>> summed_up((states.Completed(), states.Failed("no file")))
        Failed('1 of 2 items are Failed: [1]')
    """
    results = [state.value(raise_on_failure=False) if state.is_final() else None for state in found]
    for maker, matches in _WORST_FIRST:
        bad = [f"[{index}]" for index, state in enumerate(found) if matches(state)]
        if bad:
            which = ", ".join(bad[:5]) + (" …" if len(bad) > 5 else "")
            message = f"{len(bad)} of {len(found)} items are {maker.name}: {which}"
            return maker(message, results, map_states=found)
    return states.Mapped(f"{len(found)} items", results, map_states=found)


_WORST_FIRST: Final[tuple[tuple[states.NamedState, Callable[[State], bool]], ...]] = (
    (states.Failed, State.is_failed),
    (states.Crashed, State.is_crashed),
    (states.Cancelled, State.is_cancelled),
    (states.Paused, lambda state: not state.is_final()),
)
