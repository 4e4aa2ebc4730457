"""A run that is driven by whoever brings the next answer.

`drive` blocks its thread while it waits. Here a handler may answer an effect with a `Future` instead; the
run then rests as a value, without a thread and without a stack, until the future is done. Where it goes on
is said by `resume`: in the thread that brought the answer (`go_on_here`), in one that drains a `Mailbox`, or
in an event loop (`go_on_in`). Whatever the way, the states are those of `drive`: all of them share `driving`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from nbflow.engine.drive import calls_user_code, driving
from nbflow.engine.effects import CancelRun

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Generator, Iterable
    from contextlib import AbstractContextManager

    from nbflow.engine.drive import Entered, Journal
    from nbflow.engine.effects import Asked, Enter, Handler, Steps
    from nbflow.states import State

    Work = Generator[Asked, Any, State]

_MOMENT: Final = 0.2
"""Seconds after which a thread that waits looks whether somebody has interrupted it."""

Action = Callable[[], object]
Result = TypeVar("Result")
Made = TypeVar("Made")


class Ongoing:
    """One run on its way.

    Whoever moves the run on holds its turn. While an effect is performed nobody does: the answer takes the
    turn, or a stop does that comes first, and the answer finds it taken then and is dropped.

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

    __slots__ = (
        "_awaited", "_handler", "_is_free", "_ledger", "_lock", "_resume", "_turn", "_work", "future",
    )  # fmt: skip

    def __init__(
        self, steps: Steps, handler: Handler, journal: Journal, resume: Callable[[Action], object]
    ) -> None:
        self.future: Future[State] = Future()
        self._handler = handler
        self._resume = resume
        self._ledger = _Stoppable(journal)
        self._work: Work = driving(steps, None, self._ledger)
        self._lock = threading.Lock()
        self._awaited: Future[Any] | None = None
        self._turn, self._is_free = 0, False

    def start(self) -> None:
        """Go on in this thread until an answer has to be waited for.

        Raises:
            KeyboardInterrupt: If the user pressed Stop meanwhile; the run has ended as Cancelled.
        """
        self._advance(partial(next, self._work))

    def cancel(self, reason: str) -> None:
        """Stop the run, wherever it stands; what its body says later is dropped.

        It has ended when this returns, but for a body that is stopped in its own time, such as one that
        awaits, and for a run that another thread is just moving on: it stops at its next effect, and the
        run that has started it ends after it.
        """
        with self._lock:
            if self._ledger.stop is not None or self.future.done():
                return
            self._ledger.stop = CancelRun(reason)
            turn, is_free, awaited = self._turn, self._is_free, self._awaited
        # Outside of the lock, because what is stopped may answer at once and in this thread.
        left = self._handler.stop(reason)
        if is_free and left:
            when_all(left).add_done_callback(lambda _: self._end(turn, awaited))
        elif is_free:
            self._end(turn, awaited)

    def _end(self, turn: int, awaited: Future[Any] | None) -> None:
        """Let a stopped run end, now that nothing below it goes on."""
        if awaited is not None:
            awaited.cancel()
            if not awaited.done():
                return
        go_on_here(partial(self._go_on, turn, None))

    def _advance(self, step: Callable[[], Asked]) -> None:
        """Answer effects until one is answered later; whoever waits is told of the end."""
        following: Callable[[], Asked] | None = step
        while following is not None:
            try:
                effect = following()
            except StopIteration as end:
                self.future.set_result(end.value)
                return
            except BaseException as stop:
                # Both hear of it: whoever waits for the run, and whoever is moving it on.
                self.future.set_exception(stop)
                raise
            following = self._answer(effect)

    def _answer(self, effect: Asked) -> Callable[[], Asked] | None:
        """Perform an effect and return the step that follows; None where it is not to be made here."""
        with self._lock:
            if self._ledger.stop is not None:
                return partial(self._work.throw, self._ledger.stop)
            turn, self._is_free = self._turn, True
        try:
            answer = effect.ask(self._handler)
            if isinstance(answer, Future):
                if not answer.done():
                    self._rest(turn, cast("Future[Any]", answer))
                    return None
                answer = cast("Future[Any]", answer).result()
        except BaseException as error:  # noqa: BLE001  # the run decides what a fault means
            step = partial(self._work.throw, error)
        else:
            step = partial(self._work.send, answer)
        return step if self._takes(turn) else None

    def _takes(self, turn: int) -> bool:
        """Whether the run may be moved on from here; it may once for each turn."""
        with self._lock:
            if turn != self._turn:
                return False
            self._turn, self._is_free, self._awaited = turn + 1, False, None
            return True

    def _rest(self, turn: int, answer: Future[Any]) -> None:
        """Wait for an answer; nobody wants it any more where the run was stopped meanwhile."""
        with self._lock:
            if turn == self._turn:
                self._awaited = answer
        answer.add_done_callback(partial(self._come, turn))
        # A stop that came just before saw no answer that it could have cancelled.
        if turn != self._turn:
            answer.cancel()

    def _come(self, turn: int, answer: Future[Any]) -> None:
        """Go on with an answer that came late; this is called by its future and must not raise."""
        go_on = partial(self._go_on, turn, answer)
        try:
            # A stopped run only ends, which it can do anywhere.
            (go_on_here if self._ledger.stop is not None else self._resume)(go_on)
        except BaseException as fault:  # noqa: BLE001  # a stop of the user's is in `future` for who waits
            if turn == self._turn:
                self.cancel(f"it cannot go on: {fault}")

    def _go_on(self, turn: int, answer: Future[Any] | None) -> None:
        awaited = self._awaited
        if not self._takes(turn):
            return
        if self._ledger.stop is not None:
            if answer is None and awaited is not None:
                awaited.cancel()
            self._advance(partial(self._work.throw, self._ledger.stop))
        elif answer is not None:
            self._advance(self._step_after(answer))

    def _step_after(self, answer: Future[Any]) -> Callable[[], Asked]:
        if answer.cancelled():
            return partial(self._work.throw, RuntimeError("whoever should have answered gave up"))
        error = answer.exception()
        return partial(self._work.throw, error) if error else partial(self._work.send, answer.result())


class _Stoppable:
    """The ledger of a run that can be stopped: told to stop, it is when a state was entered."""

    __slots__ = ("_journal", "stop")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.stop: CancelRun | None = None

    def append(self, effect: Enter, old: State | None) -> Entered:
        return self._journal.append(effect, old)

    def tell(self, entered: Entered) -> None:
        self._journal.tell(entered)
        if self.stop is not None:
            raise self.stop


class Mailbox:
    """What has to be done by one thread; others put it in.

    Args:
        resting: Makes what surrounds the time in which the thread has nothing to do.

    Example:
        >>> mailbox, done = Mailbox(), Future()
        >>> mailbox.post(lambda: done.set_result(7))
        >>> mailbox.work_until(done)
        7
    """

    def __init__(self, resting: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self._actions: deque[Action] = deque()
        self._bell = threading.Event()
        self._resting = resting

    def post(self, action: Action) -> None:
        """Put an action in, from any thread."""
        self._actions.append(action)
        self._bell.set()

    def work_until(self, done: Future[Result]) -> Result:
        """Do what is put in until a future is done; return its result, or raise its exception."""
        if not done.done():
            done.add_done_callback(lambda _: self._bell.set())
        while not done.done():
            if self._actions:
                self._actions.popleft()()
            else:
                with self._resting():
                    self._wait()
        return done.result()

    def work_off(self) -> None:
        """Do what lies in it now."""
        while self._actions:
            self._actions.popleft()()

    @calls_user_code
    def _wait(self) -> None:
        # Nothing is taken out here: an interrupt costs a ring of the bell at most.
        for moment in moments():
            if self._bell.wait(moment):
                break
        self._bell.clear()


def moments(timeout: float | None = None) -> Generator[float]:
    """For how long to wait at a time: Stop that is pressed just when a thread begins to wait wakes nobody.

    Args:
        timeout: Seconds to wait in all; None: for ever.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _MOMENT if until is None else min(_MOMENT, until - time.monotonic())
        yield max(left, 0.0)
        if left <= 0:
            return


@calls_user_code
def comes(done: Future[Any], timeout: float | None = None) -> bool:
    """Wait until a future is done; whether it is in time. Limits and Stop interrupt the waiting.

    Example:
        >>> come = Future()
        >>> comes(come, 0), come.set_result(1), comes(come)
        (False, None, True)
    """
    for moment in moments(timeout):
        with suppress(TimeoutError):
            done.exception(moment)
            return True
    return False


class _Here(threading.local):
    queue: deque[Action] | None = None


_HERE: Final = _Here()


def go_on_here(action: Action) -> None:
    """Do it in this thread, but never within another one: a chain of thousands needs no deep stack.

    Raises:
        BaseException: What an action raised first, once all are done.
    """
    if _HERE.queue is not None:
        _HERE.queue.append(action)
        return
    queue = _HERE.queue = deque([action])
    raised: BaseException | None = None
    try:
        while queue:
            try:
                queue.popleft()()
            except BaseException as error:  # noqa: BLE001  # the other actions belong to other runs
                raised = raised or error
    finally:
        _HERE.queue = None
    if raised is not None:
        raise raised


def go_on_in(loop: AbstractEventLoop) -> Callable[[Action], object]:
    """A way to go on in an event loop, which no run ends by raising."""
    return lambda action: loop.call_soon_threadsafe(_quietly, action)


def _quietly(action: Action) -> None:
    with suppress(BaseException):  # the run has ended with it; the loop has others
        action()


class Later(Future[Made]):
    """What is made of the result of a future; who cancels it cancels what it is made of.

    Args:
        source: That future.
        make: Makes of its result what this one gives.

    Example:
        >>> first = Future()
        >>> doubled = Later(first, lambda value: value * 2)
        >>> first.set_result(4)
        >>> doubled.result()
        8
    """

    def __init__(self, source: Future[Any], make: Callable[[Any], Made]) -> None:
        super().__init__()
        self._source = source
        self._make = make
        source.add_done_callback(self._pass_on)

    def cancel(self) -> bool:
        """Cancel what it is made of; it is done when that is."""
        return self._source.cancel()

    def _pass_on(self, source: Future[Any]) -> None:
        try:
            made = self._make(source.result())
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever waits
            self.set_exception(error)
        else:
            self.set_result(made)


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
        # Who waits for it may have cancelled it, and then no result can be set.
        if is_last and done.set_running_or_notify_cancel():
            done.set_result(None)

    for future in open_ones:
        future.add_done_callback(count)
    return done
