"""Bodies that await something: in a running event loop, or to their end in a loop of their own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from nbflow.engine.drive import calls_user_code
from nbflow.engine.effects import Ended
from nbflow.task_runners.base import Enforced, Promises, TaskCall, TaskReport

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


async def report_awaited(call: TaskCall) -> TaskReport:
    """Await a body under its limit and report how it ended; nothing that it raises escapes."""
    limit = asyncio.timeout(call.timeout)
    try:
        async with limit:
            return TaskReport(call.attempt, Ended.RETURNED, await call.body())
    except TimeoutError as error:
        if limit.expired():
            return TaskReport(call.attempt, Ended.TIMED_OUT, enforced=Enforced.FIRM)
        return TaskReport(call.attempt, Ended.RAISED, error)
    except asyncio.CancelledError:
        return TaskReport(call.attempt, Ended.CANCELLED, "the awaiting task was cancelled")
    except BaseException as error:  # noqa: BLE001  # what it means is decided in `run_task`
        return TaskReport(call.attempt, Ended.RAISED, error)


@calls_user_code
def awaited_here(call: TaskCall) -> TaskReport:
    """Run a body that awaits to its end, in a loop of its own; this thread waits.

    Example:
        >>> async def seven():
        ...     return 7
        >>> awaited_here(TaskCall("a#1/1.1", "a", seven, awaits=True)).value
        7
    """
    if not _has_loop():
        return asyncio.run(report_awaited(call))
    # A loop runs in this thread already and cannot be entered again, as in a notebook's kernel.
    found: Future[TaskReport] = Future()
    thread = threading.Thread(
        target=lambda: found.set_result(asyncio.run(report_awaited(call))), name=call.name
    )
    thread.start()
    thread.join()
    return found.result()


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
    promises: Promises = Promises(limit=Enforced.FIRM, shares_namespace=True, concurrent=True)

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Start an attempt in the loop; to be called in its thread."""
        report: Future[TaskReport] = Future()
        task = self._loop.create_task(report_awaited(call), name=call.name)
        task.add_done_callback(lambda done: _pass_on(done, report))
        report.add_done_callback(lambda _: report.cancelled() and task.cancel())
        return report

    def cancel(self, attempt: str) -> bool:
        """Do nothing: who cancels the future of an attempt cancels its task."""
        return False

    def close(self) -> None:
        """Do nothing: the loop is not ours."""


def _pass_on(done: asyncio.Task[TaskReport], report: Future[TaskReport]) -> None:
    if report.set_running_or_notify_cancel():
        report.set_result(done.result())
