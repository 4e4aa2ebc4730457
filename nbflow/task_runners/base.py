"""What every runner takes, gives and promises."""

from __future__ import annotations

import importlib
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from nbflow.engine.effects import Ended, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable


class Enforced(Enum):
    """How firmly a limit was enforced.

    `HARD`: the worker was killed. `FIRM`: the body was interrupted at a point where Python lets
    it be. `SOFT`: the body went on past the limit and ended by itself. `ABANDONED`: the body may
    still be running, and whatever it says later is dropped.
    """

    HARD = "hard"
    FIRM = "firm"
    SOFT = "soft"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Promises:
    """What a runner can do.

    Args:
        limit: How firmly it enforces a timeout; None: not at all.
        shares_namespace: Whether bodies see and change the live objects of the kernel. Only such
            a runner takes a body that is a callable; the others take an `Entry`.
        concurrent: Whether it runs several bodies at a time.
        survives_crash: Whether a body that kills its process costs that task only.
        observes: Whether what a body of a notebook does in its workers is seen there, as it is here.
        hears_stop: Whether bodies run in the thread that drives the flow, which the user's Stop interrupts.

    Example:
        >>> Promises(limit=Enforced.HARD).hard_timeout
        True
    """

    limit: Enforced | None = None
    shares_namespace: bool = False
    concurrent: bool = False
    survives_crash: bool = False
    hears_stop: bool = False
    observes: bool = False

    @property
    def takes_cells(self) -> bool:
        """Whether it runs several bodies of task cells at a time."""
        return self.concurrent and (self.shares_namespace or self.observes)

    @property
    def runs_beside(self) -> bool:
        """Whether it runs several bodies of live objects at a time, as a run in the background needs it."""
        return self.concurrent and self.shares_namespace

    @property
    def hard_timeout(self) -> bool:
        """Whether a body is killed at its limit, whatever it does."""
        return self.limit is Enforced.HARD


@dataclass(frozen=True, slots=True)
class Entry:
    """A body as plain data, which any process can run.

    Args:
        path: Import path of a callable, `package.module:name`.
        payload: What it is called with; opaque to the runner.

    Example:
        >>> Entry("builtins:len", b"abc")()
        3
    """

    path: str
    payload: bytes = b""

    def load(self) -> None:
        """Import what has the callable, which is no part of its time; a fault is told where it is called."""
        with suppress(Exception):
            importlib.import_module(self.path.partition(":")[0])

    def __call__(self) -> Any:
        """Import the callable and call it."""
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)(self.payload)


class TaskCall(msgspec.Struct, frozen=True):
    """One attempt at a body.

    Args:
        attempt: Identifier of the attempt; a runner that is given it again does not start it twice.
        name: What people call the task.
        body: What to run, without arguments.
        timeout: The limit in seconds; None: no limit.
        awaits: Whether what the body returns has to be awaited.
        is_alone: Whether nothing else may go on in the process of a worker meanwhile.
    """

    attempt: str
    name: str
    body: Callable[[], Any]
    timeout: float | None = None
    awaits: bool = False
    is_alone: bool = False


class TaskReport(msgspec.Struct, frozen=True):
    """How one attempt ended.

    Args:
        attempt: The identifier from the call.
        ended: How it ended.
        value: What the body returned or raised; for CRASHED and CANCELLED a reason as text.
        enforced: For TIMED_OUT, how firmly the limit was enforced.
        seconds: How long it took.
        note: What the user should know besides, such as a limit that could not be enforced.
    """

    attempt: str
    ended: Ended
    value: Any = None
    enforced: Enforced | None = None
    seconds: float = 0.0
    note: str = ""

    def outcome(self) -> Outcome:
        """Return the answer to the engine's `Call`."""
        return Outcome(self.attempt, self.ended, self.value, self.enforced.value if self.enforced else "")


class Attempt(Future[TaskReport]):
    """The report to come of one attempt; who cancels it asks the attempt to stop.

    The report then tells how it ended, at once or as soon as the body has cleaned up.

    Args:
        call: The attempt.

    Example:
        >>> attempt = Attempt(TaskCall("a#1/1.1", "a", int))
        >>> attempt.cancel(), attempt.result().ended.value, attempt.tell(Ended.RETURNED, 7)
        (True, 'cancelled', False)
    """

    def __init__(self, call: TaskCall) -> None:
        super().__init__()
        self.call = call

    def cancel(self) -> bool:
        """Ask the attempt to stop; whether that can have an effect."""
        return self.tell(Ended.CANCELLED, "it was stopped before it began")

    def tell(self, ended: Ended, value: Any = None, **more: Any) -> bool:
        """Report how it ended; whether it is the first report, which alone counts."""
        return self.report(TaskReport(self.call.attempt, ended, value, **more))

    def report(self, report: TaskReport) -> bool:
        """Do what `tell` does, with a report that is made already."""
        try:
            self.set_result(report)
        except InvalidStateError:
            return False
        return True


class Runner(Protocol):
    """Where bodies execute; a body sees the context variables of whoever submits it."""

    @property
    def name(self) -> str:
        """The name that `--runner` takes."""
        ...

    @property
    def promises(self) -> Promises:
        """What it can do in the present thread and on the present system."""
        ...

    def submit(self, call: TaskCall, /) -> Future[TaskReport]:
        """Start an attempt; its future always ends with a report, never with an exception.

        Who cancels that future asks the attempt to stop. An attempt that goes on is not started again:
        its future is returned.
        """
        ...

    def cancel(self, attempt: str, /) -> bool:
        """Ask an attempt to stop; whether that can have an effect."""
        ...

    def close(self) -> None:
        """End the workers; calling it again does nothing."""
        ...


def warning_about_limit(call: TaskCall, runner: Runner) -> str:
    """Say what a task's limit is worth under this runner; empty where it is enforced.

    Example:
        >>> from nbflow.task_runners.inline import InlineTaskRunner
        >>> warning_about_limit(TaskCall("a#1/1.1", "a", int), InlineTaskRunner())
        ''
    """
    limit = runner.promises.limit
    # What awaits is interrupted where it awaits, wherever that is.
    if call.timeout is None or call.awaits or limit in (Enforced.HARD, Enforced.FIRM):
        return ""
    does = "cannot enforce" if limit is None else "can only softly enforce"
    return (
        f"runner {runner.name!r} {does} the limit of {call.timeout:g} s of task {call.name!r} here; "
        "runner='process' can"
    )
