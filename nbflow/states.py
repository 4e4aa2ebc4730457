"""The states of runs, as values.

Only runs have states; a task is a template. A state is a pair of a *type*, on which every rule rests, and a
*name*, which says it in more detail, with a message, a time, a result and details. Which may follow which is
a matter of `nbflow.engine.transitions`, and the time is filled in where a state is appended to a history.

Well-known details: `start_time` (seconds since the epoch; all states of type SCHEDULED and
Paused), `delay` (seconds from the timestamp to the start), `cached_inputs` (name to version),
`map_states` (the items of a mapped run), `loop_count`, `enforced` (how firmly a limit was
enforced), `version` (of the result in the store), `not_stored` (why it is not there), `error` (of a member).
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from msgspec.structs import replace

from nbflow.exceptions import NotFinishedError, OptionError, TaskFailedError
from nbflow.showing import ShowsItself

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class StateType(Enum):
    """The types of states; every rule of the engine tests the type."""

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    CRASHED = "CRASHED"

    __hash__ = object.__hash__  # an enumeration's own is computed from the name each time


TERMINAL: Final = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED})
"""The types from which nothing follows: a re-run is a new run."""

TYPES: Final[Mapping[str, StateType]] = {
    "Scheduled": StateType.SCHEDULED,
    "Late": StateType.SCHEDULED,
    "AwaitingRetry": StateType.SCHEDULED,
    "Resuming": StateType.SCHEDULED,
    "Pending": StateType.PENDING,
    "Running": StateType.RUNNING,
    "Retrying": StateType.RUNNING,
    "Looping": StateType.RUNNING,
    "Paused": StateType.PAUSED,
    "Cancelling": StateType.CANCELLING,
    "Completed": StateType.COMPLETED,
    "Cached": StateType.COMPLETED,
    "Skipped": StateType.COMPLETED,
    "Mapped": StateType.COMPLETED,
    "Failed": StateType.FAILED,
    "TimedOut": StateType.FAILED,
    "TriggerFailed": StateType.FAILED,
    "ValidationFailed": StateType.FAILED,
    "Cancelled": StateType.CANCELLED,
    "Crashed": StateType.CRASHED,
}
"""The name of each state and its type."""

ALIASES: Final[Mapping[str, str]] = {"Success": "Completed", "Finished": "Completed", "Resume": "Resuming"}
"""Prefect 1's names for the same states."""

_NOTHING: Final[Mapping[str, Any]] = {}


class Role(Enum):
    """What a run is a run of."""

    FLOW = "flow"
    TASK = "task"
    ITEM = "item"
    CHILD = "child"


class Origin(Enum):
    """Who started a run."""

    CELL = "cell"
    CATCH_UP = "catch-up"
    AUTO = "auto"
    NAMED = "named"
    HEADLESS = "headless"
    AUDIT = "audit"


class State(msgspec.Struct, ShowsItself, frozen=True, eq=False, weakref=True):
    """One state of one run.

    Two states are equal if type, name, message, result and details are; the time does not
    count, so that a state from a history equals one made by hand.

    Args:
        type: What the rules go by.
        name: What people read; one of `TYPES`, or a name of the user's own.
        message: Why, for people.
        timestamp: When it was entered, seconds since the epoch; None until it is.
        result: The value of a completed run, the exception of a failed one.
        details: What else belongs to it, see the module's text.
        run: Identifier of the run that entered it; empty until one has. It does not count for equality.

    Example:
        >>> state = Completed("all rows read", result=7)
        >>> state.is_final(), state.is_failed(), state.value()
        (True, False, 7)
        >>> state
        Completed('all rows read')
    """

    type: StateType
    name: str
    message: str = ""
    timestamp: float | None = None
    result: Any = None
    details: Mapping[str, Any] = {}
    run: str = ""

    def is_final(self) -> bool:
        """Whether nothing follows this state."""
        return self.type in TERMINAL

    def is_finished(self) -> bool:
        """Prefect 1's name of `is_final`."""
        return self.type in TERMINAL

    def is_completed(self) -> bool:
        """Whether the run completed: also Cached, Skipped and Mapped."""
        return self.type is StateType.COMPLETED

    def is_successful(self) -> bool:
        """Prefect 1's name of `is_completed`."""
        return self.type is StateType.COMPLETED

    def is_failed(self) -> bool:
        """Whether the run failed: also TimedOut, TriggerFailed and ValidationFailed; not Crashed."""
        return self.type is StateType.FAILED

    def is_crashed(self) -> bool:
        """Whether the worker or the kernel of the run died."""
        return self.type is StateType.CRASHED

    def is_cancelled(self) -> bool:
        """Whether a person stopped the run."""
        return self.type is StateType.CANCELLED

    def is_cancelling(self) -> bool:
        """Whether the run was asked to stop and has not stopped yet."""
        return self.type is StateType.CANCELLING

    def is_running(self) -> bool:
        """Whether the body executes: also Retrying and Looping."""
        return self.type is StateType.RUNNING

    def is_pending(self) -> bool:
        """Whether the run waits for its preconditions."""
        return self.type is StateType.PENDING

    def is_scheduled(self) -> bool:
        """Whether the run waits for a time: also Late, AwaitingRetry and Resuming."""
        return self.type is StateType.SCHEDULED

    def is_paused(self) -> bool:
        """Whether the run waits for a person."""
        return self.type is StateType.PAUSED

    def is_skipped(self) -> bool:
        """Whether the run completed by doing nothing on purpose."""
        return self.name == "Skipped"

    def is_cached(self) -> bool:
        """Whether the run completed by reusing a result."""
        return self.name == "Cached"

    def is_mapped(self) -> bool:
        """Whether the run is the parent of mapped runs that all completed."""
        return self.name == "Mapped"

    def is_retrying(self) -> bool:
        """Whether the body executes for the second time or more."""
        return self.name == "Retrying"

    @property
    def start_time(self) -> float | None:
        """When a scheduled run begins, seconds since the epoch; None where that is open."""
        return self.details.get("start_time")

    @property
    def cached_inputs(self) -> Mapping[str, Any]:
        """Name to version of the inputs that a retry or a resumed run starts from."""
        return self.details.get("cached_inputs", _NOTHING)

    @property
    def map_states(self) -> Sequence[State]:
        """The states of the items of a mapped run, by position; empty for any other."""
        return self.details.get("map_states", ())

    def value(self, raise_on_failure: bool = True) -> Any:
        """Return what the run made, or raise what ended it.

        Args:
            raise_on_failure: Whether an exception is raised instead of returned.

        Raises:
            NotFinishedError: If the run has not ended.
            TaskFailedError: If it ended without value and without an exception of its own.

        Example:
            >>> Failed("no such file", result=FileNotFoundError("a.csv")).value(raise_on_failure=False)
            FileNotFoundError('a.csv')
        """
        __tracebackhide__ = True
        if self.type is StateType.COMPLETED:
            return self.result
        if not self.is_final():
            raise NotFinishedError(f"the run is {self.name}; wait for it, or `%flow resume` it", state=self)
        if raise_on_failure:
            raise self.exception()
        return self.exception()

    def exception(self) -> BaseException:
        """Return the exception of a run that did not complete; make one where it has none."""
        for own in (self.result, self.details.get("error")):
            if isinstance(own, BaseException):
                return own
        text = f"the run ended {self.name}: {self.message or 'no reason was given'}; see `%flow why`"
        return TaskFailedError(text, state=self)

    def stamped(self, timestamp: float, run: str = "") -> State:
        """Return the same state as entered by `run` at `timestamp`; a `delay` becomes a `start_time`."""
        details = self.details
        if details and "delay" in details:
            details = {**details, "start_time": timestamp + details["delay"]}
        return State(self.type, self.name, self.message, timestamp, self.result, details, run or self.run)

    def with_details(self, **details: Any) -> State:
        """Return the same state with more details."""
        return replace(self, details={**self.details, **details})

    def with_result(self, result: Any) -> State:
        """Return the same state with another result."""
        return replace(self, result=result)

    def noted(self, note: str) -> State:
        """Return the same state with `note` added to its message; an empty one adds nothing."""
        return replace(self, message=f"{self.message}; {note}" if self.message else note) if note else self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        mine, theirs = (self.type, self.name, self.message), (other.type, other.name, other.message)
        return mine == theirs and _same(self.result, other.result) and _same(self.details, other.details)

    def __hash__(self) -> int:
        return hash((self.type, self.name, self.message))

    def __repr__(self) -> str:
        text = repr(self.message) if self.message else ""
        kind = "" if TYPES.get(self.name) is self.type else f"type={self.type.name}"
        return f"{self.name}({', '.join(part for part in (text, kind) if part)})"


class Transition(msgspec.Struct, frozen=True, gc=False):
    """One entry of a run's history, as it is stored.

    Args:
        run: Identifier of the run.
        attempt: Which attempt of the iteration, counted from 1.
        loop: Which iteration of LOOP, counted from 1.
        at: When the state was entered, seconds since the epoch.
        type: The state's type, such as `COMPLETED`.
        name: The state's name.
        message: The state's message.
        details: The details that can be written down, as JSON; `enforced` and `not_stored` as they are.
        seq: Position in its history, given by whoever stores it; 0 before.

    Example:
        >>> kept = transition_of(AwaitingRetry("KeyError", start_time=60.0), "clean#3", 1, 1, 50.0)
        >>> kept.type, kept.details["start_time"]
        ('SCHEDULED', '60.0')
        >>> state_of(kept).start_time
        60.0
    """

    run: str
    attempt: int
    loop: int
    at: float
    type: str
    name: str
    message: str = ""
    details: Mapping[str, str] = {}
    seq: int = 0


def transition_of(state: State, run: str, attempt: int, loop: int, at: float) -> Transition:
    """Write a state down as an entry of the history of `run`, entered `at` that time."""
    details = _written(state.details) if state.details else _NOTHING
    return Transition(run, attempt, loop, at, state.type._value_, state.name, state.message, details)


def state_of(transition: Transition) -> State:
    """Read a state back from a history; its result is not there."""
    details = {key: _read(key, text) for key, text in transition.details.items()}
    kind, name, at = StateType(transition.type), transition.name, transition.at
    return State(kind, name, transition.message, at, None, details, transition.run)


_OWN_TEXT: Final = frozenset({"enforced", "not_stored"})


def _written(details: Mapping[str, Any]) -> dict[str, str]:
    """Keep the details that are plain data; values and exceptions belong to the store."""
    written: dict[str, str] = {}
    for key, value in details.items():
        if key in _OWN_TEXT:
            written[key] = str(value)
            continue
        plain = [(item.type.value, item.name) for item in value] if key == "map_states" else value
        try:
            written[key] = json.dumps(plain)
        except (TypeError, ValueError):
            continue
    return written


def _read(key: str, text: str) -> Any:
    if key in _OWN_TEXT:
        return text
    try:
        plain = json.loads(text)
    except ValueError:
        return text
    if key == "map_states":
        return tuple(State(StateType(kind), name) for kind, name in plain)
    return plain


def _same(one: object, other: object) -> bool:
    """Compare values of users, whose `==` may return anything or raise."""
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # noqa: BLE001  # an array has no truth value: such results are not equal
        return False


def seconds_since_epoch(when: float | datetime) -> float:
    """Return a time given as seconds or as a `datetime` (local time where it names no zone).

    Raises:
        OptionError: If it is neither.

    Example:
        >>> from datetime import timezone
        >>> seconds_since_epoch(datetime(1970, 1, 2, tzinfo=timezone.utc))
        86400.0
    """
    if isinstance(when, datetime):
        return when.timestamp()
    if isinstance(cast("object", when), (int, float)):
        return float(when)
    raise OptionError(f"{when!r} is no time; give a datetime, or seconds since the epoch")


class NamedState:
    """The maker of the states of one name; called, it returns a `State`.

    Prefect 3's spellings `name=` (a name of the user's own), `data=` (the result) and
    `scheduled_time=` (the start) are understood. `isinstance(state, Failed)` works as in
    Prefect 1: a maker that bears its type's name, such as `Failed`, covers the whole type.

    Args:
        name: One of `TYPES`.

    Example:
        >>> Scheduled(start_time=60).start_time
        60.0
        >>> isinstance(TimedOut("limit of 2 s"), Failed), isinstance(Failed(), TimedOut)
        (True, False)
    """

    __slots__ = ("covers_type", "name", "type")

    def __init__(self, name: str) -> None:
        self.name = name
        self.type = TYPES[name]
        self.covers_type = name.upper() == self.type.value

    def __call__(
        self,
        message: str | None = None,
        result: Any = None,
        *,
        timestamp: float | None = None,
        **details: Any,
    ) -> State:
        """Make one state.

        Args:
            message: Why, for people.
            result: The value or the exception of the run.
            timestamp: When it was entered, seconds since the epoch; None: not yet.
            **details: What else belongs to it; `start_time` may be a `datetime`.
        """
        if not details:
            return State(self.type, self.name, message or "", timestamp, result)
        result = details.pop("data", result)
        name = details.pop("name", None) or self.name
        start = details.pop("scheduled_time", None) or details.pop("start_time", None)
        if start is not None:
            details["start_time"] = seconds_since_epoch(start)
        return State(self.type, name, message or "", timestamp, result, details or _NOTHING)

    def __instancecheck__(self, instance: object) -> bool:
        if isinstance(instance, State):
            return instance.type is self.type if self.covers_type else instance.name == self.name
        return False

    def __repr__(self) -> str:
        return f"nbflow.states.{self.name}"


def maker_of(name: str) -> NamedState:
    """Return the maker of the states of that name, Prefect 1's names included.

    Raises:
        OptionError: If no state has that name.

    Example:
        >>> maker_of("Success")
        nbflow.states.Completed
    """
    found = _MAKERS.get(ALIASES.get(name, name))
    if found is None:
        raise OptionError.unknown("state", name, [*TYPES, *ALIASES])
    return found


_MAKERS: Final = {name: NamedState(name) for name in TYPES}

Scheduled: Final = _MAKERS["Scheduled"]
"""Begins at `start_time`."""
Late: Final = _MAKERS["Late"]
"""Its time passed more than 15 s ago and it is not Pending yet."""
AwaitingRetry: Final = _MAKERS["AwaitingRetry"]
"""Failed, has attempts left, and waits for `start_time`."""
Resuming: Final = _MAKERS["Resuming"]
"""Resumed by a person and not yet Pending."""
Pending: Final = _MAKERS["Pending"]
"""Submitted; what must hold before it runs is open."""
Running: Final = _MAKERS["Running"]
"""The body executes for the first time."""
Retrying: Final = _MAKERS["Retrying"]
"""The body executes in its second or a later attempt."""
Looping: Final = _MAKERS["Looping"]
"""The body executes again after LOOP."""
Paused: Final = _MAKERS["Paused"]
"""Waits for a person."""
Cancelling: Final = _MAKERS["Cancelling"]
"""Asked to stop and not stopped yet."""
Completed: Final = _MAKERS["Completed"]
"""Ended with a value."""
Cached: Final = _MAKERS["Cached"]
"""Ended with the value of an earlier run; the body did not execute."""
Skipped: Final = _MAKERS["Skipped"]
"""Ended without doing anything, on purpose."""
Mapped: Final = _MAKERS["Mapped"]
"""The parent of mapped runs (`map_states`) that all completed."""
Failed: Final = _MAKERS["Failed"]
"""The body raised."""
TimedOut: Final = _MAKERS["TimedOut"]
"""The limit that the task itself sets was reached."""
TriggerFailed: Final = _MAKERS["TriggerFailed"]
"""The trigger said no; the message names the upstream tasks responsible."""
ValidationFailed: Final = _MAKERS["ValidationFailed"]
"""What the body made was found wrong."""
Cancelled: Final = _MAKERS["Cancelled"]
"""A person stopped it."""
Crashed: Final = _MAKERS["Crashed"]
"""The worker or the kernel died."""

Success: Final = Completed
"""Prefect 1's name of `Completed`."""
Finished: Final = Completed
"""Prefect 1's name of `Completed`."""
Resume: Final = Resuming
"""Prefect 1's name of `Resuming`."""
