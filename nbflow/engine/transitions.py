"""Which state may follow which: one table, checked where states are appended.

Terminal is terminal: nothing follows, and a re-run is a new run. A state that bears a name of the
user's own follows the rules of its type.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbflow.exceptions import IllegalTransitionError
from nbflow.states import TERMINAL, TYPES, State, StateType

if TYPE_CHECKING:
    from collections.abc import Mapping

INITIAL: Final = frozenset({"Scheduled", "Pending"})
"""The states a run may begin with."""

_STOPPED: Final = frozenset({"Cancelling", "Cancelled"})
_FAILURES: Final = frozenset({"Failed", "TimedOut", "TriggerFailed", "ValidationFailed"})
_ENDS: Final = _FAILURES | {"Completed", "Mapped", "Skipped", "Crashed"}

# A body that executes may end in any way but Cached, which says that no body did.
_FROM_RUNNING: Final = _ENDS | _STOPPED | {"Retrying", "Looping", "AwaitingRetry", "Paused"}

# While a run is pending, its trigger may decide anything that a signal can say, and a resumed run
# goes on with the attempt or the iteration that it had reached.
_FROM_PENDING: Final = _FROM_RUNNING | {"Running", "Cached"}

# A kernel that dies leaves scheduled and paused runs untouched, so that none of them may crash.
_FROM_SCHEDULED: Final = frozenset({"Pending", "Paused", "Scheduled", "Late"}) | _STOPPED

LEGAL: Final[Mapping[str, frozenset[str]]] = {
    "Scheduled": _FROM_SCHEDULED,
    "Late": _FROM_SCHEDULED - {"Late"},
    # The limit on retries may be reached while one is awaited; the run then fails.
    "AwaitingRetry": (_FROM_SCHEDULED - {"Scheduled"}) | {"Retrying", "Failed"},
    "Resuming": frozenset({"Pending", "Paused"}) | _STOPPED,
    "Pending": _FROM_PENDING,
    "Running": _FROM_RUNNING,
    "Retrying": _FROM_RUNNING,
    "Looping": _FROM_RUNNING,
    "Paused": frozenset({"Resuming"}) | _STOPPED,
    "Cancelling": frozenset({"Cancelled", "Crashed"}),
    **{name: frozenset[str]() for name, kind in TYPES.items() if kind in TERMINAL},
}
"""The name of each state, and the names of those that may follow it."""

_PLAIN_NAME: Final[Mapping[StateType, str]] = {
    kind: next(name for name, named in TYPES.items() if named is kind) for kind in StateType
}


def is_legal(old: State | None, new: State) -> bool:
    """Whether `new` may follow `old`; None stands for a run that has no state yet.

    Example:
        >>> from nbflow.states import Completed, Pending, Running
        >>> is_legal(Pending(), Running()), is_legal(Completed(), Running()), is_legal(None, Running())
        (True, False, False)
    """
    before = None if old is None else (old.name, old.type)
    return _may_follow(before, (new.name, new.type))


def check(old: State | None, new: State, run: str = "") -> None:
    """Do nothing where `new` may follow `old`.

    Args:
        old: The state before, or None for the first.
        new: The state that shall be appended.
        run: The run's identifier, for the message.

    Raises:
        IllegalTransitionError: If it may not.

    Example:
        >>> from nbflow.states import Completed, Pending
        >>> check(Pending(), Completed())
    """
    before = None if old is None else (old.name, old.type)
    if not _may_follow(before, (new.name, new.type)):
        raise IllegalTransitionError.between(run, old.name if old else None, new.name)


@lru_cache(maxsize=1_000)
def _may_follow(old: tuple[str, StateType] | None, new: tuple[str, StateType]) -> bool:
    return _known_name(*new) in (INITIAL if old is None else LEGAL[_known_name(*old)])


def _known_name(name: str, kind: StateType) -> str:
    return name if TYPES.get(name) is kind else _PLAIN_NAME[kind]


_TAKEN_UP: Final = frozenset({StateType.PAUSED, StateType.FAILED, StateType.CRASHED})


def may_be_taken_up(state: State) -> bool:
    """Whether the work of a run in this state may be taken up again, so that its inputs are kept.

    Example:
        >>> from nbflow.states import Completed, Failed, TriggerFailed
        >>> may_be_taken_up(Failed()), may_be_taken_up(TriggerFailed()), may_be_taken_up(Completed())
        (True, False, False)
    """
    if state.type in _TAKEN_UP:
        return state.name != "TriggerFailed"
    return state.name == "AwaitingRetry"
