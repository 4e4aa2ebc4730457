"""Bodies that await something: in a running event loop, or to their end in a loop of their own."""

from __future__ import annotations

import asyncio
import time
from contextvars import copy_context
from typing import TYPE_CHECKING

from nbflow.engine.daemons import DAEMONS
from nbflow.engine.drive import calls_user_code
from nbflow.engine.effects import Ended
from nbflow.task_runners.base import Attempt, Enforced, Promises, TaskCall, TaskReport

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from concurrent.futures import Future


async def report_awaited(call: TaskCall) -> TaskReport:
    """Await a body under its limit and report how it ended; nothing that it raises escapes."""
    started = time.monotonic()
    report = await _report(call)
    seconds = time.monotonic() - started
    return TaskReport(call.attempt, report.ended, report.value, report.enforced, seconds, report.note)


async def _report(call: TaskCall) -> TaskReport:
    limit, started = asyncio.timeout(call.timeout), time.monotonic()
    try:
        async with limit:
            value = await call.body()
    except TimeoutError as error:
        if limit.expired():
            return TaskReport(call.attempt, Ended.TIMED_OUT, enforced=Enforced.FIRM)
        return TaskReport(call.attempt, Ended.RAISED, error)
    except asyncio.CancelledError:
        return TaskReport(call.attempt, Ended.CANCELLED, "the awaiting task was cancelled")
    except BaseException as error:  # noqa: BLE001  # what it means is decided in `run_task`
        return TaskReport(call.attempt, Ended.RAISED, error)
    if call.timeout is not None and time.monotonic() - started > call.timeout:
        note = "the body did not await at its limit, or swallowed the interrupt, and went on"
        return TaskReport(call.attempt, Ended.TIMED_OUT, enforced=Enforced.SOFT, note=note)
    return TaskReport(call.attempt, Ended.RETURNED, value)


@calls_user_code
def awaited_here(call: TaskCall) -> TaskReport:
    """Run a body that awaits to its end, in a loop of its own; this thread waits.

    Example:
        >>> async def seven():
        ...     return 7
        >>> awaited_here(TaskCall("a#1/1.1", "a", seven, awaits=True)).value
        7
    """
    try:
        if _has_loop():
            # It cannot be entered again, as in a notebook's kernel.
            return _awaited_beside(call)
        return asyncio.run(report_awaited(call))
    except KeyboardInterrupt as pressed:
        return TaskReport(call.attempt, Ended.RAISED, pressed)


@calls_user_code
def _awaited_beside(call: TaskCall) -> TaskReport:
    """Run it in a loop of another thread; whoever interrupts the waiting stops it."""
    attempt = InOwnLoop(call)
    DAEMONS.run(attempt.run)
    try:
        return attempt.result()
    except BaseException:
        attempt.cancel()
        raise


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class LoopTaskRunner:
    """Runs bodies as tasks of an event loop, beside each other where they await.

    Args:
        loop: The loop, which runs.
    """

    name: str = "loop"
    promises: Promises = Promises(
        limit=Enforced.FIRM, shares_namespace=True, concurrent=True, hears_stop=True
    )

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._going: dict[str, _InLoop] = {}

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Start an attempt in the loop; to be called in its thread."""
        going = self._going.get(call.attempt)
        if going is not None:
            return going
        made = self._going[call.attempt] = _InLoop(call)
        made.add_done_callback(lambda _: self._going.pop(call.attempt, None))
        made.start(self._loop)
        return made

    def cancel(self, attempt: str) -> bool:
        """Cancel the task of an attempt; whether it is there."""
        going = self._going.get(attempt)
        return going is not None and going.cancel()

    def close(self) -> None:
        """Do nothing: the loop is not ours."""


class _InLoop(Attempt):
    """An attempt that is a task of an event loop."""

    _task: asyncio.Task[TaskReport] | None = None
    _loop: AbstractEventLoop

    def start(self, loop: AbstractEventLoop) -> asyncio.Task[TaskReport]:
        """Make it one; to be called in the thread of the loop."""
        task = loop.create_task(report_awaited(self.call), name=self.call.name)
        task.add_done_callback(self._pass_on)
        self._task, self._loop = task, loop
        return task

    def cancel(self) -> bool:
        """Cancel the task; the report comes when it has cleaned up."""
        if self.done():
            return False
        if self._task is None or self._loop.is_closed():
            return super().cancel()
        self._loop.call_soon_threadsafe(self._task.cancel)
        return True

    def _pass_on(self, task: asyncio.Task[TaskReport]) -> None:
        # Cancelled before its first step, it has not even begun to report.
        if task.cancelled():
            self.tell(Ended.CANCELLED, "it was stopped before it began")
        else:
            self.report(task.result())


class InOwnLoop(_InLoop):
    """An attempt for which a thread runs a loop, with the context variables of whoever made it."""

    def __init__(self, call: TaskCall) -> None:
        super().__init__(call)
        self._context = copy_context()

    def run(self) -> None:
        """Run it to its end in this thread."""
        if not self.done():
            self._context.run(asyncio.run, self._run())

    async def _run(self) -> None:
        await asyncio.wait([self.start(asyncio.get_running_loop())])
