"""Generators as bodies: they go on step by step, whenever somebody wants their next value."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from nbflow.engine.effects import Ended
from nbflow.engine.ongoing import Mailbox
from nbflow.running.scope import INLINE, Lane
from nbflow.task_runners.awaiting import report_awaited
from nbflow.task_runners.base import Enforced, Promises, TaskCall, TaskReport
from nbflow.task_runners.places import place_given_up

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from nbflow.engine.ongoing import Ongoing
    from nbflow.running.futures import TaskFuture

    Begin = Callable[[Lane], tuple[TaskFuture, Ongoing]]


@dataclass(slots=True)
class _Attempt:
    """One attempt at a body that yields; each step has the time that those before it have left."""

    call: TaskCall
    steps: Any
    report: Future[TaskReport] = field(default_factory=Future[TaskReport])
    around: Context = field(default_factory=copy_context)
    seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or was stopped."""
        return self.report.done()

    def step(self, move: Callable[[], Any]) -> TaskReport:
        """Go on to the next value, which is in the report; where it has none, this attempt is over."""
        return self._counted(INLINE.run(self._limited(partial(self.around.run, move))))

    async def await_step(self, move: Callable[[], Any]) -> TaskReport:
        """Do what `step` does, awaiting."""
        awaited = report_awaited(self._limited(move))
        step = asyncio.get_running_loop().create_task(awaited, context=self.around)
        try:
            await asyncio.wait([step])
        except asyncio.CancelledError:
            # It would be taken for an answer of the body's: whoever awaits is cancelled, after it cleaned up.
            step.cancel()
            await asyncio.wait([step])
            raise
        return self._counted(step.result())

    def _limited(self, body: Callable[[], Any]) -> TaskCall:
        limit = self.call.timeout
        left = None if limit is None else max(limit - self.seconds, 0.001)
        return TaskCall(self.call.attempt, self.call.name, body, left)

    def _counted(self, report: TaskReport) -> TaskReport:
        self.seconds += report.seconds
        return report

    def end(self, report: TaskReport) -> None:
        """Tell how it ended; for a generator, to be exhausted is to return."""
        value = report.value
        if isinstance(value, (StopIteration, StopAsyncIteration)):
            made = value.value if isinstance(value, StopIteration) else None
            report = TaskReport(report.attempt, Ended.RETURNED, made)
        if self.report.set_running_or_notify_cancel():
            self.report.set_result(report)


class Stepper:
    """The runner of one run that yields: it hands each attempt to whoever steps through it."""

    name: str = "stepper"
    promises: Promises = Promises(limit=Enforced.FIRM, shares_namespace=True, hears_stop=True)

    def __init__(self) -> None:
        self.coming: Future[_Attempt | None] = Future()
        """The next attempt; None when the run is over."""

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Keep an attempt; nothing of its body has run yet."""
        attempt = _Attempt(call, call.body())
        self.coming.set_result(attempt)
        return attempt.report

    def renew(self) -> None:
        """Be ready for a further attempt."""
        self.coming = Future()

    def over(self, _: object) -> None:
        """Take note that the run is over."""
        if not self.coming.done():
            self.coming.set_result(None)

    def cancel(self, attempt: str) -> bool:
        """Do nothing: between two steps nothing executes."""
        return False

    def close(self) -> None:
        """Do nothing: there are no workers."""


def stepped(begin: Begin) -> Generator[Any, Any, Any]:
    """The values of a run, which begins with the first and goes on with each further one.

    A retry yields from the start again. The run completes when it is exhausted, or closed.

    Args:
        begin: Makes the run, given where it goes on.
    """
    mailbox, stepper = Mailbox(place_given_up), Stepper()
    future, ongoing = begin(Lane(stepper, mailbox.post))
    future.ended.add_done_callback(stepper.over)
    try:
        ongoing.start()
        while (attempt := mailbox.work_until(stepper.coming)) is not None:
            stepper.renew()
            yield from _values(attempt)
    except BaseException as stop:
        # Of one that was closed the end has been posted already.
        mailbox.work_off()
        ongoing.cancel(str(stop) or type(stop).__name__)
        raise
    return future.state.value()


def _values(attempt: _Attempt) -> Generator[Any, Any]:
    move = partial(next, attempt.steps)
    try:
        while not attempt.is_over:
            report = attempt.step(move)
            if report.ended is not Ended.RETURNED:
                attempt.end(report)
                return
            try:
                sent = yield report.value
            except GeneratorExit:
                attempt.end(attempt.step(attempt.steps.close))
                raise
            except BaseException as thrown:  # noqa: BLE001  # the generator may catch it
                move = partial(attempt.steps.throw, thrown)
            else:
                move = partial(attempt.steps.send, sent)
    finally:
        attempt.step(attempt.steps.close)


async def stepped_async(begin: Begin) -> AsyncGenerator[Any, Any]:
    """Do what `stepped` does for an asynchronous generator."""
    loop, stepper = asyncio.get_running_loop(), Stepper()
    attempt: _Attempt | None = None
    future, ongoing = begin(Lane(stepper, loop.call_soon_threadsafe))
    future.ended.add_done_callback(stepper.over)
    try:
        ongoing.start()
        while (attempt := await asyncio.wrap_future(stepper.coming)) is not None:
            stepper.renew()
            move = partial(attempt.steps.asend, None)
            while not attempt.is_over:
                report = await attempt.await_step(move)
                if report.ended is not Ended.RETURNED:
                    attempt.end(report)
                    break
                try:
                    move = partial(attempt.steps.asend, (yield report.value))
                except Exception as thrown:  # noqa: BLE001  # the generator may catch it
                    move = partial(attempt.steps.athrow, thrown)
            await attempt.await_step(attempt.steps.aclose)
    except BaseException as stop:
        await _closed(attempt, stop)
        await _ended(future, ongoing, stop)
        raise
    future.state.value()


async def _closed(attempt: _Attempt | None, stop: BaseException) -> None:
    """Close the body where it stands; if nobody wants more of it, that is its end."""
    if attempt is None:
        return
    report = await attempt.await_step(attempt.steps.aclose)
    if isinstance(stop, GeneratorExit):
        attempt.end(report)


async def _ended(future: TaskFuture, ongoing: Ongoing, stop: BaseException) -> None:
    """Let what was posted for the run be done, then stop it where it goes on."""
    await asyncio.sleep(0)
    ongoing.cancel(str(stop) or type(stop).__name__)
    await asyncio.wrap_future(future.ended)
