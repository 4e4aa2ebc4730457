"""One attempt on its way to a worker, and its report on the way back: the same for all workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from nbflow.engine.effects import Ended
from nbflow.engine.signals import Signal
from nbflow.exceptions import OptionError, WorkerError, WorkerTraceback, text_of
from nbflow.task_runners.base import Entry, TaskCall, TaskReport
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.task_runners.shipping import packed, this_process, unpacked
from nbflow.task_runners.trails import Trail, trail_of

_INLINE: Final = InlineTaskRunner()


@dataclass(frozen=True, slots=True)
class Parcel:
    """A call as plain data.

    Args:
        attempt: Identifier of the attempt.
        name: What people call the task.
        body: What to run.
        awaits: Whether what the body returns has to be awaited.
        home: The process that it comes from, and that the report goes to.
        timeout: The limit in seconds, for a worker that enforces it itself; None: no limit.
        is_alone: Whether nothing else may go on in the process meanwhile.
    """

    attempt: str
    name: str
    body: Entry
    awaits: bool
    home: str
    timeout: float | None = None
    is_alone: bool = False

    def __call__(self) -> bytes:
        """Run it in this process; its report as bytes."""
        return performed(self)


def parcel_of(call: TaskCall) -> Parcel:
    """A call as a parcel; one whose body is a parcel is only passed on.

    Raises:
        OptionError: If its body is a live object of this process.
    """
    if isinstance(call.body, Parcel):
        return call.body
    if not isinstance(call.body, Entry):
        raise OptionError(f"the body of {call.name!r} is a live object; workers take an Entry")
    home = this_process()
    return Parcel(call.attempt, call.name, call.body, call.awaits, home, call.timeout, call.is_alone)


def performed(parcel: Parcel) -> bytes:
    """Run the body in this process; the report as bytes, which says so where its value cannot leave."""
    call = TaskCall(parcel.attempt, parcel.name, parcel.body, awaits=parcel.awaits)
    report = _INLINE.run(call)
    value = sendable(report.value) if report.ended is Ended.RAISED else report.value
    try:
        return sealed(replace(report, value=value), parcel)
    except Exception as error:  # noqa: BLE001 - pickling is user code
        text = f"what {parcel.name!r} made cannot leave its worker ({text_of(error)})"
        failure = WorkerError(f"{text}; return plain data, or use the runner thread")
        return sealed(replace(report, ended=Ended.RAISED, value=failure), parcel)


def sealed(report: TaskReport, parcel: Parcel) -> bytes:
    """A report as bytes for where the parcel came from.

    Raises:
        Exception: If its value cannot leave this process.
    """
    return packed(report, parcel.home)


def sendable(error: BaseException) -> object:
    """An exception that can be made again elsewhere, once it was sent; where it was raised is its cause."""
    return error if isinstance(error, Signal) else with_place(error)


def with_place(error: BaseException) -> object:
    """The same, also where it is a signal, of which only who shows its lines wants to know the place."""
    trail = trail_of(error)
    is_fit = isinstance(error, Signal) or _can_be_sent(error)
    return _Raised(error if is_fit else WorkerError(text_of(error)), trail)


def _can_be_sent(error: BaseException) -> bool:
    try:
        unpacked(packed(error))
    except Exception:  # noqa: BLE001 - pickling is user code
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Raised:
    """An exception with the way to it, which pickle would leave behind."""

    error: BaseException
    trail: Trail

    def __reduce__(self) -> Any:
        return _raised, (self.error, self.trail, getattr(self.error, "name", None))


def _raised(error: BaseException, trail: Trail, name: str | None) -> BaseException:
    if isinstance(error, NameError):
        error.name = name  # which pickle leaves behind
    cause = error.__cause__ = WorkerTraceback(str(trail).rstrip())
    cause.frames, cause.before = trail.frames, str(trail.before or "").rstrip()
    return error


def opened(data: bytes, call: TaskCall) -> TaskReport:
    """The report that a worker has sent; of a parcel that was only passed on, its bytes as the value.

    Example:
        >>> from nbflow.task_runners.shipping import shipped
        >>> call = TaskCall("a#1/1.1", "a", shipped(lambda: 7))
        >>> opened(performed(parcel_of(call)), call).value
        7
    """
    if isinstance(call.body, Parcel):
        return TaskReport(call.attempt, Ended.RETURNED, data)
    try:
        return unpacked(data)
    except Exception as error:  # noqa: BLE001 - unpickling is user code
        text = f"what {call.name!r} made in its worker cannot be made again here ({text_of(error)})"
        return TaskReport(call.attempt, Ended.RAISED, WorkerError(f"{text}; return plain data"))
