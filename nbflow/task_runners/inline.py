"""The runner `inline`: the body runs in the calling thread, on live objects.

A timeout is an alarm of the operating system. Its handler interrupts whatever the main thread
does, and an exception raised in the wrong place would tear a commit or end the kernel. So it is
raised only where the innermost frames belong to a task: walking outwards from the interrupted
frame, the first frame of nbflow must be one that calls the user's code (`calls_user_code`), and
the body with the limit must be further out. Anywhere else the alarm is set for a moment later.
"""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.drive import calls_user_code, is_caller
from nbflow.engine.effects import Ended
from nbflow.task_runners.awaiting import awaited_here
from nbflow.task_runners.base import Enforced, Promises, TaskCall, TaskReport

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType, TracebackType

_NOT_NOW: Final = 0.05
"""Seconds until the alarm tries again where it may not interrupt."""
_GRACE: Final = 1.0
"""Seconds until a body that swallowed the interrupt is struck again."""


class LimitReached(BaseException):
    """Raised within a body at its limit; no `Exception`, so that bodies do not catch it by chance.

    Args:
        attempt: The identifier of the attempt whose limit it is.
    """

    def __init__(self, attempt: str) -> None:
        super().__init__(f"attempt {attempt} reached its limit")
        self.attempt = attempt


class InlineTaskRunner:
    """Runs bodies in the calling thread, one at a time, within each other where they nest.

    Example:
        >>> InlineTaskRunner().run(TaskCall("a#1/1.1", "a", lambda: 7)).value
        7
    """

    name: str = "inline"

    @property
    def promises(self) -> Promises:
        """What holds in this thread: only the main thread can be interrupted."""
        limit = Enforced.FIRM if _can_interrupt() else None
        return Promises(limit=limit, shares_namespace=True, hears_stop=True)

    def run(self, call: TaskCall) -> TaskReport:
        """Run the body now and report how it ended; nothing that it raises escapes.

        The only exception is the limit of an outer task in whose body this one runs: it goes on
        to where it belongs.
        """
        started = time.monotonic()
        try:
            if call.awaits:
                report = awaited_here(call)
            elif call.timeout is None:
                report = _report(call)
            elif _can_interrupt():
                report = _ALARMS.run(call, call.timeout)
            else:
                report = _unlimited(call, call.timeout)
        finally:
            seconds = time.monotonic() - started
        return TaskReport(call.attempt, report.ended, report.value, report.enforced, seconds, report.note)

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Run the body now; the future returned is done."""
        future: Future[TaskReport] = Future()
        future.set_result(self.run(call))
        return future

    def cancel(self, attempt: str) -> bool:
        """Do nothing: while a body runs in this thread, only an interrupt can reach it."""
        return False

    def close(self) -> None:
        """Do nothing: there are no workers."""


def _can_interrupt() -> bool:
    return hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()


@calls_user_code
def _run_body(call: TaskCall) -> Any:
    """Call the body: the frame by which the alarm knows that it interrupts a task."""
    return call.body()


_BODY_CODE: Final = _run_body.__code__


def _report(call: TaskCall) -> TaskReport:
    try:
        return TaskReport(call.attempt, Ended.RETURNED, _run_body(call))
    except LimitReached as limit:
        # The limit of an outer task ends this body on the way to its own.
        if limit.attempt != call.attempt:
            raise
        return TaskReport(call.attempt, Ended.TIMED_OUT, enforced=Enforced.FIRM)
    except BaseException as error:  # noqa: BLE001  # what it means is decided in `run_task`
        return TaskReport(
            call.attempt, Ended.RAISED, error.with_traceback(_without_ours(error.__traceback__))
        )


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Drop the frames down to the body's own: the user wants to see the user's lines."""
    while traceback is not None and _leads_to_body(traceback.tb_frame):
        traceback = traceback.tb_next
    return traceback


_ON_THE_WAY: Final = ("nbflow.task_runners.", "nbflow.running.", "nbflow.flows.", "nbflow.tasks")


def _leads_to_body(frame: FrameType) -> bool:
    """Whether a frame only calls a body; those of a notebook's cells are dropped by who shows them."""
    return str(frame.f_globals.get("__name__", "")).startswith(_ON_THE_WAY)


def _unlimited(call: TaskCall, timeout: float) -> TaskReport:
    """Run to the end where nothing can interrupt, and be honest about a limit that passed."""
    started = time.monotonic()
    report = _report(call)
    note = f"the limit of {timeout:g} s cannot be enforced off the main thread; runner='process' can"
    if time.monotonic() - started <= timeout or report.ended is not Ended.RETURNED:
        return TaskReport(call.attempt, report.ended, report.value, report.enforced, note=note)
    return TaskReport(call.attempt, Ended.TIMED_OUT, enforced=Enforced.SOFT, note=note)


@dataclass(slots=True)
class _Limit:
    attempt: str
    due: float
    struck: bool = False


class _Alarms:
    """The limits of the bodies that now run within each other, over the one alarm there is."""

    def __init__(self) -> None:
        self._limits: list[_Limit] = []

    def run(self, call: TaskCall, timeout: float) -> TaskReport:
        # One body may run within another, each with a limit; there is one alarm for all of them.
        limit = _Limit(call.attempt, time.monotonic() + timeout)
        with self._users_alarm_kept(), self._armed(limit):
            report = _report(call)
        if limit.struck and report.ended is Ended.RETURNED:
            note = "the body swallowed the interrupt at its limit and went on"
            return TaskReport(call.attempt, Ended.TIMED_OUT, enforced=Enforced.SOFT, note=note)
        return report

    @contextmanager
    def _armed(self, limit: _Limit) -> Generator[None]:
        self._limits.append(limit)
        self._arm()
        try:
            yield
        finally:
            self._limits.remove(limit)
            self._arm()

    @contextmanager
    def _users_alarm_kept(self) -> Generator[None]:
        """Put the user's own handler and timer back when the outermost limit is gone."""
        if self._limits:
            yield
            return
        # Switched off first: between the two calls it would ring at the wrong door.
        remaining, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        handler = signal.signal(signal.SIGALRM, self._ring)
        started = time.monotonic()
        try:
            yield
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
            if remaining:
                left = max(remaining - (time.monotonic() - started), 0.001)
                signal.setitimer(signal.ITIMER_REAL, left, interval)

    def _arm(self, soonest: float = 0.001) -> None:
        """Set the alarm for the limit that is due first, or switch it off."""
        if not self._limits:
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        due = min(limit.due for limit in self._limits)
        signal.setitimer(signal.ITIMER_REAL, max(due - time.monotonic(), soonest))

    def _ring(self, _: int, frame: FrameType | None) -> None:
        """Interrupt the task whose limit is due, if its own code is what was interrupted."""
        now = time.monotonic()
        due = next((limit for limit in self._limits if limit.due <= now), None)
        if due is None:
            self._arm()
            return
        if not _is_within(frame, due.attempt):
            self._arm(soonest=_NOT_NOW)
            return
        # A body may swallow the interrupt; it is struck again after a moment to clean up in.
        due.struck = True
        due.due = now + _GRACE
        self._arm()
        raise LimitReached(due.attempt)


_ALARMS: Final = _Alarms()


def may_interrupt(frame: FrameType | None) -> bool:
    """Whether the user's code is what was interrupted, or waiting, and not nbflow's own work."""
    if frame is None or _is_ours(frame):
        return False
    while frame is not None and not _is_ours(frame):
        frame = frame.f_back
    return frame is not None and is_caller(frame.f_code)


def is_called_by_us(frame: FrameType | None) -> bool:
    """Whether what was interrupted is nbflow's, or called by it, and no loop that waits for others."""
    while frame is not None and not _is_ours(frame):
        frame = frame.f_back
    return frame is not None


def _is_within(frame: FrameType | None, attempt: str) -> bool:
    """Whether the user's code is what was interrupted, somewhere within the body of `attempt`."""
    if not may_interrupt(frame):
        return False
    while frame is not None:
        if frame.f_code is _BODY_CODE and frame.f_locals["call"].attempt == attempt:
            return True
        frame = frame.f_back
    return False


def _is_ours(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return name == "nbflow" or name.startswith("nbflow.")
