"""What `nbflow.engine.run` asks for, what it is answered, and what it has to know: values only.

A run is described by one `RunSpec`. The generator `run_task` yields effects (`Enter`, `Await`,
`Load`, `Save`, `Recall`, `Keep`, `Call`, `Sleep`, `Spawn`, `Park`) and is sent their answers; but
for `Enter`, which belongs to the driver, a `Handler` has one method for each.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from nbflow.engine.signals import ENDRUN, Signal
from nbflow.retries import NO_RETRIES, Draw, Retries
from nbflow.states import Origin, Role, State
from nbflow.triggers import Edge, Trigger, all_successful

if TYPE_CHECKING:
    from concurrent.futures import Future

StateHandler = Callable[[State, State], "State | None"]


class CancelRun(BaseException):
    """Thrown into `run_task` to stop it; the text is the reason shown."""


class Ended(Enum):
    """How one attempt at a body ended."""

    RETURNED = "returned"
    RAISED = "raised"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    CANCELLED = "cancelled"


class RunSpec(msgspec.Struct, frozen=True):
    """Everything that `run_task` has to know about one run.

    Args:
        id: Identifier of the run.
        name: What people call it: the task's name, with the index of a mapped item.
        body: What is executed; opaque here.
        upstream: The edges from the tasks before it.
        inputs: Constants, and the inputs that are supplied when the task is started by name.
        bind: Makes the arguments of what each edge passes; None: each under the key of its edge. It may raise
            a signal to end the run before its body.
        trigger: Whether it may run.
        skip_on_upstream_skip: Whether it is skipped below a skipped task.
        started_by_name: Whether a person named it: no upstream is awaited, no trigger asked.
        is_held: Asked once it is pending: whether its driver knows when it may go on, also where no upstream
            is awaited; None: it may.
        retries: When another attempt is due.
        timeout: The limit for each attempt in seconds; None: no limit.
        key: Under what its result is looked up and saved, or a function of the inputs that
            returns it; None: neither.
        look_up: Whether a result under the key is reused (`refresh_cache` says no).
        keeps: Whether its driver keeps what another run goes on from: the inputs of a run that does
            not complete, and the results of LOOP.
        mapped: Whether the body runs once for each element; the run spawns its items then.
        start_time: When it begins, seconds since the epoch; None: now.
        resumed: The last state of a run that goes on; None for a new one.
        attempt: The number of its first attempt.
        loop: The number of its first LOOP iteration.
        loop_result: What the LOOP before that iteration left.
        versions: Name to version of the inputs that are known beforehand (`state.cached_inputs`).
        state_handlers: Prefect 1's, bound to their task: given the old and the new state of each
            change, each may return another one.
        draw: Source of chance for the jitter of delays, numbers from [0, 1).
        reason: Why it runs, for people; the message of Pending.
        flow_run: Number of the flow run.
        parent: Identifier of the run it belongs to, or an empty string.
        index: Its position among the items of a mapped parent.
        role: What it is a run of.
        origin: Who started it.
    """

    id: str
    name: str
    body: Any = None
    upstream: tuple[Edge, ...] = ()
    inputs: Mapping[str, Any] = {}
    bind: Callable[[Mapping[Edge, Any]], Mapping[str, Any]] | None = None
    trigger: Trigger = all_successful
    skip_on_upstream_skip: bool = True
    started_by_name: bool = False
    is_held: Callable[[], bool] | None = None
    retries: Retries = NO_RETRIES
    timeout: float | None = None
    key: str | Callable[[Mapping[str, Any]], str | None] | None = None
    look_up: bool = True
    keeps: bool = False
    mapped: bool = False
    start_time: float | None = None
    resumed: State | None = None
    attempt: int = 1
    loop: int = 1
    loop_result: Any = None
    versions: Mapping[str, str] = {}
    state_handlers: tuple[StateHandler, ...] = ()
    draw: Draw | None = None
    reason: str = ""
    flow_run: int = 0
    parent: str = ""
    index: int | None = None
    role: Role = Role.TASK
    origin: Origin = Origin.NAMED


class Outcome(msgspec.Struct, frozen=True):
    """The answer to `Call`.

    Args:
        attempt: The identifier that the `Call` bore; an answer to an older one is dropped.
        ended: How the attempt ended.
        value: What the body returned or raised (signals included); for CRASHED and CANCELLED the
            reason, as a text.
        enforced: For TIMED_OUT, how firmly: `hard`, `firm`, `soft` or `abandoned`.
        versions: Name to version of the inputs that the body had.
        captured: What it showed, as whoever ran it has encoded it; opaque here.
        away: What another process tells of it, see `nbflow.engine.baggage.Back`; None: it ran in this one.
    """

    attempt: str
    ended: Ended
    value: Any = None
    enforced: str = ""
    versions: Mapping[str, str] = {}
    captured: bytes = b""
    away: Any = None

    @property
    def has_returned(self) -> bool:
        """Whether the body ran to its end, be it by a signal that it is done."""
        value: object = self.value
        return self.ended is Ended.RETURNED or (isinstance(value, Signal) and value.state.is_completed())

    @property
    def was_given_up(self) -> bool:
        """Whether the body was ended from outside: in a thread it may still go on."""
        is_over = self.ended in (Ended.RETURNED, Ended.RAISED)
        return not is_over or isinstance(self.value, KeyboardInterrupt)

    def instead(self, state: State) -> Outcome:
        """The same attempt, ended in another state, which is its last whatever retries say."""
        return Outcome(self.attempt, Ended.RAISED, ENDRUN(state))


class Hit(msgspec.Struct, frozen=True):
    """The answer to `Load` where there is a result; a miss is answered by None."""

    value: Any
    message: str = ""
    details: Mapping[str, Any] = {}


class Saved(msgspec.Struct, frozen=True):
    """The answer to `Save`: the version stored, or the problem that prevented it; or None."""

    version: str = ""
    problem: str = ""


class Left(msgspec.Struct, frozen=True):
    """The answer to `Recall` where a run was interrupted: its next iteration, and what that starts from."""

    loop: int
    result: Any


class Handler(Protocol):
    """Who performs the effects; each method may raise, and is told everything by its effect."""

    def await_upstream(self, effect: Await, /) -> Mapping[Edge, State]:
        """Wait for the upstream runs as far as they can go, and return their states."""
        ...

    def load(self, effect: Load, /) -> Hit | None:
        """Return the result under a key, or None."""
        ...

    def save(self, effect: Save, /) -> Saved | None:
        """Store a result under a key."""
        ...

    def recall(self, effect: Recall, /) -> Left | None:
        """Return where the run, or an interrupted one of the same, goes on in its LOOP, or None."""
        ...

    def keep(self, effect: Keep, /) -> Mapping[str, str]:
        """Store the inputs of a run that may be taken up again; return name to version."""
        ...

    def call(self, effect: Call, /) -> Outcome:
        """Run the body once; asked again about the same attempt, go on waiting for it."""
        ...

    def sleep(self, effect: Sleep, /) -> bool:
        """Wait until the time; False: do not wait, the run parks and is resumed later."""
        ...

    def spawn(self, effect: Spawn, /) -> Sequence[State]:
        """Run the items of a mapped run and return how each ended, by position."""
        ...

    def park(self, effect: Park, /) -> None:
        """Take note that the run ends here for now; its history says how to go on."""
        ...

    def stop(self, reason: str, /) -> Sequence[Future[Any]]:
        """Stop what goes on below the run, which somebody stopped from outside; return what ends later."""
        ...


class Enter(msgspec.Struct, frozen=True):
    """Append a state to the history; answered by the state as appended."""

    spec: RunSpec
    state: State
    attempt: int
    loop: int


class Await(msgspec.Struct, frozen=True):
    """Wait for the upstream runs; answered by `{edge: state}`."""

    spec: RunSpec

    def ask(self, handler: Handler) -> Mapping[Edge, State]:
        """Let the handler perform it."""
        return handler.await_upstream(self)


class Load(msgspec.Struct, frozen=True):
    """Look a result up; answered by a `Hit` or None."""

    spec: RunSpec
    key: str

    def ask(self, handler: Handler) -> Hit | None:
        """Let the handler perform it."""
        return handler.load(self)


class Save(msgspec.Struct, frozen=True):
    """Store a result, or what iteration `loop` starts from; answered by `Saved` or None.

    The key of a run that is not cached is empty; only iterations are saved of it.
    """

    spec: RunSpec
    key: str
    value: Any
    loop: int = 0

    def ask(self, handler: Handler) -> Saved | None:
        """Let the handler perform it."""
        return handler.save(self)


class Recall(msgspec.Struct, frozen=True):
    """Ask where the run, or an interrupted one of the same, left its LOOP; answered by `Left` or None."""

    spec: RunSpec
    inputs: Mapping[str, Any]

    def ask(self, handler: Handler) -> Left | None:
        """Let the handler perform it."""
        return handler.recall(self)


class Keep(msgspec.Struct, frozen=True):
    """Store the inputs, because the run may be taken up again; answered by name to version."""

    spec: RunSpec
    inputs: Mapping[str, Any]

    def ask(self, handler: Handler) -> Mapping[str, str]:
        """Let the handler perform it."""
        return handler.keep(self)


class Call(msgspec.Struct, frozen=True):
    """Run the body once; answered by an `Outcome`.

    Args:
        spec: The run.
        attempt: Identifier of this attempt, unique among all attempts of all runs.
        run_count: Which attempt of the iteration it is, from 1 (`context.task_run_count`).
        loop: Which iteration, from 1 (`context.task_loop_count`).
        loop_result: What the iteration before left (`context.task_loop_result`).
        inputs: The arguments.
        timeout: The limit in seconds, or None.
        deadline: When that limit ends, seconds since the epoch, or None.
    """

    spec: RunSpec
    attempt: str
    run_count: int
    loop: int
    loop_result: Any
    inputs: Mapping[str, Any]
    timeout: float | None = None
    deadline: float | None = None

    def ask(self, handler: Handler) -> Outcome:
        """Let the handler perform it."""
        return handler.call(self)


class Sleep(msgspec.Struct, frozen=True):
    """Wait until a time, seconds since the epoch; answered by whether it was waited."""

    spec: RunSpec
    until: float

    def ask(self, handler: Handler) -> bool:
        """Let the handler perform it."""
        return handler.sleep(self)


class Spawn(msgspec.Struct, frozen=True):
    """Run the items of a mapped run; answered by their states, by position."""

    spec: RunSpec
    inputs: Mapping[str, Any]

    def ask(self, handler: Handler) -> Sequence[State]:
        """Let the handler perform it."""
        return handler.spawn(self)


class Park(msgspec.Struct, frozen=True):
    """The generator ends in a state that is not final; a later one goes on from the history."""

    spec: RunSpec
    state: State

    def ask(self, handler: Handler) -> None:
        """Let the handler perform it."""
        handler.park(self)


class Begin(msgspec.Struct, frozen=True):
    """Ask for the turn of the body, before its run is Running; answered by nothing."""

    spec: RunSpec

    def ask(self, handler: Handler) -> None:
        """Do nothing: where nobody gives turns each body may begin."""


Asked = Begin | Await | Load | Save | Recall | Keep | Call | Sleep | Spawn | Park
"""The effects that a handler performs."""
Effect = Enter | Asked
Steps = Generator[Effect, Any, State]
Moves = Generator[Effect, Any, None]
