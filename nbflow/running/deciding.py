"""How a run ends whose body returns states or futures: they decide (design 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.signals import ENDRUN, FAIL, SUCCESS, Signal
from nbflow.running.futures import TaskFuture
from nbflow.states import Cancelled, Completed, Failed, NamedState, Paused, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.running.runs import Run

Worst = tuple[tuple[NamedState, str, Callable[[State], bool]], ...]
"""What the worst state makes of the whole, and how it is told; the first that matches counts."""


def is_bad(state: State) -> bool:
    """Whether a run failed or crashed."""
    return state.is_failed() or state.is_crashed()


def is_open(state: State) -> bool:
    """Whether a run has not ended."""
    return not state.is_final()


def first_error(states: Iterable[State]) -> BaseException | None:
    """The exception of the first run that failed or crashed."""
    return next((state.exception() for state in states if is_bad(state)), None)


def has_states(value: object) -> bool:
    """Whether a value is a state or a future, or a collection that begins with one.

    Example:
        >>> has_states(Completed()), has_states([Completed(), 7]), has_states([7])
        (True, True, False)
    """
    if isinstance(value, (list, tuple, set)):
        value = next(iter(cast("Iterable[object]", value)), None)
    return isinstance(value, (State, TaskFuture))


def ended_by_value(value: Any) -> State:
    """The final state of a run, by what its body returned.

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
            return maker(f"{bad} of {len(states)} states {word}", result, error=first_error(states))
    return Completed("all states completed", result)


_WORST_VALUES: Final[Worst] = (
    (Failed, "failed", is_bad),
    (Cancelled, "were cancelled", State.is_cancelled),
    (Paused, "are paused", State.is_paused),
    (Failed, "are not final", is_open),
)


def _not_final(state: State) -> State:
    return Failed(f"the body returned {state!r}; return a final state, or a value")


def _states_in(value: Any) -> list[State]:
    """The states that a value consists of; none where something else is in it."""
    if not has_states(value):
        return []
    members: list[Any] = [value] if isinstance(value, TaskFuture) else list(value)
    found = [each.state if isinstance(each, TaskFuture) else each for each in members]
    return found if all(isinstance(each, State) for each in found) else []


def value_of_task(value: Any) -> Any:
    """Return what the body of a task returned; raise what makes its run end as the states in it say.

    Raises:
        Signal: One that the engine obeys.
    """
    state = ended_by_value(value)
    if state.is_completed():
        return value
    raise _asking_for(state)


def outcome_of(state: State, run: Run) -> Any:
    """Return what a completed flow made; raise what makes its run end in any other state.

    Args:
        state: The state that it shall end in; where it completes although runs of it failed, it will say so.
        run: Its run.

    Raises:
        Signal: One that the engine obeys.
    """
    if not state.is_completed():
        raise _asking_for(state)
    state = state.noted(_told(run))
    if state.message or state.name != "Completed":
        raise _asking_for(state)
    return state.result


def _told(run: Run) -> str:
    if not run.failures:
        return ""
    names = ", ".join(map(repr, run.failed)) + (", …" if run.failures > len(run.failed) else "")
    return f"{run.failures} of its runs failed: {names}"


def _asking_for(state: State) -> Signal:
    """A signal that asks for exactly this state; a failed one may be tried again."""
    if not state.is_failed() and state.name != "Completed":
        return ENDRUN(state)
    signal = FAIL() if state.is_failed() else SUCCESS()
    signal.state, signal.result = state, state.result
    return signal
