"""Futures: results to come, and how to wait for them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.task_runners.thread import place_given_up

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from nbflow.engine.ongoing import Ongoing
    from nbflow.running.runs import Run
    from nbflow.states import State


class TaskFuture:
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
        with place_given_up():
            concurrent.futures.wait([self.ended], timeout)

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
        if not self.ended.done():
            with place_given_up():
                self.ended.result(timeout)
        return self.run.state.value(raise_on_failure=raise_on_failure)

    def add_done_callback(self, function: Callable[[TaskFuture], object]) -> None:
        """Call `function` with this future when the run has ended; at once if it has."""
        self.ended.add_done_callback(lambda _: function(self))

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.wrap_future(self.ended).__await__()
        return self.run.state.value()

    def __repr__(self) -> str:
        return f"<TaskFuture {self.run.name!r}: {self.run.state.name}>"


class TaskFutureList(list[TaskFuture]):
    """The futures of a map, by position."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended, at most `timeout` seconds."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Any]:
        """Wait for all and return what they made, by position; the first failure is raised.

        Raises:
            TimeoutError: If it takes longer than `timeout` seconds; the runs go on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        return [
            each.result(None if until is None else max(until - time.monotonic(), 0.0), raise_on_failure)
            for each in self
        ]


class DoneAndNotDone(NamedTuple):
    """What `wait` returns: those that have ended, and those that have not."""

    done: set[TaskFuture]
    not_done: set[TaskFuture]


def wait(futures: Iterable[TaskFuture], timeout: float | None = None) -> DoneAndNotDone:
    """Wait until all have ended, at most `timeout` seconds."""
    given = list(futures)
    with place_given_up():
        concurrent.futures.wait([each.ended for each in given], timeout)
    done = {each for each in given if each.done()}
    return DoneAndNotDone(done, set(given) - done)


def as_completed(futures: Iterable[TaskFuture], timeout: float | None = None) -> Generator[TaskFuture]:
    """Give each as soon as it has ended.

    Raises:
        TimeoutError: If not all have ended `timeout` seconds after the first was asked for.
    """
    by_end = {each.ended: each for each in futures}
    ends = concurrent.futures.as_completed(by_end, timeout)
    while True:
        with place_given_up():
            ended = next(ends, None)
        if ended is None:
            return
        yield by_end[ended]
