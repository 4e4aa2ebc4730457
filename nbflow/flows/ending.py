"""How a flow ends, by how its tasks have ended (design 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.signals import ENDRUN, FAIL, SUCCESS, Signal
from nbflow.running.futures import TaskFuture
from nbflow.states import Cancelled, Completed, Failed, NamedState, Paused, Running, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.running.runs import Run


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
            return maker(message, result, error=_first_error(states.values()))
    return Completed("all reference tasks completed", result)


def _is_bad(state: State) -> bool:
    return state.is_failed() or state.is_crashed()


def _first_error(states: Iterable[State]) -> BaseException | None:
    return next((state.exception() for state in states if _is_bad(state)), None)


def _is_open(state: State) -> bool:
    return not state.is_final()


_Worst = tuple[tuple[NamedState, str, Callable[[State], bool]], ...]
_WORST_TASKS: Final[_Worst] = (
    (Running, "are not finished", _is_open),
    (Failed, "failed", _is_bad),
    (Cancelled, "were cancelled", State.is_cancelled),
)


def ended_by_value(value: Any) -> State:
    """The final state of a function under `@flow`, by what it returned.

    States and futures decide: a failed one beats a cancelled one, that beats a paused one.

    Example:
        >>> ended_by_value([Completed(), Failed("no")]), ended_by_value(7).value()
        (Failed('1 of 2 states failed'), 7)
    """
    if isinstance(value, State):
        return value if value.is_final() or value.is_paused() else _not_final(value)
    states = _states_in(value)
    if not states:
        return Completed("", value)
    result = states[0] if isinstance(value, TaskFuture) else states
    for maker, word, matches in _WORST_VALUES:
        bad = sum(map(matches, states))
        if bad:
            return maker(f"{bad} of {len(states)} states {word}", result, error=_first_error(states))
    return Completed("all states completed", result)


_WORST_VALUES: Final[_Worst] = (
    (Failed, "failed", _is_bad),
    (Cancelled, "were cancelled", State.is_cancelled),
    (Paused, "are paused", State.is_paused),
    (Failed, "are not final", _is_open),
)


def _not_final(state: State) -> State:
    return Failed(f"the flow returned {state!r}; return a final state, or a value")


def _states_in(value: Any) -> list[State]:
    """The states that a value consists of; none where something else is in it."""
    members: list[Any] = [value] if isinstance(value, TaskFuture) else []
    if isinstance(value, (list, tuple, set)):
        members = list(cast("Iterable[Any]", value))
    found = [each.state if isinstance(each, TaskFuture) else each for each in members]
    return found if all(isinstance(each, State) for each in found) else []


def outcome_of(state: State, run: Run) -> Any:
    """Return what a completed flow made; raise what makes its run end in any other state.

    Args:
        state: The state that it shall end in; where it completes although runs of it failed, it will say so.
        run: Its run.

    Raises:
        Signal: One that the engine obeys.
    """
    if state.is_completed():
        state = state.noted(_told(run))
        if state.message or state.name != "Completed":
            raise _asking(SUCCESS(), state) if state.name == "Completed" else ENDRUN(state)
        return state.result
    raise _asking(FAIL(), state) if state.is_failed() else ENDRUN(state)


def _told(run: Run) -> str:
    if not run.failures:
        return ""
    names = ", ".join(map(repr, run.failed)) + (", …" if run.failures > len(run.failed) else "")
    return f"{run.failures} of its runs failed: {names}"


def _asking(signal: Signal, state: State) -> Signal:
    """A signal that asks for exactly this state; a failed one may be tried again."""
    signal.state, signal.result = state, state.result
    return signal
