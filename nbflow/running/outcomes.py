"""What the log says of runs: a line where one failed, crashed or is tried again.

The lines go to the logger `nbflow`, see `nbflow.running.logs`; the setting `log_level` says from which level
on. At `DEBUG` it also tells of what completed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from nbflow.states import Role, State, StateType

if TYPE_CHECKING:
    from nbflow.engine.drive import Entered
    from nbflow.running.runs import Run

_log: Final = logging.getLogger("nbflow")
_BAD: Final = frozenset({StateType.FAILED, StateType.CRASHED})
_TRIED_AGAIN: Final = ("AwaitingRetry", "Retrying")


def is_told(state: State) -> bool:
    """Whether there may be a line of a state."""
    if state.type is StateType.COMPLETED:
        return _log.isEnabledFor(logging.DEBUG)
    return state.type in _BAD or state.name in _TRIED_AGAIN


def tell_outcome(run: Run, entered: Entered) -> None:
    """Log a line of the state that a run has entered, if it is one to be told of."""
    state, old = entered.state, entered.old
    if state.type in _BAD:
        _log.error("%s %s", _name(run), _failed(state))
    elif state.name == "AwaitingRetry" or (state.name == "Retrying" and old is not None and old.is_running()):
        _log.warning("%s is tried again%s", _name(run), _again(state))
    elif state.type is StateType.COMPLETED and _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s is %s%s", _name(run), state.name, _reason(state))


def _name(run: Run) -> str:
    return f"{'Flow' if run.role is Role.FLOW else 'Task'} run {run.name!r}"


def _failed(state: State) -> str:
    """How a run failed.

    Example:
        >>> from nbflow.states import Failed, TriggerFailed
        >>> _failed(Failed("KeyError: 'a'")), _failed(TriggerFailed("'load' is Failed"))
        ("failed: KeyError: 'a'", "did not run: 'load' is Failed")
    """
    verb = {"Crashed": "crashed", "TriggerFailed": "did not run", "TimedOut": "timed out"}
    return f"{verb.get(state.name, 'failed')}{_reason(state)}"


def _again(state: State) -> str:
    """When a run is tried again, and why.

    Example:
        >>> from nbflow.states import AwaitingRetry
        >>> _again(AwaitingRetry("OSError (retry 1 of 2)", delay=10))
        ' in 10 s: OSError (retry 1 of 2)'
    """
    delay = state.details.get("delay")
    if delay is None and state.start_time is not None and state.timestamp is not None:
        delay = max(state.start_time - state.timestamp, 0.0)
    return (f" in {delay:.3g} s" if delay else "") + _reason(state)


def _reason(state: State) -> str:
    """The message of a state as the end of a line."""
    first, *more = state.message.splitlines() or [""]
    return f": {first}{' …' if more else ''}" if first else ""
