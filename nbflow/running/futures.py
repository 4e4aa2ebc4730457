"""Futures: results to come, and how to wait for them."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbflow.engine.drive import calls_user_code
from nbflow.engine.ongoing import comes, moments
from nbflow.showing import ShowsItself
from nbflow.task_runners.places import place_given_up

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from nbflow.engine.ongoing import Ongoing
    from nbflow.running.runs import Run
    from nbflow.states import State


_log: Final = logging.getLogger("nbflow")


class TaskFuture(ShowsItself):
    """The result of a run that was submitted.

    Args:
        run: The run.

    Example:
        >>> from nbflow.running.runs import Run
        >>> from nbflow.states import Completed
        >>> future = TaskFuture(Run("a1", "clean", None, state=Completed(result=7)))
        >>> future.end()
        >>> future.result(), future.state
        (7, Completed())
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.is_stepped = False
        """Whether it goes on only as somebody asks for its values."""
        self.ended: Future[State] = Future()
        self._ongoing: Ongoing | None = None

    @property
    def name(self) -> str:
        """What people call the run."""
        return self.run.name

    @property
    def task_run_id(self) -> str:
        """Identifier of the run."""
        return self.run.id

    @property
    def state(self) -> State:
        """The last state that the run entered."""
        return self.run.state

    def drive(self, ongoing: Ongoing) -> None:
        """Take the run that this is the future of; it is not started here."""
        self._ongoing = ongoing
        # A run is stopped by `cancel`, not by somebody who awaits this and is cancelled.
        self.ended.set_running_or_notify_cancel()
        ongoing.future.add_done_callback(lambda _: self.end())

    def end(self) -> None:
        """Tell those who wait that the run has ended, or waits for a person."""
        self.ended.set_result(self.run.state)

    def done(self) -> bool:
        """Whether the run has ended, or waits for a person."""
        return self.ended.done()

    def cancel(self, reason: str = "cancelled") -> None:
        """Stop the run."""
        if self._ongoing is not None:
            self._ongoing.cancel(reason)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run has ended, at most `timeout` seconds."""
        self._comes(timeout)

    def _comes(self, timeout: float | None) -> bool:
        if self.ended.done():
            return True
        with place_given_up():
            return comes(self.ended, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """Wait for the run and return what it made.

        Args:
            timeout: Seconds to wait at most; None: as long as it takes.
            raise_on_failure: Whether an exception is raised instead of returned.

        Raises:
            TimeoutError: If it takes longer; the run goes on.
            NotFinishedError: If it waits for a person.
            Exception: What ended the run, where it did not complete.
        """
        __tracebackhide__ = True
        if not self._comes(timeout):
            raise TimeoutError(f"{self.name} has not ended within {timeout:g} s; it goes on")
        return self.run.state.value(raise_on_failure=raise_on_failure)

    def add_done_callback(self, function: Callable[[TaskFuture], object]) -> None:
        """Call `function` with this future when the run has ended; at once if it has.

        One that raises is logged, and the others are called.
        """

        def call(_: object) -> None:
            try:
                function(self)
            except BaseException:  # noqa: BLE001  # it must not keep others from knowing of the end
                _log.exception("a callback of %s raised; the run goes on", self.name)

        self.ended.add_done_callback(call)

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self.settled().__await__()
        return self.run.state.value()

    async def settled(self) -> None:
        """Await that the run has ended; however it ended."""
        if not self.ended.done():
            with place_given_up():
                await asyncio.wrap_future(self.ended)

    def __repr__(self) -> str:
        return f"<TaskFuture {self.run.name!r}: {self.run.state.name}>"


class TaskFutureList(list[TaskFuture], ShowsItself):
    """The futures of a map, by position."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, at most `timeout` seconds."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Any]:
        """Wait for all and return what they made, by position; the first failure is raised.

        Raises:
            TimeoutError: If it takes longer than `timeout` seconds; the runs go on.
        """
        __tracebackhide__ = True
        left = _countdown(timeout)
        return [each.result(left(), raise_on_failure) for each in self]


class DoneAndNotDone(NamedTuple):
    """What `wait` returns: those that have ended, and those that have not."""

    done: set[TaskFuture]
    not_done: set[TaskFuture]


def wait(futures: Iterable[TaskFuture], timeout: float | None = None) -> DoneAndNotDone:
    """Wait until all have ended, at most `timeout` seconds."""
    given = list(futures)
    left = _countdown(timeout)
    for each in given:
        each.wait(left())
    done = {each for each in given if each.done()}
    return DoneAndNotDone(done, set(given) - done)


def as_completed(futures: Iterable[TaskFuture], timeout: float | None = None) -> Generator[TaskFuture]:
    """Give each as soon as it has ended.

    Raises:
        TimeoutError: If not all have ended `timeout` seconds after the first was asked for.
    """
    given: dict[TaskFuture, None] = dict.fromkeys(futures)
    ends: SimpleQueue[TaskFuture] = SimpleQueue()
    for each in given:
        each.add_done_callback(ends.put)
    left = _countdown(timeout)
    for _ in given:
        yield _next(ends, left())


@calls_user_code
def _next(ends: SimpleQueue[TaskFuture], timeout: float | None) -> TaskFuture:
    with place_given_up():
        for moment in moments(timeout):
            with suppress(Empty):
                return ends.get(timeout=moment)
    raise TimeoutError("not all runs have ended in time; they go on")


def _countdown(timeout: float | None) -> Callable[[], float | None]:
    until = None if timeout is None else time.monotonic() + timeout
    return lambda: None if until is None else max(until - time.monotonic(), 0.0)
