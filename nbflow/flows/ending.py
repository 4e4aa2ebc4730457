"""How a graph of tasks ends, by how its tasks have ended (design 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbflow.running.deciding import Worst, first_error, is_bad, is_open, outcome_of
from nbflow.states import Cancelled, Completed, Failed, Running, State

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ended_by_tasks", "outcome_of"]


def ended_by_tasks(states: Mapping[str, State], result: Any) -> State:
    """The final state of a graph flow, by the states of its reference tasks.

    Args:
        states: Name of each reference task to its state.
        result: What the flow run made.

    Example:
        >>> ended_by_tasks({"a": Completed(), "b": Failed("no file")}, None)
        Failed("1 of 2 reference tasks failed: 'b'")
    """
    for maker, word, matches in _WORST_TASKS:
        bad = [name for name, state in states.items() if matches(state)]
        if bad:
            message = f"{len(bad)} of {len(states)} reference tasks {word}: {', '.join(map(repr, bad[:5]))}"
            return maker(message, result, error=first_error(states.values()))
    return Completed("all reference tasks completed", result)


_WORST_TASKS: Final[Worst] = (
    (Running, "are not finished", is_open),
    (Failed, "failed", is_bad),
    (Cancelled, "were cancelled", State.is_cancelled),
)
