"""A run that is driven by whoever brings the next answer.

`drive` blocks its thread while it waits. Here a handler may answer an effect with a `Future` instead; the
run then rests as a value, without a thread and without a stack, until the future is done. Where it goes on
is said by `resume`: in the thread that brought the answer (`go_on_here`), in one that drains a `Mailbox`, or
in an event loop. Whatever the way, the states are those of `drive`: all of them share `driving`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from nbflow.engine.drive import driving
from nbflow.engine.effects import CancelRun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.drive import Journal
    from nbflow.engine.effects import Asked, Handler, Steps
    from nbflow.states import State

Action = Callable[[], object]
Result = TypeVar("Result")
Made = TypeVar("Made")


class Ongoing:
    """One run on its way.

    Args:
        steps: What `run_task` returned.
        handler: Performs the effects; any answer may be a `Future` of it.
        journal: Where states are appended.
        resume: Called with what to do next when an answer came late; says where that is done.

    Example:
        >>> from nbflow.engine.drive import Journal, PlainHandler
        >>> from nbflow.engine.effects import RunSpec
        >>> from nbflow.engine.run import run_task
        >>> spec = RunSpec("one#1", "one", body=lambda: 1)
        >>> ongoing = Ongoing(run_task(spec), PlainHandler(), Journal([], lambda: 0.0), go_on_here)
        >>> ongoing.start()
        >>> ongoing.future.result().value()
        1
    """

    __slots__ = ("_handler", "_lock", "_resume", "_stop", "_waits_for", "_work", "future")

    def __init__(
        self, steps: Steps, handler: Handler, journal: Journal, resume: Callable[[Action], object]
    ) -> None:
        self.future: Future[State] = Future()
        self._handler = handler
        self._resume = resume
        self._work = driving(steps, None, journal)
        self._lock = threading.Lock()
        self._stop: CancelRun | None = None
        self._waits_for: Future[Any] | None = None

    def start(self) -> None:
        """Go on in this thread until an answer has to be waited for.

        Raises:
            KeyboardInterrupt: If the user pressed Stop meanwhile; the run has ended as Cancelled.
        """
        self._advance(partial(next, self._work))

    def cancel(self, reason: str) -> None:
        """Stop the run, wherever it stands; what its body says later is dropped."""
        with self._lock:
            if self._stop is not None:
                return
            self._stop = CancelRun(reason)
            waited, self._waits_for = self._waits_for, None
        if waited is not None:
            waited.cancel()
            self._resume(partial(self._advance, partial(self._work.throw, self._stop)))

    def _advance(self, step: Callable[[], Asked]) -> None:
        """Answer effects until one is answered later; whoever waits is told of the end."""
        while True:
            try:
                effect = step()
            except StopIteration as end:
                self.future.set_result(end.value)
                return
            except BaseException as stop:
                self.future.set_exception(stop)
                raise
            try:
                answer = self._ask(effect)
                if isinstance(answer, Future):
                    if self._rests(cast("Future[Any]", answer)):
                        return
                    answer = cast("Future[Any]", answer).result()
            except BaseException as error:  # noqa: BLE001  # the run decides what a fault means
                step = partial(self._work.throw, error)
            else:
                step = partial(self._work.send, answer)

    def _ask(self, effect: Asked) -> object:
        if self._stop is not None:
            raise self._stop
        return effect.ask(self._handler)

    def _rests(self, answer: Future[Any]) -> bool:
        """Whether the run waits from now on; not where the answer is there, or the run was stopped."""
        if answer.done():
            return False
        with self._lock:
            if self._stop is not None:
                raise self._stop
            self._waits_for = answer
        answer.add_done_callback(self._go_on)
        return True

    def _go_on(self, answer: Future[Any]) -> None:
        with self._lock:
            # A stopped run waits for nothing any more: its late answer is dropped.
            if self._waits_for is not answer:
                return
            self._waits_for = None
        error = answer.exception()
        how = partial(self._work.throw, error) if error else partial(self._work.send, answer.result())
        self._resume(partial(self._advance, how))


class Mailbox:
    """What has to be done by one thread; others put it in.

    Example:
        >>> mailbox, done = Mailbox(), Future()
        >>> mailbox.post(lambda: done.set_result(7))
        >>> mailbox.work_until(done)
        7
    """

    def __init__(self) -> None:
        self._actions: SimpleQueue[Action] = SimpleQueue()

    def post(self, action: Action) -> None:
        """Put an action in, from any thread."""
        self._actions.put(action)

    def work_until(self, done: Future[Result]) -> Result:
        """Do what is put in until a future is done; return its result, or raise its exception."""
        if not done.done():
            done.add_done_callback(lambda _: self.post(_nothing))
        while not done.done():
            self._actions.get()()
        return done.result()

    def work_off(self) -> None:
        """Do what lies in it now."""
        while not self._actions.empty():
            self._actions.get()()


def _nothing() -> None:
    """Wake whoever waits."""


class _Here(threading.local):
    queue: deque[Action] | None = None


_HERE: Final = _Here()


def go_on_here(action: Action) -> None:
    """Do it in this thread, but never within another one: a chain of thousands needs no deep stack."""
    if _HERE.queue is not None:
        _HERE.queue.append(action)
        return
    queue = _HERE.queue = deque([action])
    try:
        while queue:
            queue.popleft()()
    finally:
        _HERE.queue = None


def after(future: Future[Result], make: Callable[[Result], Made]) -> Future[Made]:
    """What `make` makes of the result of a future, as soon as that is done.

    Example:
        >>> first = Future()
        >>> doubled = after(first, lambda value: value * 2)
        >>> first.set_result(4)
        >>> doubled.result()
        8
    """
    made: Future[Made] = Future()

    def pass_on(done: Future[Result]) -> None:
        if not made.set_running_or_notify_cancel():
            return
        try:
            made.set_result(make(done.result()))
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever waits
            made.set_exception(error)

    # Who no longer wants it does not want what it is made of.
    made.add_done_callback(lambda _: made.cancelled() and future.cancel())
    future.add_done_callback(pass_on)
    return made


def when_all(futures: Iterable[Future[Any]]) -> Future[None]:
    """A future that is done when all of these are.

    Example:
        >>> one, other = Future(), Future()
        >>> both = when_all([one, other])
        >>> one.set_result(1)
        >>> both.done(), other.set_result(2), both.done()
        (False, None, True)
    """
    open_ones = [future for future in futures if not future.done()]
    done: Future[None] = Future()
    if not open_ones:
        done.set_result(None)
        return done
    left, lock = [len(open_ones)], threading.Lock()

    def count(_: Future[Any]) -> None:
        with lock:
            left[0] -= 1
            is_last = left[0] == 0
        if is_last and done.set_running_or_notify_cancel():
            done.set_result(None)

    for future in open_ones:
        future.add_done_callback(count)
    return done
