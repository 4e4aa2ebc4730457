"""What a body or a trigger raises to say how its own run shall go on.

Signals are `BaseException`s, so that an `except Exception` in user code or in a library cannot
swallow them. `raise SKIP("no new rows")` ends the run as Skipped; a signal that is returned
instead of raised is an ordinary value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nbflow import states

if TYPE_CHECKING:
    from nbflow.states import NamedState, State


class Signal(BaseException):
    """A state that a body asks for by raising it.

    Args:
        message: Why, for people; it becomes the state's message.
        result: The state's result; None where it is not given.
        **details: Further details of the state, such as `start_time`.

    Example:
        >>> SUCCESS("near enough", result=7).state.value()
        7
    """

    asks_for: ClassVar[NamedState] = states.Failed

    def __init__(self, message: str | None = None, *, result: Any = None, **details: Any) -> None:
        super().__init__(message or "")
        self.result = result
        self.state: State = type(self).asks_for(message, result, **details)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.state)


class FAIL(Signal):
    """End as Failed; a retry is due as after an exception."""


class TRIGGERFAIL(FAIL):
    """End as TriggerFailed."""

    asks_for = states.TriggerFailed


class VALIDATIONFAIL(FAIL):
    """End as ValidationFailed."""

    asks_for = states.ValidationFailed


class SUCCESS(Signal):
    """End as Completed with `result`, from however deep within other functions."""

    asks_for = states.Completed


class SKIP(Signal):
    """End as Skipped; tasks below are skipped, too, unless they say otherwise."""

    asks_for = states.Skipped


class RETRY(Signal):
    """Try again at `start_time` (seconds or a datetime), or at once, whatever `retries` says.

    A run may ask for it 100 times (`nbflow.retries.RETRY_LIMIT`); then it fails.
    """

    asks_for = states.AwaitingRetry


class PAUSE(Signal):
    """Wait for a person; `%flow resume` runs the task again."""

    asks_for = states.Paused


class LOOP(Signal):
    """Run the task again; `context.task_loop_result` is this signal's `result` then."""

    asks_for = states.Looping


class ENDRUN(Signal):
    """End in exactly this state, without a retry.

    Args:
        state: A state that a running task may enter.
    """

    def __init__(self, state: State) -> None:
        super().__init__(state.message, result=state.result)
        self.state = state


def _restored(kind: type[Signal], state: State) -> Signal:
    """Make a signal that crossed a process border; its state says everything."""
    # The constructors differ (ENDRUN takes a state), so none of them is called.
    signal = kind.__new__(kind, state.message)
    BaseException.__init__(signal, state.message)
    signal.result = state.result
    signal.state = state
    return signal
