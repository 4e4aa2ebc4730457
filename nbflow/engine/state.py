"""Prefect 1's names for the states; `nbflow.states` has them under their own.

They make states and tell them apart, as classes would: `Failed("no file")`, `isinstance(state, Finished)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow import states
from nbflow.states import (
    AwaitingRetry,
    Cached,
    Cancelled,
    Cancelling,
    Completed,
    Failed,
    Looping,
    Mapped,
    NamedState,
    Paused,
    Resuming,
    Running,
    Skipped,
    State,
    TimedOut,
    TriggerFailed,
    ValidationFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class _Family(NamedState):
    """The maker of states of one name that also stands for others, as a parent class does.

    Args:
        name: One of `nbflow.states.TYPES`.
        covers: Whether it stands for a state.
    """

    __slots__ = ("_covers",)

    def __init__(self, name: str, covers: Callable[[State], bool]) -> None:
        super().__init__(name)
        self._covers = covers

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, State) and self._covers(instance)


def _waits(state: State) -> bool:
    return state.is_scheduled() or state.is_paused()


Pending: Final = _Family("Pending", lambda state: state.is_pending() or _waits(state))
"""Not running yet; also all that is Scheduled."""
Scheduled: Final = _Family("Scheduled", _waits)
"""Waits for a time or a person."""
Finished: Final = _Family("Completed", State.is_final)
"""Ended in any way."""
Success: Final = Completed
"""Ended with a value."""
Resume: Final = Resuming
"""Resumed by a person."""
Retrying: Final = AwaitingRetry
"""Failed, and waits for the next attempt."""
Looped: Final = Looping
"""Executes again after LOOP."""
Submitted: Final = states.Pending
"""Handed over to be run."""
Queued: Final = states.Scheduled
"""Waits for a place to run in."""

__all__ = [
    "Cached",
    "Cancelled",
    "Cancelling",
    "Failed",
    "Finished",
    "Looped",
    "Mapped",
    "Paused",
    "Pending",
    "Queued",
    "Resume",
    "Retrying",
    "Running",
    "Scheduled",
    "Skipped",
    "State",
    "Submitted",
    "Success",
    "TimedOut",
    "TriggerFailed",
    "ValidationFailed",
]
